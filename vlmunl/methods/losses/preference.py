"""Losses that compare the answer to be forgotten with another one to the same question."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.methods.losses.seen import Seen
from vlmunl.models.answers import Out


def dpo(x: Seen, beta: float) -> Tensor:
    """-(2/beta) log sigmoid(beta [(S - S_ref)(answer) - (S - S_ref)(alternative)]), mean over samples.

    arXiv 2305.18290, eq. 7, with the factor of arXiv 2404.05868; it is (2/beta) ln 2 at the start.
    """
    answer, alternative = x.out.total - x.ref.total, x.other.total - x.other_ref.total
    return -(2 / beta) * nnf.logsigmoid(beta * (answer - alternative)).mean()


def probability(out: Out) -> Tensor:
    """Mean probability of the answer tokens of each sample, (samples,); nothing else is in the mean."""
    return out.per_sample(torch.exp(-out.nll)) / out.lengths


def flat_kl(x: Seen) -> Tensor:
    """-P(alternative) + exp(P(answer) - 1), mean over samples: FLAT with the KL divergence (arXiv 2410.11143)."""
    return (torch.exp(probability(x.out) - 1) - probability(x.other)).mean()


def flat_tv(x: Seen) -> Tensor:
    """-tanh(P(alternative))/2 + tanh(P(answer))/2, mean over samples: FLAT with the total variation."""
    return 0.5 * (torch.tanh(probability(x.out)) - torch.tanh(probability(x.other))).mean()
