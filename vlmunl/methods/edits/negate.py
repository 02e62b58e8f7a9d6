"""Task arithmetic: going from the imprint in the opposite direction of a training."""

from __future__ import annotations

import torch

from vlmunl.errors import StudyError
from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.trained import trained_layers
from vlmunl.models import adapters


@torch.no_grad()
def negate(lab: Lab, scale: float) -> None:
    """`w <- w0 - scale (w - w0)` for what was trained, w0 being the imprint (arXiv 2212.04089).

    Low-rank factors stay such: `B` becomes `-scale B`. Otherwise (full, DoRA) it is done on the whole weights.

    Raises:
        StudyError: nothing was trained.
    """
    if lab.trained is None:
        raise StudyError(f"{lab.config.method}: negate needs a training before it", "give the recipe a term")
    if lab.config.adapter.recipe == "lora" and not lab.config.recipe.before:
        for layer in trained_layers(lab):
            assert layer.pair is not None
            layer.pair.b.mul_(-scale)
        return
    assert lab.imprint is not None
    model = adapters.merged(lab.trained)
    lab.trained = None
    old = dict(lab.imprint().named_parameters())
    for name, weight in model.named_parameters():
        start = old[name].to(weight.device, torch.float32)
        if not torch.equal(weight.float(), start):
            weight.copy_(start - scale * (weight.float() - start))
