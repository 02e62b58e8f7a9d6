"""The built-in losses: formula, source, arguments, needs and effect. The code is in `vlmunl.methods.losses`."""

from __future__ import annotations

from vlmunl.methods.language import Loss

_LIKELIHOOD = "vlmunl.methods.losses.likelihood"

LIKELIHOOD = (
    Loss(
        name="ce",
        formula="m: mean NLL of the answer tokens",
        source="maximum likelihood",
        run=f"{_LIKELIHOOD}:ce",
        effect="learns",
    ),
    Loss(
        name="ga",
        formula="-m",
        source="Jang et al. 2023 (arXiv 2210.01504)",
        run=f"{_LIKELIHOOD}:ga",
    ),
    Loss(
        name="kl_ref",
        formula="KL(ref || model) over the whole vocabulary",
        source="TOFU (arXiv 2401.06121)",
        run=f"{_LIKELIHOOD}:kl_ref",
        needs=("reference logits",),
        effect="anchors",
    ),
    Loss(
        name="npo",
        formula="-(2/beta) log sigmoid(beta (S - S_ref))",
        source="Zhang et al. 2024 (arXiv 2404.05868)",
        run=f"{_LIKELIHOOD}:npo",
        args={"beta": 0.1},
        needs=("reference total",),
    ),
)
