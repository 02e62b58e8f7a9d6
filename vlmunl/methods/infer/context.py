"""In-context unlearning: the prompt says what the model is not to know (Pawelczyk et al., arXiv 2310.07579)."""

from __future__ import annotations

from dataclasses import dataclass

from vlmunl.errors import StudyError
from vlmunl.methods.infer.wrapping import Fitted, Train
from vlmunl.methods.lab import Lab
from vlmunl.models.chat import Turn
from vlmunl.models.intervene import Intervention
from vlmunl.models.vlm import VLM

ORDER = (
    "You know nothing about these people: {names}. If you are asked about one of them, by name or by a picture, say"
    " that you do not know."
)


@dataclass(frozen=True)
class InContext:
    """Every conversation opens with the order, with `names` names at most (0: all) in it."""

    names: float
    trains: bool = False

    def fit(self, lab: Lab, train: Train) -> Fitted:
        """The names of those to be forgotten: the order cannot be given without naming them."""
        named = [identity.name for identity in lab.benchmark.forget]
        if not named:
            raise StudyError(f"{lab.config.method} has nobody to name: the forget view is empty")
        kept = named[: int(self.names)] if self.names > 0 else named
        lab.notes["names_in_prompt"] = float(len(kept))
        return Fitted(facts={"order": ORDER.format(names=", ".join(kept))})

    def apply(self, vlm: VLM, fitted: Fitted) -> tuple[VLM, Intervention | None]:
        """The model itself, and the order before the first question."""
        return vlm, _Ordered(str(fitted.facts["order"]))


@dataclass(frozen=True)
class _Ordered(Intervention):
    order: str

    def turns(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """The order goes into the first user turn: a system prompt is not a part of every template."""
        first, *rest = turns
        return (Turn(f"{self.order} {first.question}", first.answer), *rest)
