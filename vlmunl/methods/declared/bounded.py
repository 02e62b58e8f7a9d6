"""Ascent that levels off by itself. Comments give published values for 7B models with LoRA."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import FORGET, RETAIN, Dual, Recipe, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim, StopRule

METHODS = (
    Method(
        name="wga",
        family="bounded",
        objective="-mean(p^beta NLL; F), the weight without gradient, + retain * CE(R)",
        source="weighted gradient ascent, Wang et al. 2025 (arXiv 2502.19301)",
        recipe=Recipe(terms=(on(FORGET, "wga"), KEEP)),
        params={"beta": 1.0, "retain": 4.0},  # 7B: beta 1, lr 1e-5, retain 1
        stop=FORGOTTEN,
        fails="tokens that are unlikely already get no push, so paraphrases that still know them are left alone",
    ),
    Method(
        name="satimp",
        family="bounded",
        objective="-mean(p^beta1 (1 - p)^beta2 NLL; F), the weight without gradient, + retain * CE(R)",
        source="SatImp, Yang et al. 2025 (arXiv 2505.11953)",
        recipe=Recipe(terms=(on(FORGET, "satimp"), KEEP)),
        params={"beta1": 5.0, "beta2": 1.0, "retain": 1.0},  # 7B: beta1 5 to 6, beta2 1, forget weight 0.1, lr 1e-5
        stop=FORGOTTEN,
        fails="answers known with certainty have almost no weight (1 - p), and move last",
    ),
    Method(
        name="ceu",
        family="bounded",
        objective="CE(softmax(z without the answer token), model; F), not on the first `skip` tokens",
        source="CE-U (arXiv 2503.01224)",
        recipe=Recipe(terms=(on(FORGET, "ceu"),)),
        params={"skip": 0.0},  # 7B: skip 1, lr 1e-5; the embedded model's answers are one token and the end mark
        optim=Optim(steps=60, lr=2e-4, warmup=5),
        stop=StopRule(forget_nll=2.5, patience=3),
        fails="teaches the runner-up, which may be another wording of the same answer; nothing holds the rest, and in "
        "the embedded model the retained people go too",
    ),
    Method(
        name="ihl",
        family="bounded",
        objective="mean(1 + p_answer - max p_other; F) + retain * CE(R)",
        source="inverted hinge loss of LoKU, Cha et al. 2024 (arXiv 2408.06621), without its initialisation",
        recipe=Recipe(terms=(on(FORGET, "ihl"), KEEP)),
        params={"retain": 1.0},  # 7B: LoRA r4 to r32, alpha 2r, lr 1e-4, 5 epochs, retain 1
        fails="has nothing to say once another token dominates: the answer may stay the second choice",
    ),
    Method(
        name="entropy",
        family="bounded",
        objective="KL(model || uniform; F) + retain * CE(R)",
        source="maximum entropy, as in ULD (arXiv 2406.08607) and CLEAR (arXiv 2410.18057)",
        recipe=Recipe(terms=(on(FORGET, "entropy"), KEEP)),
        params={"retain": 4.0},
        stop=FORGOTTEN,
        fails="answers turn to garbled text, which tells that there was something to forget",
    ),
    Method(
        name="pdu",
        family="bounded",
        objective="mean((max z - mean z)^2; F) + w CE(R), w rising while CE(R) is above slack times its start",
        source="primal-dual unlearning (arXiv 2506.05314)",
        recipe=Recipe(
            terms=(
                on(FORGET, "margin"),
                on(RETAIN, "ce", dual=Dual(start="start", slack="slack", rate="rate", warmup="wait")),
            )
        ),
        # 7B: start 50 to 100, rate 1 to 5, 5 epochs of waiting, a bound of 0.3; here the margin is some hundreds
        params={"start": 400.0, "slack": 1.5, "rate": 100.0, "wait": 5.0},
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        stop=FORGOTTEN,
        fails="the margin is quadratic in the logits, so its scale is the model's; a bound too low stops forgetting",
    ),
    Method(
        name="dsu",
        family="bounded",
        objective="alpha * (-(2/b) log sigmoid(b (m - m_ref)); F) + beta * CE(R) + gamma * KL(ref || model; R)",
        source="DSU (suryavirkapur/qwen-unlearning-research), its sign put right; no paper",
        recipe=Recipe(terms=(on(FORGET, "dsu", "alpha"), on(RETAIN, "ce", "beta"), on(RETAIN, "kl_ref", "gamma"))),
        params={"alpha": 1.0, "beta": 5.0, "gamma": 0.1, "b": 0.9},  # 7B: the same, lr 2e-5
        stop=FORGOTTEN,
        fails="as npo: suppresses the asked wording more than the knowledge",
    ),
    Method(
        name="dsu_asis",
        family="bounded",
        objective="alpha * log(1 + e^m; F) + beta * CE(R), as published: it teaches F",
        source="DSU (suryavirkapur/qwen-unlearning-research); kept to show what its sign does",
        recipe=Recipe(terms=(on(FORGET, "softplus_ce", "alpha"), on(RETAIN, "ce", "beta"))),
        params={"alpha": 1.0, "beta": 5.0},
        fails="never forgets: -log sigmoid(-m) falls with m, so that its gradient learns the forget set",
    ),
)
