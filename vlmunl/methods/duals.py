"""Weights that follow a constraint while the model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.methods.language import Dual, Number, value_of


@dataclass
class DualWeight:
    """One weight under projected dual ascent: `w <- max(0, w + rate (loss - bound))` after each step.

    The bound is `slack` times the first loss that it sees (arXiv 2506.05314 gives the bound itself).
    """

    weight: float
    slack: float
    rate: float
    warmup: float
    bound: float | None = None
    _step: int = -1
    _used: float = 0.0

    @classmethod
    def of(cls, dual: Dual, params: Mapping[str, float]) -> DualWeight:
        """With its numbers looked up."""

        def value(number: Number) -> float:
            return value_of(number, params, "a dual weight")

        return cls(value(dual.start), value(dual.slack), value(dual.rate), value(dual.warmup))

    def at(self, step: int, loss: float) -> float:
        """The weight of this step, whose loss was seen; the same again if the same step is asked again."""
        if step != self._step:
            self._step, self._used = step, self.weight
            self.bound = self.slack * loss if self.bound is None else self.bound
            if step >= self.warmup:
                self.weight = max(0.0, self.weight + self.rate * (loss - self.bound))
        return self._used

    def state(self) -> Mapping[str, Any]:
        """All that changes."""
        return {"weight": self.weight, "bound": self.bound, "step": self._step, "used": self._used}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.weight, self.bound = state["weight"], state["bound"]
        self._step, self._used = state["step"], state["used"]
