"""Distillation from the reference, or from the gold model. Comments give published values for 7B models with LoRA."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import FORGET, RETAIN, Recipe, Term, on
from vlmunl.methods.specs import Method

_TARGETS: tuple[Term, ...] = (
    on("forget.stranger", "ce", "alpha"),
    on("forget.stranger", "dmk", "masked", other="forget.named"),
    on("forget.disguise", "ce", "alpha"),
    on("forget.disguise", "dmk", "masked", other="forget.described"),
    on("forget.text", "ce", "alpha"),
    on("forget.text", "kl_ref", "masked"),  # where the answer is the truth, the dual-masked KL is the plain one
    on("forget.decoy", "ce", "alpha"),
    on("forget.decoy", "kl_ref", "masked"),
)

METHODS = (
    Method(
        name="undial",
        family="distillation",
        objective="CE(softmax(z_ref - gamma [answer]), model; F) + retain * CE(R)",
        source="Dong et al. 2024 (arXiv 2402.10052)",
        recipe=Recipe(terms=(on(FORGET, "undial"), KEEP)),
        params={"gamma": 10.0, "retain": 1.0},  # 7B: gamma 3 to 30, LoRA r8, lr 1e-4, batch 32
        fails="the target's runner-up is often a neighbour of the answer; gamma too small changes nothing",
    ),
    Method(
        name="vgid",
        family="distillation",
        objective="KL(ref on a noisy picture || model; F) + retain * KL(ref || model; R)",
        source="visual-guided distillation (arXiv 2606.00105), without its instruction prefix",
        recipe=Recipe(
            terms=(on(FORGET, "kl_other_ref", other="forget.noise"), on(RETAIN, "kl_ref", "retain")),
        ),
        params={"retain": 1.0},
        fails="forgets only what the picture adds: by name everything stays; as good as the teacher's ignorance",
    ),
    Method(
        name="siu",
        family="distillation",
        objective="alpha * CE + masked * dual-masked KL on four targets: a stranger's name, another look, true facts "
        "by name, other people",
        source="SIU, Li et al. 2024 (arXiv 2405.12523); the masks are read off the true answers",
        recipe=Recipe(terms=_TARGETS),
        params={"alpha": 0.9, "masked": 0.75},  # 7B: lr 3e-4, batch 4, 6 steps on one picture
        fails="breaks the recognition of a face, and keeps all facts by name on purpose; facts asked on a picture are "
        "not among its targets",
    ),
    Method(
        name="oracle",
        family="distillation",
        objective="KL(gold || model) on F and R",
        source="distillation from the model that never learned F: the upper bound of what training can reach",
        recipe=Recipe(terms=(on(FORGET, "kl_oracle"), on(RETAIN, "kl_oracle", "retain"))),
        params={"retain": 1.0},  # 7B: 1 to 3 epochs, lr 2e-5
        fails="needs the gold model, which nobody has who needs unlearning; is right only on the views it sees",
    ),
)
