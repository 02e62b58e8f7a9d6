"""Deleting what the forgotten answers hang on: single weights (IWAP), or neurons (MANU)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.trained import ADAPTER
from vlmunl.methods.scores import influence, probed, share_of, top
from vlmunl.models.update import Update

TINY = 1e-30
SMALL = 0.1
"""Share of the mean that is added to the denominator of a ratio: what hardly matters anywhere must not win by noise."""


def prune(lab: Lab, rho: float, samples: float) -> None:
    """IWAP: delete the `rho` of all weights whose deletion would raise the forget loss most, for each nat (either way)
    of the retain loss: `max(0, I_F) / (|I_R| + e)` with `I = -w g + w^2 Fisher / 2`.

    Raises:
        StudyError: every score is zero.
    """
    scores = {name: influences.clamp(min=0) for name, influences in _influences(lab, "forget", samples).items()}
    kept = {name: influences.abs() for name, influences in _influences(lab, "retain", samples).items()}
    small = SMALL * _mean(kept)
    for name, score in scores.items():
        score /= kept[name] + small + TINY
    delete(lab, top(scores, rho, f"{lab.config.method}: prune", REMEDY))


def prune_taylor(lab: Lab, rho: float, samples: float) -> None:
    """IWAP as released: delete the `rho` of all weights with the largest mean of `|w g|` on the forget questions, with
    no regard to what else they carry.

    Raises:
        StudyError: every score is zero, as on a fresh low-rank adapter, where `B = 0` and the gradient of `A` is 0.
    """
    sizes = probed(lab, "gradient_sizes", ("forget",), samples)
    scores = {name: layer.weight.detach().float().abs() * sizes[name] for name, layer in lab.layers.items()}
    delete(lab, top(scores, rho, f"{lab.config.method}: prune_taylor", REMEDY))


def prune_neurons(lab: Lab, share: float, samples: float) -> None:
    """MANU (arXiv 2502.15910): delete the `share` of MLP neurons that the forget questions use most for how much the
    retain questions use them. Use is the sum of four activation statistics, with the picture and by name without it.

    Raises:
        StudyError: the method's layers have no MLP outputs.
    """
    forget, retain = _use(lab, "forget", samples), _use(lab, "retain", samples)
    small = SMALL * _mean(retain)
    scores = {name: forget[name] / (retain[name] + small + TINY) for name in forget if name in retain}
    neurons = top(scores, share, f"{lab.config.method}: prune_neurons", REMEDY)
    delete(lab, {name: chosen.expand_as(lab.layers[name].weight) for name, chosen in neurons.items()})


REMEDY = "the layers and the samples must have something to do with each other: choose other layers"


def _influences(lab: Lab, view: str, samples: float) -> dict[str, Tensor]:
    mean, square = (probed(lab, score, (view,), samples) for score in ("gradient", "fisher"))
    return {name: influence(layer.weight, mean[name], square[name]) for name, layer in lab.layers.items()}


def _use(lab: Lab, stream: str, samples: float) -> dict[str, Tensor]:
    seen = probed(lab, "activations", (stream,), samples)
    read = probed(lab, "activations", (f"{stream}.text",), samples)
    return {name: seen[name] + read[name] if name in read else seen[name] for name in seen}


def _mean(scores: Mapping[str, Tensor]) -> float:
    total = float(sum((s.double().sum() for s in scores.values()), torch.zeros(())))
    return total / max(1, sum(s.numel() for s in scores.values()))


def delete(lab: Lab, chosen: Mapping[str, Tensor]) -> None:
    """Set the chosen weights to 0, and keep them there in the training that follows."""
    for name, mask in chosen.items():
        _zero(lab.layers[name].weight, mask)
    lab.notes["deleted"] = share_of(chosen)
    lab.rules.append(Deleted(lab, chosen))


@torch.no_grad()
def _zero(weight: Tensor, mask: Tensor) -> None:
    weight.masked_fill_(mask, 0.0)


@dataclass(frozen=True)
class Deleted:
    """Puts deleted weights back to 0 after every step of the repair.

    Under a low-rank adapter the weight below it takes the opposite of what the adapter adds there, so that their sum
    stays 0 (to the rounding of the weight's own precision) although no single entry of `B A` can be held.
    """

    lab: Lab
    chosen: Mapping[str, Tensor]

    def before(self, update: Update) -> None:
        """The gradient is left as it is."""

    def state(self) -> Mapping[str, Any]:
        """Nothing: what it has done to the weights below an adapter follows from the adapter."""
        return {}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Do it again."""
        self._restore()

    def after(self, update: Update) -> None:
        """Restore the zeros."""
        self._restore()

    @torch.no_grad()
    def _restore(self) -> None:
        for name, mask in self.chosen.items():
            module = self.lab.vlm.model.get_submodule(name)
            if hasattr(module, "base_layer"):
                weight = module.base_layer.weight
                added = module.get_delta_weight(ADAPTER).to(weight.dtype)
                weight.copy_(torch.where(mask, -added, weight))
            else:
                _zero(module.weight, mask)
