"""One update in the making: the losses of its sides, their gradients, and the rules that may change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from vlmunl.errors import VlmunlError

Side = Literal["forget", "retain", "constraint", "all"]
Loss = tuple[Side, Tensor, Mapping[str, float]]
"""A part of one step's objective, to be minimised, whose gradient it is, and figures to put on the curve."""
Losses = Callable[[], Iterable[Loss]]
"""Makes the losses of one step, one after the other; asked again it makes them of the same batches."""
Gradients = dict[Side, list[Tensor]]


class Diverged(VlmunlError):
    """The training left the numbers; `details` has the curve up to there."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.details: dict[str, Any] = {}


@dataclass
class Update:
    """One update in the making: `gradients` of each side on `weights`, which rules may change.

    `losses` are those of each side. `again` makes the gradients of the same batches anew, and `measured` the losses,
    both at the weights as they are then. `previous` are the weights before the step, if a rule asked to `keep` them.
    """

    step: int
    weights: list[torch.nn.Parameter]
    gradients: Gradients
    losses: dict[Side, float]
    again: Callable[[], Gradients]
    measured: Callable[[], dict[Side, float]]
    optimisers: tuple[Any, ...]
    figures: dict[str, float]
    previous: list[Tensor] = field(default_factory=list)

    def keep(self) -> None:
        """Remember the weights as they are before the step, for `previous`."""
        if not self.previous:
            self.previous = [w.detach().clone() for w in self.weights]


class GradientRule(Protocol):
    """Changes an update before the optimiser sees its gradients, and the weights after it has moved them."""

    def before(self, update: Update) -> None: ...
    def after(self, update: Update) -> None: ...
