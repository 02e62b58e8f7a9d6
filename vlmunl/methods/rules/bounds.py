"""Rules on how far a step goes and in what landscape: trust region, sharpness-aware steps, sparsity of the change."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.common import OnGradients, kept_side, moved, needs_keeping, norm, put
from vlmunl.methods.rules.trained import Pair, trained_layers
from vlmunl.models.update import Update

LEARNED_FROM = 10
"""Steps whose median length is the first radius, where none is given."""


@dataclass
class TrustRegion:
    """A bound on the length of the step, adapted by what the step does to the loss that is to be kept.

    It rose by more than `tol` nats: the step is undone and the radius halved. By less than a quarter of that, and the
    bound was felt: the radius grows by half. What is undone are the weights; the optimiser remembers the gradient.
    """

    radius: float
    tol: float
    lengths: list[float] = field(default_factory=list)

    def state(self) -> Mapping[str, Any]:
        """How far a step may go."""
        return {"radius": self.radius, "lengths": list(self.lengths)}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Go on from there."""
        self.radius, self.lengths = state["radius"], list(state["lengths"])

    def before(self, update: Update) -> None:
        """Remember where the step starts."""
        update.keep()

    def after(self, update: Update) -> None:
        """Shorten the step, try it, and keep it or not."""
        step = moved(update)
        length = norm(step)
        if self.radius <= 0:
            self._learn(length)
        felt = 0 < self.radius < length
        if felt:
            put(update, [d * (self.radius / length) for d in step])
        side = kept_side(update)
        if side is not None:
            self._adapt(update, update.measured()[side] - update.losses[side], felt=felt)
        update.figures["radius"] = self.radius
        update.figures["moved"] = norm(moved(update))

    def _learn(self, length: float) -> None:
        self.lengths.append(length)
        if len(self.lengths) == LEARNED_FROM:
            self.radius = statistics.median(self.lengths)

    def _adapt(self, update: Update, rise: float, *, felt: bool) -> None:
        update.figures["undone"] = float(rise > self.tol)
        if rise > self.tol:
            self.radius = (self.radius if self.radius > 0 else norm(moved(update))) / 2
            put(update, [torch.zeros_like(w) for w in update.weights])
        elif felt and rise < self.tol / 4:
            self.radius *= 1.5


def trust_region(lab: Lab, radius: float, tol: float) -> TrustRegion:
    """A bound on the step itself; radius 0: the median length of the first ten steps.

    Raises:
        StudyError: the recipe has no term on the retain side.
    """
    needs_keeping(lab, "trust_region", constraint=False)
    return TrustRegion(radius, tol)


def sam(lab: Lab, rho: float) -> OnGradients:
    """The forget gradient of the worst place within `rho`, so that what was forgotten stays so under small changes
    (Foret et al. 2021, arXiv 2010.01412; for unlearning, arXiv 2502.05374). It costs another pass over all views.
    """

    def change(update: Update) -> None:
        length = norm(update.gradients.get("forget", []))
        if rho == 0 or length == 0:
            return
        update.keep()
        put(update, [g * (rho / length) for g in update.gradients["forget"]])
        there = update.again()["forget"]
        _restore(update)
        update.gradients["forget"] = there

    return OnGradients(change)


@torch.no_grad()
def _restore(update: Update) -> None:
    for weight, before in zip(update.weights, update.previous, strict=True):
        weight.copy_(before)


def l1(lab: Lab, penalty: float) -> OnGradients:
    """Adds the gradient of `penalty * sum |change|` over all weights of the trained layers: with LoRA of `B A`, with
    full training of the distance from the start (CLEAR, arXiv 2410.18057).
    """
    layers = trained_layers(lab)
    starts = {id(p): p.detach().clone() for layer in layers for p in layer.whole}

    def change(update: Update) -> None:
        found: dict[int, Tensor] = {}
        for layer in layers:
            for p in layer.whole:
                found[id(p)] = penalty * torch.sign(p.detach() - starts[id(p)])
            if layer.pair is not None:
                found |= _of_pair(layer.pair, penalty)
        update.gradients["all"] = [found[id(w)] if id(w) in found else torch.zeros_like(w) for w in update.weights]

    return OnGradients(change)


@torch.no_grad()
def _of_pair(pair: Pair, penalty: float) -> dict[int, Tensor]:
    signs = torch.sign(pair.b @ pair.a)
    by = penalty * pair.scale
    return {id(pair.a): by * (pair.b.T @ signs), id(pair.b): by * (signs @ pair.a.T)}
