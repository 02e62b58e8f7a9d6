"""A lab on the embedded model, and updates in the making, for the tests of rules, scores and edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlmunl.methods.language import FORGET, RETAIN, Recipe, Where, on
from vlmunl.rng import Streams
from vlmunl.stages.configs import Adapter, UnlearnConfig

FEW = Where(parts=("language",), modules=("down",))
"""Five layers."""
BOTH = (on(FORGET, "ga"), on(RETAIN, "ce", constraint=True))


def lab_of(vlm: Any, benchmark: Any, recipe: Recipe, adapter: Adapter | None = None, **params: float) -> Any:
    """A lab before training."""
    from vlmunl.methods.lab import Lab
    from vlmunl.models.samples import Encoder

    config = UnlearnConfig(
        method="tested", version=1, params=params, recipe=recipe, seed=0, adapter=adapter or Adapter(rank=4, alpha=8)
    )
    return Lab(vlm, benchmark, config, Encoder(vlm), Streams(0))


def update_of(
    weights: list[Any], gradients: dict[str, list[Any]], losses: Callable[[], dict[str, float]], **more: Any
) -> Any:
    """An update of these weights whose gradients are given."""
    from vlmunl.models.update import Update

    given: dict[str, Any] = {
        "step": 0,
        "weights": weights,
        "gradients": gradients,
        "losses": losses(),
        "again": lambda: gradients,
        "measured": losses,
        "optimisers": (),
        "figures": {},
    }
    return Update(**(given | more))
