"""What the rules share: sums over all weights, and finding the side that is to be kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.methods.lab import Lab
from vlmunl.models.update import Side, Update


@dataclass(frozen=True)
class OnGradients:
    """A rule that only changes gradients."""

    change: Callable[[Update], None]

    def before(self, update: Update) -> None:
        self.change(update)

    def after(self, update: Update) -> None:
        """The weights are left as the optimiser moved them."""


def dot(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """Inner product over all weights, summed in double precision."""
    return float(sum((torch.sum(a.double() * b.double()) for a, b in zip(ones, others, strict=True)), torch.zeros(())))


def norm(gradient: Sequence[Tensor]) -> float:
    """Length over all weights."""
    return math.sqrt(dot(gradient, gradient))


def needs_keeping(lab: Lab, rule: str, *, constraint: bool) -> None:
    """Refuse a recipe that has nothing to keep.

    Raises:
        StudyError: there is no term on the retain side, or none that is a constraint if it must be one.
    """
    kept = [t for t in lab.config.recipe.terms if t.side == "retain" and (t.constraint or not constraint)]
    if not kept:
        what = "a retain term that is a constraint" if constraint else "a term on the retain side"
        raise StudyError(f"{lab.config.method}: the rule {rule} needs {what}", 'add on(RETAIN, "ce", constraint=True)')


def kept_side(update: Update) -> Side | None:
    """The side whose gradient is to be spared in this step: the constraint, else the retain side."""
    sides: tuple[Side, ...] = ("constraint", "retain")
    return next((side for side in sides if side in update.gradients), None)


def moved(update: Update) -> list[Tensor]:
    """What the step has added to each weight."""
    return [w.detach() - p for w, p in zip(update.weights, update.previous, strict=True)]


@torch.no_grad()
def put(update: Update, step: Sequence[Tensor]) -> None:
    """Make `step` what the update has added to each weight."""
    for weight, before, delta in zip(update.weights, update.previous, step, strict=True):
        weight.copy_(before + delta)
