"""Loss terms. Each takes what a view's forward pass gave and returns a scalar to be minimised.

Only answer tokens are in an `Out`, by construction. With p the model, y the answer tokens:
`m` is the mean of -log p(y_t) over all answer tokens, `S` the sum of -log p(y_t) of each sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as nnf
from torch import Tensor


@dataclass(frozen=True)
class Out:
    """Logits (n, V) at the n answer tokens of a batch, the tokens (n,), and the sample of each (n,) of `samples`."""

    logits: Tensor
    tokens: Tensor
    rows: Tensor
    samples: int

    @cached_property
    def nll(self) -> Tensor:
        """-log p of each answer token, (n,)."""
        return nnf.cross_entropy(self.logits, self.tokens, reduction="none")

    @property
    def mean(self) -> Tensor:
        """`m`: mean over answer tokens, a scalar in nats."""
        return self.nll.mean()

    @cached_property
    def total(self) -> Tensor:
        """`S`: sum over the answer tokens of each sample, (samples,) in nats."""
        return torch.zeros(self.samples, device=self.nll.device).index_add(0, self.rows, self.nll)


Params = Mapping[str, float]


def descent(out: Out, reference: Out | None, params: Params) -> Tensor:
    """CE: the usual language-model loss."""
    return out.mean


def ascent(out: Out, reference: Out | None, params: Params) -> Tensor:
    """-m: gradient ascent (Jang et al. 2023, arXiv 2210.01504)."""
    return -out.mean


def kl_reference(out: Out, reference: Out | None, params: Params) -> Tensor:
    """KL(ref || model) over the whole vocabulary, mean over answer tokens; 0 at the reference."""
    assert reference is not None
    target = torch.log_softmax(reference.logits, -1)
    return nnf.kl_div(torch.log_softmax(out.logits, -1), target, log_target=True, reduction="batchmean")


def npo(out: Out, reference: Out | None, params: Params) -> Tensor:
    """-(2/beta) log sigmoid(beta (S - S_ref)), mean over samples (arXiv 2404.05868, eq. 3).

    It is (2/beta) ln 2 at the start.
    """
    assert reference is not None
    beta = params["beta"]
    return -(2 / beta) * nnf.logsigmoid(beta * (out.total - reference.total)).mean()
