"""What is trained of each layer: a pair of low-rank factors, or whole weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.nn import Parameter

from vlmunl.methods.lab import Lab

ADAPTER = "default"


@dataclass(frozen=True)
class Pair:
    """`scale * B A` is added to the weight; `a` (rank, in), `b` (out, rank)."""

    a: Parameter
    b: Parameter
    scale: float


@dataclass(frozen=True)
class TrainedLayer:
    """One layer of the method and what is trained of it: `pair`, or `whole` weights (matrix, then bias)."""

    name: str
    pair: Pair | None
    whole: tuple[Parameter, ...]
    magnitude: Parameter | None = None


def trained_layers(lab: Lab) -> list[TrainedLayer]:
    """The layers of the method, once its training is set up."""
    return [_layer(name, lab.vlm.model.get_submodule(name)) for name in lab.layers]


def _layer(name: str, module: Any) -> TrainedLayer:
    if not hasattr(module, "base_layer"):
        return TrainedLayer(name, None, tuple(p for p in module.parameters(recurse=False) if p.requires_grad))
    pair = Pair(module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight, float(module.scaling[ADAPTER]))
    magnitudes = getattr(module, "lora_magnitude_vector", {})
    magnitude = magnitudes[ADAPTER].weight if ADAPTER in magnitudes else None
    return TrainedLayer(name, pair, (), magnitude)
