"""Losses on the states of one inner layer, at the text tokens of questions and answers (never at a picture's).

The first text token of a conversation is left out: no question can change its state, and in large models its norm is
out of all proportion (arXiv 2402.17762).
"""

from __future__ import annotations

import torch
from torch import Tensor

from vlmunl.methods.losses.seen import Seen
from vlmunl.models.answers import Out


def act_target(x: Seen, c: float) -> Tensor:
    """Mean of (h - c mean|h_ref| u)^2 over tokens and units; u is a fixed random unit vector (arXiv 2403.03218)."""
    h, size = _states(x, x.out), _norms(x).mean()
    return (h - c * size * _along(x, h)).square().mean()


def act_target_adaptive(x: Seen, c: float) -> Tensor:
    """Mean of (h - c |h_ref| u)^2 over tokens and units: each token by its own norm (arXiv 2408.06223)."""
    h, size = _states(x, x.out), _norms(x)
    return (h - c * size * _along(x, h)).square().mean()


def act_anchor(x: Seen) -> Tensor:
    """Mean of (h - h_ref)^2 over tokens and units; 0 at the reference."""
    return (_states(x, x.out) - _states(x, x.ref)).square().mean()


def act_deviate(x: Seen) -> Tensor:
    """Mean of max(0, cos(h, h_ref)) over tokens: from 1 at the reference to 0 (arXiv 2406.04313).

    Its gradient is 0 at the reference itself: another term must make the first move.
    """
    return torch.cosine_similarity(_states(x, x.out), _states(x, x.ref), dim=-1).clamp(min=0).mean()


def _states(x: Seen, out: Out) -> Tensor:
    """States (k, H) in float32 of the text tokens, without the first of each sample."""
    states = out.layers[x.layer]
    later = torch.zeros_like(states.rows, dtype=torch.bool)
    later[1:] = states.rows[1:] == states.rows[:-1]
    return states.values[later].float()


def _norms(x: Seen) -> Tensor:
    """|h_ref| of each token, (k, 1)."""
    norms: Tensor = torch.linalg.vector_norm(_states(x, x.ref), dim=-1, keepdim=True)
    return norms


def _along(x: Seen, h: Tensor) -> Tensor:
    return x.direction(h.shape[-1]).to(h)
