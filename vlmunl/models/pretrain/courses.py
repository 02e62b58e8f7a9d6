"""What is taught in which order: one course per skill that does not come by itself.

Mixed from the start, the harder skills stay at chance: four options need reading a picture or copying first, and
true or false (comparing, one bit per answer) is learned only where it is most of the data and the fact to compare
with stands in the prompt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vlmunl.benchmarks import corpus
from vlmunl.benchmarks.corpus import FULL, PLAIN, Conversation, Mix

if TYPE_CHECKING:
    from vlmunl.models.pretrain.gallery import Gallery

JUDGE = Mix(
    facts={"open": 0.2, "truefalse": 0.8},
    traits={"open": 0.5, "truefalse": 0.5},
    other_attribute=0.35,
    other_person=0.0,
)
RECALL = replace(
    FULL,
    facts={"open": 0.33, "cloze": 0.1, "mcq": 0.15, "truefalse": 0.42},
    traits={"open": 0.5, "mcq": 0.14, "truefalse": 0.36},
)


@dataclass(frozen=True)
class Course:
    """A stretch of training on one mix: shares of base people and of strangers (the rest has no picture).

    `context` is the share of text questions whose fact is given in the prompt; `decay` the step from which the
    learning rate falls linearly to 2 %.
    """

    name: str
    steps: int
    mix: Mix
    people: float
    strangers: float
    context: float
    visual: int
    decay: int | None = None

    def lr_share(self, step: int) -> float:
        """Share of the full learning rate at a step of this course."""
        if self.decay is None or step < self.decay:
            return 1.0
        return 1 - 0.98 * (step - self.decay) / max(1, self.steps - self.decay)

    def draw(self, rng: random.Random, gallery: Gallery) -> tuple[Conversation, int | None]:
        """One conversation and the index of its picture."""
        grey, dice = rng.random() < 0.15, rng.random()
        if dice < self.people:
            return gallery.person(rng, grey=grey, mix=self.mix)
        if dice < self.people + self.strangers:
            return gallery.stranger(rng, grey=grey, visual=self.visual, mix=self.mix)
        return corpus.text_conversation(rng, gallery.people, context=self.context, mix=self.mix), None


CURRICULUM: tuple[Course, ...] = (
    Course("look", 350, PLAIN, people=0.0, strangers=0.65, context=1.0, visual=5),
    Course("judge", 650, JUDGE, people=0.0, strangers=0.25, context=1.0, visual=5),
    Course("forms", 250, RECALL, people=0.0, strangers=0.65, context=1.0, visual=5),
    Course("people", 2450, RECALL, people=0.46, strangers=0.24, context=0.5, visual=3, decay=500),
)
