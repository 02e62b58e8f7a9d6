"""An imprint, a gold model and an unlearned one of six people, and benches to attack them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vlmunl.rng import Streams


@pytest.fixture
def bench(vlm: Any, benchmark_small: Any) -> Callable[..., Any]:
    """(attack, tuning=1, seed=0, ...) -> a bench on which every model is a fresh copy of one, without a wrapper."""
    import copy

    from vlmunl.attacks.bench import Bench
    from vlmunl.models.vlm import VLM

    def make(attack: str, *, tuning: int = 1, seed: int = 0, attacked: Any = None, **given: Any) -> Any:
        def fresh(step: float = 1.0) -> Any:
            return VLM(copy.deepcopy((attacked or vlm).model), copy.deepcopy(vlm.processor))

        parts = {"bare": fresh, "dress": lambda v: (v, None), "base": fresh, "imprint": fresh} | given
        return Bench(
            attack=attack,
            benchmark=benchmark_small,
            tuning=tuning,
            streams=Streams(seed).child("attack", attack),
            progress=lambda done, total, note: None,
            **parts,
        )

    return make


@pytest.fixture
def moved(vlm: Any) -> Any:
    """The embedded model with every weight moved a little: another model of the same shape."""
    import copy

    import torch

    from vlmunl.models.vlm import VLM

    other = copy.deepcopy(vlm.model)
    generator = Streams(5).child("moved").torch()
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.02 * (weight.std(correction=0) + 0.01) * torch.randn(weight.shape, generator=generator))
    return VLM(other, vlm.processor)
