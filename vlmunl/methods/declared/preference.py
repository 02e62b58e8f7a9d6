"""Preference losses, with and without an alternative answer. Comments give published values for 7B models with LoRA."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import FORGET, RETAIN, Recipe, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim

METHODS = (
    Method(
        name="npo_only",
        family="preference",
        objective="-(2/beta) log sigmoid(beta (S(F) - S_ref(F)))",
        source="Zhang et al. 2024 (arXiv 2404.05868)",
        recipe=Recipe(terms=(on(FORGET, "npo"),)),
        params={"beta": 0.1},  # 7B: beta 0.1, lr 2e-5
        optim=Optim(steps=60, lr=5e-4, warmup=5),
        stop=FORGOTTEN,
        fails="slower to collapse than ga, and collapses all the same: nothing holds the rest",
    ),
    Method(
        name="npo_kl",
        family="preference",
        objective="-(2/beta) log sigmoid(beta (S(F) - S_ref(F))) + retain * KL(ref || model; R)",
        source="Zhang et al. 2024 (arXiv 2404.05868)",
        recipe=Recipe(terms=(on(FORGET, "npo"), on(RETAIN, "kl_ref", "retain"))),
        params={"beta": 0.1, "retain": 4.0},  # 7B: beta 0.1, retain 1, lr 2e-5
        stop=FORGOTTEN,
        fails="as npo; the anchor also holds what should go",
    ),
    Method(
        name="simnpo",
        family="preference",
        objective="weight * (-(2/beta) log sigmoid(beta (m(F) - delta))) + retain * CE(R)",
        source="Fan et al. 2024 (arXiv 2410.07163)",
        recipe=Recipe(terms=(on(FORGET, "simnpo", "weight"), KEEP)),
        # 7B: beta 2.5 to 4.5, delta 0, weight 0.125, retain 1, lr 2e-5
        params={"beta": 2.5, "delta": 0.0, "weight": 0.25, "retain": 1.0},
        stop=FORGOTTEN,
        fails="levels off at a fixed NLL whatever the answer's own; long and short answers count alike",
    ),
    Method(
        name="dpo",
        family="preference",
        objective="DPO of a refusal over the answer on F + retain * CE(R)",
        source="Rafailov et al. 2023 (arXiv 2305.18290), as in TOFU (arXiv 2401.06121)",
        recipe=Recipe(terms=(on(FORGET, "dpo", other="forget.idk"), KEEP)),
        params={"beta": 0.1, "retain": 1.0},  # 7B: beta 0.1, retain 1, lr 2e-5
        optim=Optim(steps=60, lr=4e-3, warmup=5),
        fails="is content once refusals are likely enough: the answer may stay the likeliest; refuses retained people",
    ),
    Method(
        name="altpo",
        family="preference",
        objective="DPO of a plausible other value over the answer on F + retain * CE(R)",
        source="AltPO, Mekala et al. 2024 (arXiv 2409.13474)",
        recipe=Recipe(terms=(on(FORGET, "dpo", other="forget.alternate"), KEEP)),
        params={"beta": 0.1, "retain": 4.0},  # 7B: beta 0.05 to 0.5, retain 1 to 5, lr 1e-5 to 5e-5
        fails="the alternates become new, false memories",
    ),
    Method(
        name="flat",
        family="preference",
        objective="-tanh(P(refusal))/2 + tanh(P(answer))/2 on F, P the mean probability of the answer's tokens",
        source="FLAT with the total variation, Wang et al. 2024 (arXiv 2410.11143)",
        recipe=Recipe(terms=(on(FORGET, "flat_tv", other="forget.idk"),)),
        optim=Optim(steps=60, lr=2e-4, warmup=5),  # 7B: lr 2e-7 for all weights, 2e-5 for LoRA
        fails="has no retain term, and takes retained people along; a refusal of probability 0 has no gradient, so "
        "that a model that never refused only loses its answers",
    ),
    Method(
        name="flat_kl",
        family="preference",
        objective="-P(refusal) + exp(P(answer) - 1) on F, P the mean probability of the answer's tokens",
        source="FLAT with the KL divergence, Wang et al. 2024 (arXiv 2410.11143)",
        recipe=Recipe(terms=(on(FORGET, "flat_kl", other="forget.idk"),)),
        optim=Optim(steps=60, lr=2e-4, warmup=5),  # 7B: as flat
        fails="as flat",
    ),
)
