"""Forgetting losses that level off by themselves. `p` is the probability of an answer token, `z` are its logits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.methods.losses.seen import Seen
from vlmunl.models.answers import Out


def mean_nll(out: Out) -> Tensor:
    """m of each sample, (samples,): its total NLL over its answer tokens."""
    return out.total / out.lengths


def simnpo(x: Seen, beta: float, delta: float) -> Tensor:
    """-(2/beta) log sigmoid(beta (m - delta)), mean over samples (arXiv 2410.07163): NPO without a reference."""
    return -(2 / beta) * nnf.logsigmoid(beta * (mean_nll(x.out) - delta)).mean()


def dsu(x: Seen, b: float) -> Tensor:
    """-(2/b) log sigmoid(b (m - m_ref)), mean over samples; (2/b) ln 2 at the start."""
    return -(2 / b) * nnf.logsigmoid(b * (mean_nll(x.out) - mean_nll(x.ref))).mean()


def softplus_ce(x: Seen) -> Tensor:
    """-log sigmoid(-m) = log(1 + e^m): it rises with m, so that minimising it teaches the answers."""
    return -nnf.logsigmoid(-x.out.mean)


def wga(x: Seen, beta: float) -> Tensor:
    """-mean(p^beta NLL), the weight without gradient (arXiv 2502.19301): likely tokens first."""
    weight = torch.exp(-beta * x.out.nll).detach()
    return -(weight * x.out.nll).mean()


def satimp(x: Seen, beta1: float, beta2: float) -> Tensor:
    """-mean(p^beta1 (1 - p)^beta2 NLL), the weight without gradient (arXiv 2505.11953)."""
    p = torch.exp(-x.out.nll).detach()
    return -(p**beta1 * (1 - p) ** beta2 * x.out.nll).mean()


def ceu(x: Seen, skip: float) -> Tensor:
    """Cross-entropy to the model's own distribution without the answer token (arXiv 2503.01224).

    The target has no gradient. The first `skip` tokens of each answer are left out, and 0 if nothing is left.
    """
    own = nnf.one_hot(x.out.tokens, x.out.logits.shape[-1]).bool()
    target = torch.softmax(x.out.logits.detach().masked_fill(own, -math.inf), -1)
    each = -(target * x.out.log_probs).sum(-1)
    keep = places(x.out) >= skip
    return each[keep].sum() / keep.sum().clamp(min=1)


def places(out: Out) -> Tensor:
    """The place of each answer token in its sample's answer, (n,), from 0."""
    lengths = torch.bincount(out.rows, minlength=out.samples)
    first = lengths.cumsum(0) - lengths
    return torch.arange(len(out.rows), device=out.rows.device) - first[out.rows]


def ihl(x: Seen) -> Tensor:
    """Inverted hinge: mean of max(0, 1 + p_answer - max p_other) (arXiv 2408.06621); between 0 and 2."""
    p = x.out.log_probs.exp()
    own = nnf.one_hot(x.out.tokens, p.shape[-1]).bool()
    return (1 + p[own] - p.masked_fill(own, -1).amax(-1)).clamp(min=0).mean()


def margin(x: Seen) -> Tensor:
    """Mean of (max z - mean z)^2 (arXiv 2506.05314): 0 when all tokens are as likely."""
    return (x.out.logits.amax(-1) - x.out.logits.mean(-1)).square().mean()


def entropy(x: Seen) -> Tensor:
    """KL(model || uniform) = log V - H, mean over answer tokens; between 0 and log V."""
    log_p = x.out.log_probs
    return math.log(log_p.shape[-1]) + (log_p.exp() * log_p).sum(-1).mean()


def uniform(x: Seen) -> Tensor:
    """KL(uniform || model) = -log V - mean log p, mean over answer tokens; not bounded from above."""
    return -math.log(x.out.log_probs.shape[-1]) - x.out.log_probs.mean()
