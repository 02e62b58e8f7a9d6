"""Ascent that keeps out of the way of what is to be kept, or of sharp places."""

from __future__ import annotations

from vlmunl.methods.language import FORGET, RETAIN, Recipe, Rule, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim

ASCENT = on(FORGET, "ga")
SPARE = on(RETAIN, "ce", constraint=True)
KEEP = on(RETAIN, "ce", "retain")

METHODS = (
    Method(
        name="trou",
        family="ascent",
        objective="-m(F), each step orthogonal to the last k gradients of CE(R) and within a radius that CE(R) adapts",
        source="introduced by suryavirkapur/qwen-unlearning-research (no paper); restated on the optimiser's own step",
        recipe=Recipe(terms=(ASCENT, SPARE), rules=(Rule(rule="orthogonal"), Rule(rule="trust_region"))),
        params={"k": 4.0, "refresh": 1.0, "preconditioned": 1.0, "radius": 0.0, "tol": 0.05},
        optim=Optim(steps=100, lr=1e-3, warmup=5),
        stop=FORGOTTEN,
        fails="a few retain gradients are not all that is retained; no step is left where both gradients are parallel",
    ),
    Method(
        name="trou_published",
        family="ascent",
        objective="-m(F), the raw gradient of each tensor orthogonal to that of CE(R), and of length delta at most",
        source="suryavirkapur/qwen-unlearning-research, as released",
        recipe=Recipe(terms=(ASCENT, SPARE), rules=(Rule(rule="trou_published"),)),
        params={"delta": 1.0},
        optim=Optim(steps=60, lr=5e-4, warmup=5),
        stop=FORGOTTEN,
        fails="under Adam the step is not orthogonal and delta has no effect",
    ),
    Method(
        name="trou_pcgrad",
        family="ascent",
        objective="-m(F) + retain * CE(R), each gradient off the other's where they conflict",
        source="PCGrad (arXiv 2001.06782) on gradient difference",
        recipe=Recipe(terms=(ASCENT, KEEP), rules=(Rule(rule="pcgrad"),)),
        params={"retain": 4.0},
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        stop=FORGOTTEN,
        fails="what is forgotten along the retain gradient is given up; unbounded in the forget term",
    ),
    Method(
        name="ngdiff",
        family="ascent",
        objective="-m(F) + CE(R), each with a gradient of unit length",
        source="NGDiff (arXiv 2410.22086), without its automatic learning rate",
        recipe=Recipe(terms=(ASCENT, on(RETAIN, "ce")), rules=(Rule(rule="normalise"),)),
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        stop=FORGOTTEN,
        fails="a vanishing gradient, of what is kept perfectly, is blown up to the same length",
    ),
    Method(
        name="graddiff_sam",
        family="ascent",
        objective="-m(F) at its worst place within rho, + retain * CE(R)",
        source="Fan et al. 2025 (arXiv 2502.05374), with gradient difference",
        recipe=Recipe(terms=(ASCENT, KEEP), rules=(Rule(rule="sam"),)),
        params={"retain": 4.0, "rho": 0.05},
        optim=Optim(steps=60, lr=2e-3, warmup=5),
        stop=FORGOTTEN,
        fails="twice the work per step; too large a rho leaves the model's neighbourhood",
    ),
    Method(
        name="graddiff_l1",
        family="ascent",
        objective="-m(F) + retain * CE(R) + penalty * sum |change of weight|",
        source="CLEAR (arXiv 2410.18057)",
        recipe=Recipe(terms=(ASCENT, KEEP), rules=(Rule(rule="l1"),)),
        params={"retain": 4.0, "penalty": 1e-5},
        optim=Optim(steps=60, lr=2e-3, warmup=5),
        stop=FORGOTTEN,
        fails="the penalty that matters depends on the number of weights",
    ),
)
