"""The built-in edits. The code is in `vlmunl.methods.edits`.

`samples` is how many questions of a view a probe looks at (0: all).
"""

from __future__ import annotations

from vlmunl.methods.language import Part, Probe

_PRUNE = "vlmunl.methods.edits.prune"

EDITS = (
    Part(
        name="prune",
        formula="w <- 0 for the top rho of max(0, I_F) / (|I_R| + e), I = -w g + w^2 Fisher / 2; held in the repair",
        source="IWAP, restated: second-order influence of deleting a weight, on both sides",
        run=f"{_PRUNE}:prune",
        args={"rho": 0.01, "samples": 64.0},
        probes=tuple(Probe(score, (view,)) for view in ("forget", "retain") for score in ("gradient", "fisher")),
    ),
    Part(
        name="prune_taylor",
        formula="w <- 0 for the top rho of |w g_F|; held in the repair",
        source="IWAP as released (suryavirkapur/qwen-unlearning-research), where nothing held it",
        run=f"{_PRUNE}:prune_taylor",
        args={"rho": 0.02, "samples": 64.0},
        probes=(Probe("gradient_sizes", ("forget",)),),
    ),
    Part(
        name="prune_neurons",
        formula="the share of MLP neurons with the highest use by F for their use by R is deleted",
        source="MANU (arXiv 2502.15910)",
        run=f"{_PRUNE}:prune_neurons",
        args={"share": 0.05, "samples": 64.0},
        probes=tuple(Probe("activations", (view,)) for view in ("forget", "forget.text", "retain", "retain.text")),
    ),
    Part(
        name="dampen",
        formula="w <- min(floor I_R / I_F, 1) w where I_F > alpha I_R",
        source="SSD (arXiv 2308.07707)",
        run="vlmunl.methods.edits.dampen:dampen",
        args={"alpha": 10.0, "floor": 1.0, "samples": 64.0},
        probes=(Probe("fisher", ("forget",)), Probe("fisher", ("retain",))),
    ),
    Part(
        name="negate",
        formula="w <- w0 - scale (w - w0)",
        source="task arithmetic (arXiv 2212.04089)",
        run="vlmunl.methods.edits.negate:negate",
        args={"scale": 1.0},
    ),
    Part(
        name="fila",
        formula="W <- W - s B A, the least |diag(sqrt(sum_j F_F / F_R)) (W - s B A)|; B and A are then trained",
        source="LoKU (arXiv 2408.06621)",
        run="vlmunl.methods.edits.fila:fila",
        args={"samples": 64.0},
        probes=(Probe("fisher", ("forget",)), Probe("fisher", ("retain",))),
    ),
)
