"""Rules that let the forget gradient reach only the weights that a score points at.

With full training a mask is on weights. With low-rank factors no single weight of the change `B A` can be held, but
a row can: row i of `B` moves row i alone. So scores are added up over rows, the forget gradient reaches the chosen
rows of `B`, and none of `A`, which all rows share.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.common import OnGradients
from vlmunl.methods.rules.trained import trained_layers
from vlmunl.methods.scores import Scores, probed, share_of, top
from vlmunl.models.update import Update

Masks = Mapping[str, Tensor]


def mask_gradient(lab: Lab, share: float, samples: float) -> OnGradients:
    """The `share` with the largest forget gradient at the start (SalUn, arXiv 2310.12508).

    Raises:
        StudyError: there is no gradient.
    """
    scores = granular(lab, probed(lab, "gradient_size", ("forget",), samples))
    return masked(lab, "mask_gradient", top(scores, share, f"{lab.config.method}: mask_gradient", REMEDY))


def mask_deviation(lab: Lab, k: float, samples: float) -> OnGradients:
    """Where the forget gradient at the start is `k` standard deviations above its layer's mean (SSU, arXiv 2406.10952).

    Raises:
        StudyError: nothing is so large.
    """
    scores = granular(lab, probed(lab, "gradient_size", ("forget",), samples))
    chosen = {name: (s >= s.mean() + k * s.std(correction=0)) & (s > 0) for name, s in scores.items()}
    return masked(lab, "mask_deviation", chosen)


def mask_fisher(lab: Lab, tau: float, samples: float) -> OnGradients:
    """Where the forget questions matter `tau` times as much as what is to be preserved: the same questions by name
    without a picture, and the retained people with and without (MMUnlearner, arXiv 2502.11051).

    Raises:
        StudyError: that is nowhere.
    """
    forget = granular(lab, probed(lab, "fisher", ("forget",), samples))
    preserve = granular(lab, probed(lab, "fisher", ("forget.text", "retain", "retain.text"), samples))
    chosen = {name: (forget[name] >= tau * preserve[name]) & (forget[name] > 0) for name in forget}
    return masked(lab, "mask_fisher", chosen)


REMEDY = "choose other layers, a larger share, or a smaller tau or k"


def granular(lab: Lab, scores: Scores) -> Scores:
    """Scores of what can be held: weights with full training, rows with low-rank factors."""
    whole = {layer.name for layer in trained_layers(lab) if layer.pair is None}
    return {name: s if name in whole else s.sum(1) for name, s in scores.items()}


def masked(lab: Lab, rule: str, chosen: Masks) -> OnGradients:
    """The forget gradient where `chosen` is true, and 0 elsewhere.

    Raises:
        StudyError: nothing is chosen.
    """
    if not any(bool(c.any()) for c in chosen.values()):
        raise StudyError(f"{lab.config.method}: the rule {rule} chooses no weight", REMEDY)
    lab.notes["masked_in"] = share_of(chosen)
    factors = _factors(lab, chosen)

    def change(update: Update) -> None:
        if "forget" in update.gradients:
            pairs = zip(update.weights, update.gradients["forget"], strict=True)
            update.gradients["forget"] = [
                g * factors[id(w)] if id(w) in factors else torch.zeros_like(g) for w, g in pairs
            ]

    return OnGradients(change)


def _factors(lab: Lab, chosen: Masks) -> dict[int, Tensor]:
    """For each trained parameter (by identity) what its forget gradient is multiplied by; none: 0."""
    found: dict[int, Tensor] = {}
    for layer in trained_layers(lab):
        mask = chosen[layer.name].float()
        if layer.pair is not None:
            found[id(layer.pair.b)] = mask.unsqueeze(1).to(layer.pair.b)
            if layer.magnitude is not None:
                found[id(layer.magnitude)] = mask.to(layer.magnitude)
        for p in layer.whole:
            found[id(p)] = mask.to(p) if p.ndim == 2 else mask.amax(1).to(p)
    return found
