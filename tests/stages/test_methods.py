"""Every declared method of losses and views runs as a stage, and does what its family says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vlmunl.methods.declared import ascent, bounded, distillation, preference, refusal, representation
from vlmunl.methods.known import METHODS
from vlmunl.methods.parts import needs_of, versions
from vlmunl.stages import declared
from vlmunl.stages.configs import Optim, StopRule, UnlearnConfig

pytestmark = pytest.mark.model
MINE = [
    m.name for family in (ascent, bounded, preference, refusal, distillation, representation) for m in family.METHODS
]
WATCHED = StopRule(forget_nll=1e6, retain_rise=1e6)
"""Never ends a training, but asks for both figures in every step."""
FALLS = {
    "dsu_asis": "forget_nll",
    "vgid": "forget_kl_other_ref",
    "oracle": "forget_kl_oracle",
    "siu": "forget.stranger_nll",
    "rmu": "forget_act_target",
    "rmu_adaptive": "forget_act_target_adaptive",
}
"""What falls where it is not the answers' probability that a method lowers."""
OPEN = ("entropy", "pdu", "deviate")
"""These flatten or turn away; which way the answers' NLL goes at first is not theirs to say."""


def _unlearn(method: str, **changes: Any) -> UnlearnConfig:
    given = METHODS[method]
    settings: dict[str, Any] = {"optim": Optim(steps=4, lr=2e-3, warmup=0), "batch": 12, "stop": WATCHED} | changes
    parts = versions(given.recipe)
    return UnlearnConfig(
        method=method, version=given.version, params=dict(given.params), recipe=given.recipe, parts=parts, seed=0,
        **settings,
    )  # fmt: skip


def _curve(world: Any, method: str, **changes: Any) -> list[dict[str, float]]:
    import orjson

    inputs = {"base": world.base, "benchmark": world.benchmark, "imprint": world.imprint().outputs["adapter"]}
    if "oracle logits" in needs_of(METHODS[method].recipe):
        inputs["gold"] = world.imprint(role="gold").outputs["adapter"]
    record = world.run(declared.UNLEARN, _unlearn(method, **changes), inputs)
    steps: list[dict[str, float]] = orjson.loads(world.store.path(record.outputs["curve"]).read_bytes())["steps"]
    return steps


@pytest.mark.parametrize("method", MINE)
def test_a_few_steps_of_a_method_go_its_way(world: Any, method: str) -> None:
    curve = _curve(world, method)
    forget = [step["forget_nll"] for step in curve if "forget_nll" in step]
    retain = [step["retain_nll"] for step in curve if "retain_nll" in step]
    assert len(curve) == 4
    assert forget
    assert retain
    assert all(math.isfinite(value) for step in curve for value in step.values())
    if method in FALLS:
        assert curve[-1][FALLS[method]] < curve[0][FALLS[method]]
    elif method not in OPEN:  # training on anything lowers the NLL of a model that was hardly taught
        assert forget[-1] > _curve(world, "finetune")[-1]["forget_nll"]


def test_sides_take_turns_by_whole_epochs(world: Any) -> None:
    """12 questions to forget and 24 to keep, 12 in a batch: one step, then two."""
    four = Optim(steps=4, lr=2e-3, warmup=0)
    curve = _curve(world, "graddiff_epochwise", stop=StopRule(), optim=four)
    assert ["forget_nll" in step for step in curve] == [True, False, False, True]
    assert ["retain_nll" in step for step in curve] == [False, True, True, False]


def test_watching_changes_no_weight(world: Any) -> None:
    inputs = {"base": world.base, "benchmark": world.benchmark, "imprint": world.imprint().outputs["adapter"]}
    first, second = (world.run(declared.UNLEARN, _unlearn("rmu", stop=s), inputs) for s in (WATCHED, StopRule()))
    assert first.outputs["adapter"] == second.outputs["adapter"]


def test_a_sample_that_is_forgotten_teaches_nothing_and_its_refusal_goes_on(world: Any) -> None:
    """With a limit that all answers pass from the start, ascent stands still; learning a refusal does not."""
    still = _curve(world, "npo_only", stop=StopRule(each=1e-6))
    assert [step["forget_nll"] for step in still] == [still[0]["forget_nll"]] * 4
    assert {step["gradient_norm"] for step in still} == {0.0}
    refused = _curve(world, "idk", stop=StopRule(each=1e-6))
    assert refused[-1]["forget.idk_nll"] < refused[0]["forget.idk_nll"]


@pytest.mark.parametrize("method", ["altpo", "vgid", "siu"])
def test_wide_views_have_counterparts_too(world: Any, method: str) -> None:
    (step,) = _curve(world, method, views="wide", optim=Optim(steps=1, lr=2e-3, warmup=0))
    assert all(math.isfinite(value) for value in step.values())
