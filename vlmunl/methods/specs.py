"""The unlearning methods, declared without torch: what each minimises, its settings and where it comes from.

`F` and `R` are the forget and retain views; `nll` counts answer tokens only. Values in `params` and `optim`
are the defaults that a study may override. The losses themselves live in `vlmunl.methods.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vlmunl.stages.configs import Optim, StopRule


@dataclass(frozen=True, kw_only=True)
class Method:
    """One declared method. `start` is the model it starts from; `recipe` is the path of its terms."""

    name: str
    family: Literal["baseline", "ascent", "preference"]
    objective: str
    source: str
    recipe: str
    version: int = 1
    start: Literal["imprint", "base"] = "imprint"
    params: Mapping[str, float] = field(default_factory=dict)
    optim: Optim = field(default_factory=lambda: Optim(steps=60, lr=2e-3, warmup=5))
    stop: StopRule = field(default_factory=StopRule)


_LOOP = Optim(steps=60, lr=2e-3, warmup=5)
_FORGOTTEN = StopRule(forget_nll=5.0, patience=3)

_DECLARED = (
    Method(
        name="finetune",
        family="baseline",
        objective="CE(R): keep training on the retained people only; forgetting is left to drift",
        source="naive fine-tuning, the floor of TOFU (arXiv 2401.06121)",
        recipe="vlmunl.methods.recipes:finetune",
        optim=Optim(steps=40, lr=1e-3, warmup=5),
    ),
    Method(
        name="retrain",
        family="baseline",
        objective="the imprint recipe from the base model on R only, with random streams of its own",
        source="exact unlearning; an independent draw of the gold model",
        recipe="vlmunl.methods.recipes:retrain",
        start="base",
    ),
    Method(
        name="ga",
        family="ascent",
        objective="-m(F): gradient ascent on the mean answer NLL",
        source="Jang et al. 2023 (arXiv 2210.01504)",
        recipe="vlmunl.methods.recipes:ga",
        optim=Optim(steps=60, lr=5e-4, warmup=5),
        stop=_FORGOTTEN,
    ),
    Method(
        name="graddiff",
        family="ascent",
        objective="-m(F) + retain * CE(R), jointly",
        source="Liu et al. 2022 (arXiv 2203.12817); TOFU (arXiv 2401.06121)",
        recipe="vlmunl.methods.recipes:graddiff",
        params={"retain": 4.0},
        optim=_LOOP,
        stop=_FORGOTTEN,
    ),
    Method(
        name="klmin",
        family="ascent",
        objective="-m(F) + retain * KL(ref || model; R) over the whole vocabulary",
        source="TOFU (arXiv 2401.06121)",
        recipe="vlmunl.methods.recipes:klmin",
        params={"retain": 4.0},
        optim=_LOOP,
        stop=_FORGOTTEN,
    ),
    Method(
        name="npo",
        family="preference",
        objective="-(2/beta) log sigmoid(beta (S(F) - S_ref(F))) + retain * CE(R)",
        source="Zhang et al. 2024 (arXiv 2404.05868)",
        recipe="vlmunl.methods.recipes:npo",
        params={"beta": 0.1, "retain": 4.0},
        optim=_LOOP,
        stop=_FORGOTTEN,
    ),
)

METHODS: dict[str, Method] = {m.name: m for m in _DECLARED}
