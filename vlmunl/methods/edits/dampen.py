"""Selective synaptic dampening: weights that matter more for the forgotten answers than for the others get smaller."""

from __future__ import annotations

import torch

from vlmunl.errors import StudyError
from vlmunl.methods.lab import Lab
from vlmunl.methods.scores import probed, share_of


@torch.no_grad()
def dampen(lab: Lab, alpha: float, floor: float, samples: float) -> None:
    """SSD (arXiv 2308.07707): `w <- min(floor I_R / I_F, 1) w` wherever `I_F > alpha I_R`; `floor` is its lambda.

    I is the diagonal of the Fisher information.

    Raises:
        StudyError: no weight is that much more important.
    """
    with torch.enable_grad():
        forget = probed(lab, "fisher", ("forget",), samples)
        retain = probed(lab, "fisher", ("retain",), samples)
    chosen = {name: (f > alpha * retain[name]) & (f > 0) for name, f in forget.items()}
    if not any(bool(c.any()) for c in chosen.values()):
        message = f"{lab.config.method}: no weight matters {alpha:g} times as much for the forgotten answers"
        raise StudyError(message, "use a smaller alpha")
    for name, layer in lab.layers.items():
        factor = (floor * retain[name] / forget[name].clamp(min=1e-30)).clamp(max=1.0)
        layer.weight.copy_(torch.where(chosen[name], layer.weight * factor.to(layer.weight.dtype), layer.weight))
    lab.notes["dampened"] = share_of(chosen)
