"""The built-in gradient rules. The code is in `vlmunl.methods.rules`.

`samples` is how many questions of a view a probe looks at (0: all).
"""

from __future__ import annotations

from vlmunl.methods.language import Part, Probe

_PROJECTION, _BOUNDS, _MASKS = (f"vlmunl.methods.rules.{name}" for name in ("projection", "bounds", "masks"))

RULES = (
    Part(
        name="orthogonal",
        formula="the step d without its part along the last k retain gradients R: R'd = 0",
        source="TROU, restated: of the optimiser's step, in Adam's metric (preconditioned = 1) or the plain one (0)",
        run=f"{_PROJECTION}:orthogonal",
        args={"k": 4.0, "refresh": 1.0, "preconditioned": 1.0},
    ),
    Part(
        name="trust_region",
        formula="|d| <= radius; undone and halved if the retain loss rose by over tol nats, larger if by much less",
        source="TROU, restated: of the step itself (radius = 0: the median of the first ten)",
        run=f"{_BOUNDS}:trust_region",
        args={"radius": 0.0, "tol": 0.05},
        passes=0.3,
    ),
    Part(
        name="trou_published",
        formula="g - (g.r / |r|^2) r for each tensor of the raw forget gradient, then |g| <= delta",
        source="TROU as released (suryavirkapur/qwen-unlearning-research)",
        run=f"{_PROJECTION}:trou_published",
        args={"delta": 1.0},
    ),
    Part(
        name="pcgrad",
        formula="each side's gradient off the other's, only where g_F.g_R < 0",
        source="Yu et al. 2020 (arXiv 2001.06782)",
        run=f"{_PROJECTION}:pcgrad",
    ),
    Part(
        name="normalise",
        formula="g / |g| on each side",
        source="NGDiff (arXiv 2410.22086)",
        run=f"{_PROJECTION}:normalise",
    ),
    Part(
        name="mask_gradient",
        formula="g_F only on the share of weights (rows of a low-rank adapter) with the largest |g_F| at the start",
        source="SalUn (arXiv 2310.12508)",
        run=f"{_MASKS}:mask_gradient",
        args={"share": 0.5, "samples": 64.0},
        probes=(Probe("gradient_size", ("forget",)),),
    ),
    Part(
        name="mask_deviation",
        formula="g_F only where |g_F| at the start is k standard deviations above its layer's mean",
        source="SSU (arXiv 2406.10952)",
        run=f"{_MASKS}:mask_deviation",
        args={"k": 1.0, "samples": 64.0},
        probes=(Probe("gradient_size", ("forget",)),),
    ),
    Part(
        name="mask_fisher",
        formula="g_F only where Fisher_F >= tau Fisher_P, P being F by name without a picture, and R with and without",
        source="MMUnlearner (arXiv 2502.11051)",
        run=f"{_MASKS}:mask_fisher",
        args={"tau": 1.0, "samples": 64.0},
        probes=(Probe("fisher", ("forget",)), Probe("fisher", ("forget.text", "retain", "retain.text"))),
    ),
    Part(
        name="sam",
        formula="g_F at w + rho g_F / |g_F|",
        source="Foret et al. 2021 (arXiv 2010.01412); for unlearning Fan et al. 2025 (arXiv 2502.05374)",
        run=f"{_BOUNDS}:sam",
        args={"rho": 0.05},
        passes=1.0,
    ),
    Part(
        name="l1",
        formula="+ penalty * sum |change of weight|",
        source="CLEAR (arXiv 2410.18057)",
        run=f"{_BOUNDS}:l1",
        args={"penalty": 1e-5},
    ),
)
