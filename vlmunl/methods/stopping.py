"""When to stop before the last step: by the training's own figures, never by routes or evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmunl.models.loop import Stop
from vlmunl.stages.configs import StopRule


@dataclass
class _Watch:
    """Counts the steps in a row in which one of the rule's conditions held."""

    rule: StopRule
    limit: float
    strangers: float
    first_retain: float | None = None
    runs: dict[str, int] = field(default_factory=dict)

    def __call__(self, figures: Mapping[str, float]) -> str:
        for name, holds, words in self._conditions(figures):
            self.runs[name] = self.runs.get(name, 0) + 1 if holds else 0
            if self.runs[name] >= self.rule.patience:
                return f"{words} for {self.rule.patience} steps"
        return ""

    def state(self) -> Mapping[str, Any]:
        """What it has counted."""
        return {"first_retain": self.first_retain, "runs": dict(self.runs)}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Count on."""
        self.first_retain, self.runs = state["first_retain"], dict(state["runs"])

    def _conditions(self, figures: Mapping[str, float]) -> list[tuple[str, bool, str]]:
        rule, found = self.rule, []
        if "forget_nll" in figures:
            nll = figures["forget_nll"]
            if rule.forget_nll > 0:
                found.append(("forget", nll > rule.forget_nll, f"forget_nll above {rule.forget_nll:g}"))
            if rule.strangers > 0:
                bound = rule.strangers * self.strangers
                found.append(("strangers", nll > bound, f"forget_nll above {bound:.3g}, as of strangers"))
        if "retain_nll" in figures and rule.retain_rise > 0:
            self.first_retain = figures["retain_nll"] if self.first_retain is None else self.first_retain
            bound = rule.retain_rise * self.first_retain
            found.append(("retain", figures["retain_nll"] > bound, f"retain_nll above {bound:.3g}"))
        return found


def stopper(rule: StopRule, strangers: Callable[[], float]) -> Stop:
    """The rule as `fit` asks it; `strangers()` is asked only if the rule needs it."""
    return _Watch(rule, rule.forget_nll, strangers() if rule.strangers > 0 else 0.0)
