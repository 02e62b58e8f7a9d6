"""Gradient ascent with other company than a plain retain term. Comments give published values for 7B models."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import FORGET, RETAIN, Recipe, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim

PROMPT_DECOUPLE = on("forget.decoy", "ce", "decouple")
"""SafeEraser's modifier: added to any recipe, it keeps the question itself from becoming what is refused."""

METHODS = (
    Method(
        name="graddiff_epochwise",
        family="ascent",
        objective="a whole epoch of -m(F), then a whole epoch of retain * CE(R), in turn",
        source="GA difference as MLLMU-Bench runs it (arXiv 2410.22108)",
        recipe=Recipe(terms=(on(FORGET, "ga"), KEEP), schedule="epochwise"),
        params={"retain": 1.0},  # 7B: lr 2e-5, 1 epoch, batch 4
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        fails="nothing holds the model during the forget epoch; what is left depends on which epoch came last",
    ),
    Method(
        name="graddiff_pd",
        family="ascent",
        objective="-m(F) + retain * CE(R) + decouple * CE(the same questions on retained people's pictures)",
        source="SafeEraser's prompt decouple on gradient difference (arXiv 2502.12520)",
        recipe=Recipe(terms=(on(FORGET, "ga"), KEEP, PROMPT_DECOUPLE)),
        params={"retain": 4.0, "decouple": 1.0},  # 7B: lr 1e-4, LoRA r32 with projector, decouple 0.5, retain 0.5
        stop=FORGOTTEN,
        fails="as graddiff; keeps other people's answers to the same questions, not the rest of the model",
    ),
    Method(
        name="llmu",
        family="ascent",
        objective="ascent * (-m(F)) + mislead * CE(F, somebody else's answer) + retain * KL(ref || model; R)",
        source="Yao et al. 2023 (arXiv 2310.10683)",
        recipe=Recipe(
            terms=(on(FORGET, "ga", "ascent"), on("forget.random", "ce", "mislead"), on(RETAIN, "kl_ref", "retain"))
        ),
        params={"ascent": 0.5, "mislead": 1.0, "retain": 4.0},  # 7B: 0.5, 1, 1, lr 2e-5
        stop=FORGOTTEN,
        fails="unbounded in its ascent; random answers are learned as new, false memories",
    ),
)
