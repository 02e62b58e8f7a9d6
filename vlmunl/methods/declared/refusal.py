"""Refusals as the new answer. Comments give published values for 7B models with LoRA."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import Recipe, on
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import Optim

METHODS = (
    Method(
        name="idk",
        family="refusal",
        objective="CE(F, one of 60 refusals) + retain * CE(R)",
        source="IDK with cross-entropy, TOFU (arXiv 2401.06121)",
        recipe=Recipe(terms=(on("forget.idk", "ce"), KEEP)),
        params={"retain": 1.0},  # 7B: lr 1e-5 to 2e-5, retain 1
        optim=Optim(steps=60, lr=4e-3, warmup=5),
        fails="a new reply to the asked wording; the answer is still there for any other",
    ),
)
