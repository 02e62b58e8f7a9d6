"""Losses on the likelihood of answers. `m` is the mean NLL of all answer tokens, `S` the sum of each sample."""

from __future__ import annotations

import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.methods.losses.seen import Seen


def ce(x: Seen) -> Tensor:
    """m: the usual language-model loss."""
    return x.out.mean


def ga(x: Seen) -> Tensor:
    """-m: gradient ascent (Jang et al. 2023, arXiv 2210.01504)."""
    return -x.out.mean


def kl_ref(x: Seen) -> Tensor:
    """KL(ref || model) over the whole vocabulary, mean over answer tokens; 0 at the reference."""
    return nnf.kl_div(x.out.log_probs, x.ref.log_probs, log_target=True, reduction="batchmean")


def npo(x: Seen, beta: float) -> Tensor:
    """-(2/beta) log sigmoid(beta (S - S_ref)), mean over samples (arXiv 2404.05868, eq. 3).

    It is (2/beta) ln 2 at the start.
    """
    return -(2 / beta) * nnf.logsigmoid(beta * (x.out.total - x.ref.total)).mean()
