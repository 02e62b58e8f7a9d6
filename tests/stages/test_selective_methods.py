"""Methods made of rules and edits, run as a stage: twice to the same bytes, and telling what they did."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.methods.known import METHODS
from vlmunl.methods.parts import versions
from vlmunl.stages import declared
from vlmunl.stages.configs import Optim, UnlearnConfig

pytestmark = pytest.mark.model

MINE = (
    "trou", "trou_published", "trou_pcgrad", "ngdiff", "graddiff_sam", "graddiff_l1", "salun", "mmunlearner", "ssu",
    "iwap", "iwap_published", "manu", "ssd", "task_vector", "loku",
)  # fmt: skip
AT_ONCE = ("trou", "ngdiff", "salun", "ssd", "task_vector")
"""One of each way to choose or to combine; the others in `make slow`."""
UNTRAINED = ("manu", "ssd")
TOLD = {
    "trou": "last_kept", "trou_pcgrad": "last_conflict", "salun": "masked_in", "mmunlearner": "masked_in",
    "ssu": "masked_in", "iwap": "deleted", "iwap_published": "deleted", "manu": "deleted", "ssd": "dampened",
}  # fmt: skip


@pytest.mark.parametrize("name", [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in MINE])
def test_every_method_runs_twice_to_the_same_bytes_and_tells_what_it_did(world: Any, name: str) -> None:
    method = METHODS[name]
    config = UnlearnConfig(
        method=name,
        version=method.version,
        params=dict(method.params) | ({"samples": 3.0} if "samples" in method.params else {}),
        recipe=method.recipe,
        parts=versions(method.recipe),
        seed=0,
        optim=Optim(steps=2, lr=1e-3, warmup=0),
        batch=4,
    )
    inputs = {"base": world.base, "benchmark": world.benchmark, "imprint": world.imprint().outputs["adapter"]}
    inputs |= world.probes(config, inputs["imprint"])
    record = world.run(declared.UNLEARN, config, inputs)
    assert record.metrics["steps"] == (0 if name in UNTRAINED else 2)
    if name in TOLD:
        assert 0 <= record.metrics[TOLD[name]] < 1.5
    again = world.run(declared.UNLEARN, config, inputs, force=True)
    assert again.outputs["adapter"] == record.outputs["adapter"]
