"""A cell that is stopped and taken up again ends with the bytes of one that was not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlmunl import stage_keep
from vlmunl.errors import Stopped
from vlmunl.methods.known import METHODS
from vlmunl.methods.parts import versions
from vlmunl.stage import Stop
from vlmunl.stages import declared
from vlmunl.stages.configs import Adapter, EvalConfig, ImprintConfig, Optim, StopRule, UnlearnConfig
from vlmunl.store import partial

pytestmark = pytest.mark.model
STEPS = Optim(steps=5, lr=2e-3, warmup=2)


class After:
    """Asks to stop when it has been looked at so many times: after so many steps, or batches of questions."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def attempts(world: Any, stage: Any, config: Any, inputs: dict[str, Any], stops: tuple[int, ...]) -> Any:
    """The record of a cell that is stopped after so many steps of each attempt but the last."""
    for steps in stops:
        with pytest.raises(Stopped, match="was stopped at"):
            world.run(stage, config, inputs, force=True, stop=Stop(asked=After(steps)))
    return world.run(stage, config, inputs, force=True)


def same(world: Any, stage: Any, config: Any, inputs: dict[str, Any], *stops: int) -> Any:
    """Both ways, in one store: the attempts of one must end with the addresses of the other."""
    whole = world.run(stage, config, inputs, force=True)
    record = attempts(world, stage, config, inputs, stops)
    assert record.outputs == whole.outputs
    assert record.metrics == whole.metrics
    assert record.env["resumed"]["attempt"] == len(stops) + 1
    assert not partial.folder(world.store.root, record.key).exists()
    assert "resumed" not in whole.env
    return record


def imprinted(world: Any, optim: Optim, *stops: int) -> Any:
    config = ImprintConfig(role="imprint", seed=0, image_samples=3, text_samples=2, replay=2, optim=optim)
    return same(world, declared.IMPRINT, config, {"base": world.base, "benchmark": world.benchmark}, *stops)


def test_an_imprint(world: Any) -> None:
    record = imprinted(world, replace(STEPS, steps=3), 1, 1)
    assert record.env["resumed"]["done"] == 2
    assert record.env["resumed"]["earlier_wall_s"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("stops", [(1,), (2, 1), (4,)])
def test_imprints_stopped_anywhere(world: Any, optimizer: str, stops: tuple[int, ...]) -> None:
    assert imprinted(world, replace(STEPS, optimizer=optimizer), *stops).env["resumed"]["done"] == sum(stops)  # type: ignore[arg-type]


def config_of(method: str, **changes: Any) -> UnlearnConfig:
    given = METHODS[method]
    config = UnlearnConfig(
        method=method,
        version=given.version,
        params=dict(given.params),
        recipe=given.recipe,
        parts=versions(given.recipe),
        seed=0,
        optim=STEPS,
        batch=4,
    )
    return replace(config, **changes)


def inputs_of(world: Any, config: UnlearnConfig) -> dict[str, Any]:
    imprint = world.imprint().outputs["adapter"]
    gold = {"gold": world.imprint(role="gold").outputs["adapter"]} if config.method == "oracle" else {}
    probes = world.probes(config, imprint)
    return {"base": world.base, "benchmark": world.benchmark, "imprint": imprint, **gold, **probes}


def unlearned(world: Any, config: UnlearnConfig, *stops: int) -> Any:
    return same(world, declared.UNLEARN, config, inputs_of(world, config), *stops)


SHORT = replace(STEPS, steps=3)
LASTING = StopRule(forget_nll=0.001, retain_rise=0.5, patience=9)
"""Counts from the first step on, and never ends a training of five."""
FAMILIES = {
    "a reference that is asked as it goes": config_of("npo_kl", views="wide", optim=SHORT),
    "duals, in full, by muon": config_of(
        "pdu",
        params=dict(METHODS["pdu"].params) | {"warmup": 0.0},
        optim=replace(SHORT, optimizer="muon"),
        adapter=Adapter(recipe="full"),
        stop=LASTING,
    ),
    "rules with a memory": config_of("trou", optim=SHORT),
}


def test_an_unlearning(world: Any) -> None:
    """Rules with a memory, a stop rule that counts, wide views."""
    config = config_of("trou", views="wide", stop=LASTING, optim=SHORT)
    assert unlearned(world, config, 2).env["resumed"]["done"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_families(world: Any, name: str) -> None:
    assert unlearned(world, FAMILIES[name], 2).env["resumed"]["done"] == 2


@pytest.mark.slow
def test_a_stop_rule_counts_on(world: Any) -> None:
    config = config_of("ga", stop=StopRule(forget_nll=0.001, patience=3), optim=replace(STEPS, steps=9))
    assert unlearned(world, config, 2).metrics["steps"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if m.recipe.terms])
def test_every_method_that_trains(world: Any, method: str) -> None:
    unlearned(world, config_of(method, views="wide", optim=SHORT), 2)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_every_adapter(world: Any, recipe: str) -> None:
    config = config_of("graddiff", stop=LASTING, adapter=Adapter(recipe=recipe))  # type: ignore[arg-type]
    unlearned(world, config, 1, 3)


@pytest.mark.slow
def test_small_pieces_of_a_batch(world: Any) -> None:
    unlearned(world, config_of("npo", micro_batch=3), 2, 2)


@pytest.mark.slow
def test_retraining(world: Any) -> None:
    config = config_of(
        "retrain", lesson=ImprintConfig(role="gold", seed=0, image_samples=3, text_samples=2, replay=2, optim=STEPS)
    )
    same(world, declared.UNLEARN, config, {"base": world.base, "benchmark": world.benchmark}, 3)


# ---------------------------------------------------------------------------------------- questions


def evaluation(*routes: str, **changes: Any) -> EvalConfig:
    from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash

    found = catalogue_hash(CATALOGUE[r] for r in routes)
    return EvalConfig(routes=routes, catalogue=found, max_new_tokens=3, batch_size=8, **changes)


@pytest.mark.parametrize(
    ("routes", "stops"),
    [
        (("canonical", "sample"), (3,)),
        pytest.param(("canonical", "rotate", "beam", "rank", "min_k"), (1, 4, 2), marks=pytest.mark.slow),
    ],
)
def test_an_evaluation(world: Any, routes: tuple[str, ...], stops: tuple[int, ...]) -> None:
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": world.imprint().outputs["adapter"]}
    told = same(world, declared.EVAL, evaluation(*routes), inputs, *stops).env["resumed"]
    assert told["part"] == "questions1"
    assert 0 < told["done"] < told["total"]


@pytest.mark.slow
def test_a_gate(world: Any) -> None:
    from vlmunl.stages.configs import GateConfig

    models = {role: world.imprint(role=role).outputs["adapter"] for role in ("imprint", "gold")}
    inputs = {"base": world.base, "benchmark": world.benchmark, **models}
    config = GateConfig(seed=0, batch_size=6)
    same(world, declared.GATE, config, inputs, 2, 9)


@pytest.mark.slow
def test_an_attack_of_several_parts(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fine-tunings, each followed by questions; it is stopped in one of each."""
    from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
    from vlmunl.stages import evaluate
    from vlmunl.stages.configs import AttackConfig

    attack = "relearn_attributes:3"
    route = replace(CATALOGUE["relearn_attributes"], id="short", attack=attack)
    monkeypatch.setattr(evaluate, "CATALOGUE", {**CATALOGUE, route.id: route})
    found = catalogue_hash([route])
    config = AttackConfig(
        attack=attack, version=1, routes=("short",), catalogue=found, seed=0, tuning=1, max_new_tokens=3, batch_size=2
    )
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": world.imprint().outputs["adapter"]}
    parts = []
    real = stage_keep.Keeping.load

    def load(self: Any, name: str) -> Any:
        state = real(self, name)
        parts.append((name, state is not None))
        return state

    monkeypatch.setattr(stage_keep.Keeping, "load", load)
    same(world, declared.ATTACK, config, inputs, 2, 1, 2)
    assert ("train1", True) in parts
    assert ("questions1", True) in parts
    assert parts[-1][0] == "questions2"
