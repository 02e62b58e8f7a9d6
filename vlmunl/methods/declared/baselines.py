"""The floor, the ceiling, and gradient ascent with its usual company."""

from __future__ import annotations

from vlmunl.methods.language import FORGET, RETAIN, Recipe, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim

KEEP = on(RETAIN, "ce", "retain")

METHODS = (
    Method(
        name="finetune",
        family="baseline",
        objective="CE(R): keep training on the retained people only; forgetting is left to drift",
        source="naive fine-tuning, the floor of TOFU (arXiv 2401.06121)",
        recipe=Recipe(terms=(on(RETAIN, "ce"),)),
        optim=Optim(steps=40, lr=1e-3, warmup=5),
        fails="rarely forgets anything",
    ),
    Method(
        name="retrain",
        family="baseline",
        objective="the imprint recipe from the base model on R only, with random streams of its own",
        source="exact unlearning; an independent draw of the gold model",
        start="base",
        fails="costs a whole imprint",
    ),
    Method(
        name="ga",
        family="ascent",
        objective="-m(F): gradient ascent on the mean answer NLL",
        source="Jang et al. 2023 (arXiv 2210.01504)",
        recipe=Recipe(terms=(on(FORGET, "ga"),)),
        optim=Optim(steps=60, lr=5e-4, warmup=5),
        stop=FORGOTTEN,
        fails="unbounded: without an early stop the model collapses",
    ),
    Method(
        name="graddiff",
        family="ascent",
        objective="-m(F) + retain * CE(R), jointly",
        source="Liu et al. 2022 (arXiv 2203.12817); TOFU (arXiv 2401.06121)",
        recipe=Recipe(terms=(on(FORGET, "ga"), KEEP)),
        params={"retain": 4.0},
        stop=FORGOTTEN,
        fails="unbounded in the forget term; sensitive to the weight of the retain term",
    ),
    Method(
        name="klmin",
        family="ascent",
        objective="-m(F) + retain * KL(ref || model; R) over the whole vocabulary",
        source="TOFU (arXiv 2401.06121)",
        recipe=Recipe(terms=(on(FORGET, "ga"), on(RETAIN, "kl_ref", "retain"))),
        params={"retain": 4.0},
        stop=FORGOTTEN,
        fails="anchors the model to what it should forget",
    ),
    Method(
        name="npo",
        family="preference",
        objective="-(2/beta) log sigmoid(beta (S(F) - S_ref(F))) + retain * CE(R)",
        source="Zhang et al. 2024 (arXiv 2404.05868)",
        recipe=Recipe(terms=(on(FORGET, "npo"), KEEP)),
        params={"beta": 0.1, "retain": 4.0},
        stop=FORGOTTEN,
        fails="beta -> 0 is gradient ascent; suppresses the asked wording more than the knowledge",
    ),
)
