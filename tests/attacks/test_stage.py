"""One small attack cell of each kind through the real stage: rows as an eval's, the same twice, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.stages.conftest import World
from vlmunl.attacks.known import parse
from vlmunl.errors import CellFailed
from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
from vlmunl.stages import declared
from vlmunl.stages.configs import AttackConfig, EvalConfig

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    import torch

    torch.set_num_threads(1)
    return World(tmp_path_factory.mktemp("attacks") / "store")


def config(route: str, **changes: Any) -> AttackConfig:
    """Of the cell that asks by this route, and by it alone."""
    given: dict[str, Any] = {
        "attack": CATALOGUE[route].attack,
        "version": 1,
        "routes": (route,),
        "catalogue": catalogue_hash([CATALOGUE[route]]),
        "seed": 0,
        "tuning": 1,
        "max_new_tokens": 3,
    }
    return AttackConfig(**(given | changes))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Any:
    """(route, attack) -> the same route after a shorter attack, known to the stage for the time of the test."""

    def make(name: str, attack: str) -> Any:
        from vlmunl.stages import evaluate

        route = replace(CATALOGUE[name], id=f"short_{name}", attack=attack)
        monkeypatch.setattr(evaluate, "CATALOGUE", {**CATALOGUE, route.id: route})
        return config(name, attack=attack, routes=(route.id,), catalogue=catalogue_hash([route]))

    return make


def inputs(world: World, **more: Any) -> dict[str, Any]:
    imprint = world.imprint().outputs["adapter"]
    return {"base": world.base, "benchmark": world.benchmark, "adapter0": imprint, **more}


def table(world: World, record: Any) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(world.store.path(record.outputs["rows"])).to_pylist()
    return rows


def plain(world: World, route: str) -> list[dict[str, Any]]:
    asked = EvalConfig(routes=(route,), catalogue=catalogue_hash([CATALOGUE[route]]), tuning=1, max_new_tokens=3)
    rows = table(world, world.run(declared.EVAL, asked, inputs(world)))
    return [row for row in rows if row["split"] in ("forget", "retain")]


PLACE = ("split", "identity", "attribute", "variant")


@pytest.mark.parametrize("route", ["quantize_8", "guided_half", "logit_lens", "scale_half_text"])
def test_an_attacked_models_rows_are_an_evals(world: World, route: str) -> None:
    more = (
        {"imprint": world.imprint().outputs["adapter"]} if "imprint" in parse(CATALOGUE[route].attack)[0].needs else {}
    )
    record = world.run(declared.ATTACK, config(route), inputs(world, **more))
    found = table(world, record)
    asked = plain(world, "text_only" if route.endswith("_text") else "canonical")
    assert list(found[0]) == list(asked[0])
    assert [[row[c] for c in PLACE] for row in found] == [[row[c] for c in PLACE] for row in asked]
    assert {row["route"] for row in found} == {route}
    assert {row["status"] for row in found} <= {"correct", "incorrect", "refusal", "invalid"}
    assert [row["prompt_digest"] for row in found] == [row["prompt_digest"] for row in asked]
    assert [row["score"] for row in found] == [float(row["status"] == "correct") for row in found]
    if route != "quantize_8":  # the imprint guided by itself, or without a step to scale, is itself
        assert [row["logp"] for row in found] == pytest.approx([row["logp"] for row in asked], abs=1e-5)
    assert record.metrics["rows"] == len(found)


def test_an_attack_that_learns_twice_gives_the_same_bytes_and_asks_nobody_it_learned_from(
    world: World, short: Any
) -> None:
    brief = short("relearn_people", "relearn_people:2")
    first = world.run(declared.ATTACK, brief, inputs(world))
    again = world.run(declared.ATTACK, brief, inputs(world), force=True)
    other = world.run(declared.ATTACK, replace(brief, seed=1), inputs(world))
    assert first.outputs == again.outputs != other.outputs
    asked = {row["identity"] for row in table(world, first) if row["split"] == "forget"}
    assert asked == {row["identity"] for row in plain(world, "canonical") if row["split"] == "forget"}
    assert len(asked) == 1
    assert first.metrics["attack"]["people_first_nll"] > first.metrics["attack"]["people_last_nll"]


def test_both_halves_of_the_attributes_are_in_one_table(world: World, short: Any) -> None:
    brief = replace(short("relearn_attributes", "relearn_attributes:1"), tuning=0)
    found = table(world, world.run(declared.ATTACK, brief, inputs(world)))
    asked = EvalConfig(routes=("canonical",), catalogue=catalogue_hash([CATALOGUE["canonical"]]), max_new_tokens=3)
    rows = table(world, world.run(declared.EVAL, asked, inputs(world)))
    whole = [[row[c] for c in PLACE] for row in rows if row["split"] in ("forget", "retain")]
    assert [[row[c] for c in PLACE] for row in found] == whole


def test_a_learned_prompt_is_in_the_digest_of_what_was_asked(world: World, short: Any) -> None:
    asked = plain(world, "canonical")
    pairs = {}
    for name, attack in (("soft_prompt", "soft_prompt:2:1"), ("perturb", "perturb:8:1")):
        rows = table(world, world.run(declared.ATTACK, short(name, attack), inputs(world)))
        pairs[name] = list(zip(rows, asked, strict=True))
    assert all(a["prompt_digest"] != b["prompt_digest"] for a, b in pairs["soft_prompt"])
    assert all(a["prompt_digest"] == b["prompt_digest"] for a, b in pairs["perturb"])
    assert all(a["image_digest"] == b["image_digest"] for a, b in pairs["perturb"])
    assert any(a["logp"] != pytest.approx(b["logp"], abs=1e-6) for a, b in pairs["perturb"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "planned with version 2 of it, this is version 1"),
        ({"attack": "telepathy:1"}, "attack 'telepathy' is not known"),
        ({"catalogue": "0" * 32}, "planned with catalogue 0000"),
    ],
)
def test_another_attack_than_was_planned_is_refused(world: World, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CellFailed, match=said):
        world.run(declared.ATTACK, config("quantize_8", **changes), inputs(world))


def test_without_the_imprint_there_is_no_guidance(world: World) -> None:
    with pytest.raises(CellFailed, match="needs the model before unlearning"):
        world.run(declared.ATTACK, config("guided_half"), inputs(world))
