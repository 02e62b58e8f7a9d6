"""Attacks on weights that learn nothing: rounding, pruning, putting others in their place, moving between models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.attacks.bench import Attacked, Attackers, Bench
from vlmunl.errors import StudyError
from vlmunl.models import adapters
from vlmunl.models.vlm import VLM

GROUP = 64
"""Weights of a row that share a scale at 4 bits."""
_OFFSET = 0.9677083
"""The outermost quantile of the 4-bit levels, as QLoRA sets it (arXiv 2305.14314)."""


def quantize(bench: Bench, bits: int) -> Attackers:
    """Every linear layer but the head rounded, and computed with in the model's own precision. Biases are kept."""
    vlm = bench.bare(1.0)
    rounded = to_even_steps if bits == 8 else to_normal_levels
    for layer in _layers(vlm):
        layer.weight.data.copy_(rounded(layer.weight.data.float()))
    yield Attacked(*bench.dress(vlm))


def to_even_steps(weight: Tensor) -> Tensor:
    """Weights (out, in) at the nearest of 255 even steps from -m to m, m the largest magnitude of each row."""
    scale = weight.abs().amax(1, keepdim=True) / 127
    return torch.where(scale > 0, torch.round(weight / scale) * scale, weight)


def to_normal_levels(weight: Tensor) -> Tensor:
    """Weights (out, in) at the nearest of 16 levels times the largest magnitude of each `GROUP` neighbours in a row."""
    rows, width = weight.shape
    grouped = nnf.pad(weight, (0, -width % GROUP)).view(rows, -1, GROUP)
    scale = grouped.abs().amax(-1, keepdim=True)
    levels = normal_levels().to(weight)
    places = torch.bucketize(grouped / scale.clamp(min=torch.finfo(weight.dtype).tiny), (levels[1:] + levels[:-1]) / 2)
    return (levels[places] * scale).view(rows, -1)[:, :width]


@cache
def normal_levels() -> Tensor:
    """The 16 levels in [-1, 1]: 7 negative and 8 positive normal quantiles, evenly spaced in probability, and 0."""
    half = torch.tensor(0.5, dtype=torch.float64)
    up = torch.special.ndtri(torch.linspace(_OFFSET, float(half), 9, dtype=torch.float64))[:-1]
    down = -torch.special.ndtri(torch.linspace(_OFFSET, float(half), 8, dtype=torch.float64))[:-1]
    found = torch.cat([up, torch.zeros(1, dtype=torch.float64), down]).sort().values
    return found / found.max()


def prune(bench: Bench, percent: float) -> Attackers:
    """The smallest weights of every linear layer but the head are zero; of equal ones those that come first."""
    vlm = bench.bare(1.0)
    for layer in _layers(vlm):
        flat = layer.weight.data.view(-1)
        flat[torch.argsort(flat.abs(), stable=True)[: int(flat.numel() * percent / 100)]] = 0.0
    yield Attacked(*bench.dress(vlm))


def projector_restore(bench: Bench) -> Attackers:
    """The base model's projector instead of the model's own.

    Raises:
        StudyError: no part of the model is known as its projector.
    """
    vlm = bench.bare(1.0)
    base = {n: p for n, p in bench.base().model.named_parameters() if _in_projector(n)}
    if not base:
        raise StudyError(f"{bench.attack}: this model has no projector that is known as such", "leave the route out")
    mine = dict(vlm.model.named_parameters())
    for name, weight in base.items():
        mine[name].data.copy_(weight.data)
    yield Attacked(*bench.dress(vlm))


def merge_base(bench: Bench, alpha: float) -> Attackers:
    """All weights at `alpha` of the way from the model to the base model."""
    vlm = bench.bare(1.0)
    base = dict(bench.base().model.named_parameters())
    for name, weight in vlm.model.named_parameters():
        weight.data.lerp_(base[name].data, alpha)
    yield Attacked(*bench.dress(vlm))


def scale(bench: Bench, alpha: float) -> Attackers:
    """`alpha` of the unlearning step; a model without one (see `vlmunl.attacks.known`) stays as it is."""
    yield Attacked(*bench.dress(bench.bare(alpha)))


def _layers(vlm: VLM) -> Iterator[torch.nn.Linear]:
    """The linear layers of tower, projector and language model, without heads, routers and embeddings."""
    return (layer for name, layer in adapters.linears(vlm.model).items() if adapters.place_of(name) is not None)


def _in_projector(name: str) -> bool:
    place = adapters.place_of(name)
    return place is not None and place.part == "projector"
