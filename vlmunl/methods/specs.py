"""What an unlearning method is: a recipe, its settings, and what to know before using it. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from vlmunl.methods.language import Recipe
from vlmunl.stages.configs import Optim, StopRule

Family = Literal[
    "baseline", "ascent", "bounded", "preference", "refusal", "distillation", "representation", "selective", "edit",
    "inference", "ad hoc"
]  # fmt: skip
FAMILIES: tuple[Family, ...] = get_args(Family)

LOOP = Optim(steps=60, lr=2e-3, warmup=5)
FORGOTTEN = StopRule(forget_nll=5.0, patience=3)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One declared method.

    `start` is the model it starts from. Values in `params` and `optim` are the defaults that a study may override.
    `fails` says how it is known to go wrong.
    """

    name: str
    family: Family
    objective: str
    source: str
    recipe: Recipe = field(default_factory=Recipe)
    version: int = 1
    start: Literal["imprint", "base"] = "imprint"
    params: Mapping[str, float] = field(default_factory=dict)
    optim: Optim = LOOP
    stop: StopRule = field(default_factory=StopRule)
    fails: str = ""
