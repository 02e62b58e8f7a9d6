"""Unlearning that cannot work is refused or fails with its curve; stop rules hold; both references agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from vlmunl.errors import CellFailed, StudyError
from vlmunl.methods.known import METHODS
from vlmunl.methods.language import FORGET, Recipe, Where, on
from vlmunl.methods.parts import versions
from vlmunl.stages import declared
from vlmunl.stages.configs import Adapter, Optim, StopRule, UnlearnConfig

pytestmark = pytest.mark.model


def _config(method: str = "ga", **changes: Any) -> UnlearnConfig:
    given = METHODS[method]
    config = UnlearnConfig(
        method=method,
        version=given.version,
        params=dict(given.params),
        recipe=given.recipe,
        parts=versions(given.recipe),
        seed=0,
        optim=Optim(steps=3, lr=2e-3, warmup=0),
        batch=12,
    )
    config = replace(config, **changes)
    return replace(config, parts=versions(config.recipe))


def _run(world: Any, config: UnlearnConfig) -> Any:
    inputs = {"base": world.base, "benchmark": world.benchmark, "imprint": world.imprint().outputs["adapter"]}
    return world.run(declared.UNLEARN, config, inputs)


def _curve(world: Any, record: Any) -> list[dict[str, float]]:
    steps: list[dict[str, float]] = orjson.loads(world.store.path(record.outputs["curve"]).read_bytes())["steps"]
    return steps


def test_a_run_that_diverges_is_recorded_as_failed_with_its_curve(world: Any) -> None:
    config = _config(optim=Optim(steps=40, lr=1e18, warmup=0))
    with pytest.raises(CellFailed, match="the loss is"):
        _run(world, config)
    (error,) = [r for r in world.store.history("unlearn") if r.outcome == "error" and "the loss is" in r.error]
    assert error.outputs == {}
    assert error.env["details"]["curve"][0]["forget_nll"] > 0


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(terms=(on(FORGET, "ga"),), where=Where(parts=())), "no linear layer"),
        (Recipe(terms=(on("nowhere", "ga"),)), "no stream 'nowhere'"),
        (Recipe(), "the recipe is empty"),
        (Recipe(terms=(on(FORGET, "ga", "unset"),)), "refers to the setting 'unset'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(world: Any, recipe: Recipe, message: str) -> None:
    with pytest.raises(CellFailed, match=message):
        _run(world, _config(recipe=recipe))


def test_a_loss_of_one_view_is_given_one() -> None:
    with pytest.raises(StudyError, match="reads one view"):
        versions(Recipe(terms=(on(FORGET, "ga", other="forget"),)))


def test_stop_rules_by_strangers_and_by_what_is_kept(world: Any) -> None:
    record = _run(world, _config(stop=StopRule(strangers=0.01, patience=2)))
    assert record.metrics["steps"] == 2
    assert "as of strangers" in record.metrics["ended"]
    kept = _run(world, _config("graddiff", stop=StopRule(retain_rise=0.5, patience=1)))
    assert kept.metrics["steps"] == 1
    assert "retain_nll above" in kept.metrics["ended"]


def test_samples_that_are_forgotten_teach_nothing_more(world: Any) -> None:
    everything = _run(world, _config(stop=StopRule(each=1e-6)))  # all are above it from the start
    assert _curve(world, everything)[-1]["gradient_norm"] == 0
    nothing = _run(world, _config(stop=StopRule(each=1e6)))
    assert _curve(world, nothing) == _curve(world, _run(world, _config()))


@pytest.mark.parametrize("method", ["npo", "klmin"])
def test_a_remembered_reference_is_the_one_that_is_asked_again(
    world: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlmunl.methods.reference import Reference

    remembered = _curve(world, _run(world, _config(method, batch=5)))
    real = Reference.of

    def forgetful(self: Reference, samples: Any) -> Any:
        self._kept.clear()
        return real(self, samples)

    monkeypatch.setattr(Reference, "of", forgetful)
    again = _curve(
        world, _run(world, _config(method, batch=5, stop=StopRule(patience=7)))
    )  # another key, the same work
    for one, other in zip(remembered, again, strict=True):
        assert one == pytest.approx(other, abs=2e-4)


def test_all_weights_and_an_adapter_have_the_same_reference_at_the_start(world: Any) -> None:
    first = {}
    for recipe in ("lora", "full"):
        record = _run(world, _config("npo", adapter=Adapter(recipe=recipe), optim=Optim(steps=1, lr=1e-5, warmup=0)))  # type: ignore[arg-type]
        first[recipe] = _curve(world, record)[0]["forget_nll"]
    assert first["lora"] == pytest.approx(first["full"], abs=1e-4)
