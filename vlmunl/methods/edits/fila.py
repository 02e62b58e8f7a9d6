"""FILA: a low-rank adapter that starts with what the forgotten answers hang on, taken out of the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.trained import trained_layers
from vlmunl.methods.scores import probed

SMALL = 1e-2
"""Share of a layer's mean retain Fisher information that is added to the denominator. The paper adds 1e-5, which is
far above or below the information itself, depending on the model.
"""
LEAST = 1e-3
"""The smallest row weight, as a share of the largest: rows are divided by it."""


def fila(lab: Lab, samples: float) -> None:
    """Move the best rank-r approximation of each weight, rows weighted by `sqrt(sum_j F_F / F_R)`, from the weight into
    the adapter that will be trained (LoKU, arXiv 2408.06621). The model as a whole is as it was.

    Raises:
        StudyError: the adapter is not a plain LoRA, or nothing is trained afterwards.
    """
    adapter = lab.config.adapter
    if adapter.recipe != "lora" or not lab.config.recipe.terms:
        raise StudyError(f"{lab.config.method}: fila fills the factors of a LoRA", 'set [unlearn] recipe = "lora"')
    forget = probed(lab, "fisher", ("forget",), samples)
    retain = probed(lab, "fisher", ("retain",), samples)
    scale = adapter.alpha / adapter.rank
    factors = {}
    with torch.no_grad():
        for name, layer in lab.layers.items():
            rows = _row_weights(forget[name], retain[name])
            b, a = factorised(layer.weight.float(), rows, adapter.rank)
            factors[name] = (b / scale, a)
            layer.weight.sub_((b @ a).to(layer.weight.dtype))
    lab.at_start.append(lambda: _fill(lab, factors))


def _row_weights(forget: Tensor, retain: Tensor) -> Tensor:
    """`sqrt` of the sum of relative importance over each row, (out,), at least a thousandth of the largest."""
    relative = forget / (retain + SMALL * retain.mean() + 1e-30)
    rows = relative.sum(1).sqrt()
    most = rows.max()
    return rows.clamp(min=float(LEAST * most)) if most > 0 else torch.ones_like(rows)


def factorised(weight: Tensor, rows: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """B (out, rank) and A (rank, in) with the least `|diag(rows) (W - B A)|`; A and diag(rows) B are of equal size."""
    u, s, v = torch.linalg.svd(rows.unsqueeze(1) * weight, full_matrices=False)
    wide = min(rank, len(s))
    root = s[:wide].sqrt()
    b, a = weight.new_zeros(len(weight), rank), weight.new_zeros(rank, weight.shape[1])
    b[:, :wide] = u[:, :wide] * root / rows.unsqueeze(1)
    a[:wide] = root.unsqueeze(1) * v[:wide]
    return b, a


@torch.no_grad()
def _fill(lab: Lab, factors: dict[str, tuple[Tensor, Tensor]]) -> None:
    for layer in trained_layers(lab):
        assert layer.pair is not None
        b, a = factors[layer.name]
        layer.pair.b.copy_(b)
        layer.pair.a.copy_(a)
