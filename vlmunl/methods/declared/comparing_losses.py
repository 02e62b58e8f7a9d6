"""Losses that compare with another answer, another model or inner states; the code is in `vlmunl.methods.losses`."""

from __future__ import annotations

from vlmunl.methods.language import Loss

_PREFERENCE = "vlmunl.methods.losses.preference"
_DISTILLATION = "vlmunl.methods.losses.distillation"
_REPRESENTATION = "vlmunl.methods.losses.representation"

PREFERENCE = (
    Loss(
        name="dpo",
        formula="-(2/beta) log sigmoid(beta [(S - S_ref)(answer) - (S - S_ref)(alternative)])",
        source="Rafailov et al. 2023 (arXiv 2305.18290)",
        run=f"{_PREFERENCE}:dpo",
        args={"beta": 0.1},
        needs=("reference total", "other", "other reference total"),
        effect="answers",
    ),
    Loss(
        name="flat_kl",
        formula="-P(alternative) + exp(P(answer) - 1), P the mean probability of the answer's tokens",
        source="FLAT, KL divergence (arXiv 2410.11143)",
        run=f"{_PREFERENCE}:flat_kl",
        needs=("other",),
        effect="answers",
    ),
    Loss(
        name="flat_tv",
        formula="-tanh(P(alternative))/2 + tanh(P(answer))/2, P the mean probability of the answer's tokens",
        source="FLAT, total variation (arXiv 2410.11143)",
        run=f"{_PREFERENCE}:flat_tv",
        needs=("other",),
        effect="answers",
    ),
)

DISTILLATION = (
    Loss(
        name="undial",
        formula="CE(softmax(z_ref - gamma [answer]), model)",
        source="Dong et al. 2024 (arXiv 2402.10052)",
        run=f"{_DISTILLATION}:undial",
        args={"gamma": 10.0},
        needs=("reference logits",),
    ),
    Loss(
        name="kl_oracle",
        formula="KL(gold || model) over the whole vocabulary",
        source="distillation from a model that never learned it",
        run=f"{_DISTILLATION}:kl_oracle",
        needs=("oracle logits",),
        effect="anchors",
    ),
    Loss(
        name="kl_other_ref",
        formula="KL(ref on the other view || model) over the whole vocabulary",
        source="VGID (arXiv 2606.00105)",
        run=f"{_DISTILLATION}:kl_other_ref",
        needs=("other reference logits",),
        effect="anchors",
    ),
    Loss(
        name="dmk",
        formula="sum_t K_S(t) sum_v K_V(v) p_ref log(p_ref / p), mean over the t that count; other: the truth",
        source="dual-masked KL of SIU, Li et al. 2024 (arXiv 2405.12523)",
        run=f"{_DISTILLATION}:dmk",
        needs=("reference logits", "other reference total"),
        effect="anchors",
    ),
)

REPRESENTATION = (
    Loss(
        name="act_target",
        formula="mean (h - c mean|h_ref| u)^2, u a fixed random unit vector from a normal distribution",
        source="RMU, Li et al. 2024 (arXiv 2403.03218)",
        run=f"{_REPRESENTATION}:act_target",
        args={"c": 5.0},
        needs=("layer", "reference layer"),
    ),
    Loss(
        name="act_target_adaptive",
        formula="mean (h - c |h_ref| u)^2, each token by its own norm",
        source="adaptive RMU, Dang et al. 2024 (arXiv 2408.06223)",
        run=f"{_REPRESENTATION}:act_target_adaptive",
        args={"c": 5.0},
        needs=("layer", "reference layer"),
    ),
    Loss(
        name="act_anchor",
        formula="mean (h - h_ref)^2",
        source="RMU, Li et al. 2024 (arXiv 2403.03218)",
        run=f"{_REPRESENTATION}:act_anchor",
        needs=("layer", "reference layer"),
        effect="anchors",
    ),
    Loss(
        name="act_deviate",
        formula="mean max(0, cos(h, h_ref))",
        source="circuit breakers, Zou et al. 2024 (arXiv 2406.04313); KUDA (arXiv 2602.19275)",
        run=f"{_REPRESENTATION}:act_deviate",
        needs=("layer", "reference layer"),
    ),
)
