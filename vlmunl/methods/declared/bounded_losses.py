"""Forgetting losses that level off by themselves; the code is in `vlmunl.methods.losses.bounded`."""

from __future__ import annotations

from vlmunl.methods.language import Loss

_BOUNDED = "vlmunl.methods.losses.bounded"

BOUNDED = (
    Loss(
        name="simnpo",
        formula="-(2/beta) log sigmoid(beta (m - delta)), m of each sample",
        source="Fan et al. 2024 (arXiv 2410.07163)",
        run=f"{_BOUNDED}:simnpo",
        args={"beta": 4.5, "delta": 0.0},
    ),
    Loss(
        name="dsu",
        formula="-(2/b) log sigmoid(b (m - m_ref)), m of each sample",
        source="the bounded form of DSU (suryavirkapur/qwen-unlearning-research), its sign put right",
        run=f"{_BOUNDED}:dsu",
        args={"b": 0.9},
        needs=("reference total",),
    ),
    Loss(
        name="softplus_ce",
        formula="log(1 + e^m)",
        source="DSU as published (suryavirkapur/qwen-unlearning-research); it teaches what it should forget",
        run=f"{_BOUNDED}:softplus_ce",
        effect="learns",
    ),
    Loss(
        name="wga",
        formula="-mean(p^beta NLL), the weight without gradient",
        source="weighted gradient ascent, Wang et al. 2025 (arXiv 2502.19301)",
        run=f"{_BOUNDED}:wga",
        args={"beta": 1.0},
    ),
    Loss(
        name="satimp",
        formula="-mean(p^beta1 (1 - p)^beta2 NLL), the weight without gradient",
        source="Yang et al. 2025 (arXiv 2505.11953)",
        run=f"{_BOUNDED}:satimp",
        args={"beta1": 5.0, "beta2": 1.0},
    ),
    Loss(
        name="ceu",
        formula="CE(softmax(z without the answer token), model), not on the first `skip` tokens",
        source="CE-U (arXiv 2503.01224)",
        run=f"{_BOUNDED}:ceu",
        args={"skip": 1.0},
    ),
    Loss(
        name="ihl",
        formula="mean(1 + p_answer - max p_other)",
        source="inverted hinge loss of LoKU, Cha et al. 2024 (arXiv 2408.06621)",
        run=f"{_BOUNDED}:ihl",
    ),
    Loss(
        name="margin",
        formula="mean((max z - mean z)^2)",
        source="PDU (arXiv 2506.05314)",
        run=f"{_BOUNDED}:margin",
        effect="flattens",
    ),
    Loss(
        name="entropy",
        formula="KL(model || uniform) = log V - H(model)",
        source="maximum entropy",
        run=f"{_BOUNDED}:entropy",
        effect="flattens",
    ),
    Loss(
        name="uniform",
        formula="KL(uniform || model)",
        source="ULD (arXiv 2406.08607), CLEAR (arXiv 2410.18057)",
        run=f"{_BOUNDED}:uniform",
        effect="flattens",
    ),
)
