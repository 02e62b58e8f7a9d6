"""Methods on inner states: the pass ends at the layer. Comments give published values for 7B models."""

from __future__ import annotations

from vlmunl.methods.declared.baselines import KEEP
from vlmunl.methods.language import FORGET, RETAIN, Recipe, Where, on
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import Optim

MISDIRECTED = Where(parts=("language",), modules=("down",), depth="depth", last=3)
_ANCHOR = on(RETAIN, "act_anchor", "anchor")

METHODS = (
    Method(
        name="rmu",
        family="representation",
        objective="(h(F) - c mean|h_ref| u)^2 + anchor * (h(R) - h_ref(R))^2 at one layer, u fixed and random",
        source="RMU, Li et al. 2024 (arXiv 2403.03218)",
        recipe=Recipe(terms=(on(FORGET, "act_target"), _ANCHOR), where=MISDIRECTED),
        # 7B: layer 7 of 32 (depth 0.25), lr 5e-5, anchor 1 to 1200; published c are absolute, these count mean|h|
        params={"c": 4.0, "anchor": 10.0, "depth": 0.4},
        optim=Optim(steps=60, lr=1e-2, warmup=5),
        fails="replies turn to noise on F; questions that reach the layer with other states are untouched",
    ),
    Method(
        name="rmu_adaptive",
        family="representation",
        objective="(h(F) - c |h_ref| u)^2 + anchor * (h(R) - h_ref(R))^2 at one layer, each token by its own norm",
        source="adaptive RMU, Dang et al. 2024 (arXiv 2408.06223)",
        recipe=Recipe(terms=(on(FORGET, "act_target_adaptive"), _ANCHOR), where=MISDIRECTED),
        params={"c": 4.0, "anchor": 10.0, "depth": 0.4},  # 7B: c 5 (0.5 to 2 for vision-language models), depth 0.25
        optim=Optim(steps=60, lr=1e-2, warmup=5),
        fails="as rmu",
    ),
    Method(
        name="deviate",
        family="representation",
        objective="max(0, cos(h(F), h_ref(F))) at one layer + retain * CE(R)",
        source="circuit breakers (arXiv 2406.04313); the forget term of KUDA (arXiv 2602.19275) without projection",
        recipe=Recipe(terms=(on(FORGET, "act_deviate"), KEEP), where=MISDIRECTED),
        params={"retain": 1.0, "depth": 0.6},
        optim=Optim(steps=60, lr=5e-3, warmup=5),
        fails="starts where its gradient is 0, and follows the retain term's first steps; as rmu afterwards",
    ),
)
