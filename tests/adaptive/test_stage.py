"""The stage `search`: whom it reads, what it finds, and that its report is an ordinary evaluation's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.stages.conftest import World
from vlmunl.adaptive.asking import Asker
from vlmunl.adaptive.compose import composed
from vlmunl.benchmarks import schema
from vlmunl.errors import CellFailed, StudyError
from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
from vlmunl.routes.questions import questions
from vlmunl.routes.route import Route
from vlmunl.stages import declared
from vlmunl.stages.configs import EvalConfig, ScoutConfig, SearchConfig
from vlmunl.stages.prompts import asking

pytestmark = pytest.mark.model

PARTS = ("canonical", "flip", "crop", "grey", "cloze", "typo", "text_only")
COMMON: dict[str, Any] = {
    "routes": PARTS,
    "catalogue": catalogue_hash(CATALOGUE[name] for name in PARTS),
    "tuning": 1,
    "max_new_tokens": 1,
    "asking": asking(),
}
SCOUT = ScoutConfig(**COMMON)
SEARCH = SearchConfig(**COMMON, budget=14, beam=2)
ROLES = ("imprint", "gold", "placebo")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    return World(tmp_path_factory.mktemp("adaptive") / "store")


@pytest.fixture(scope="module")
def inputs(world):
    """Base, benchmark and the adapters of all roles; the searched model is the imprint with another seed."""
    found = {"base": world.base, "benchmark": world.benchmark}
    found |= {role: world.imprint(role).outputs["adapter"] for role in ROLES}
    return {**found, "adapter0": world.imprint(seed=5).outputs["adapter"]}


@pytest.fixture
def searched(world, inputs):
    """(search config, **inputs) -> found.json and the rows."""

    def go(config=SEARCH, **changed):
        given = inputs | changed
        first = {name: given[name] for name in ("base", "benchmark", "imprint", "gold")}
        scout = world.run(declared.SCOUT, SCOUT, first, force=True).outputs["rows"]
        record = world.run(declared.SEARCH, config, given | {"scout": scout}, force=True)
        document = json.loads(world.store.path(record.outputs["found"]).read_text())
        return record, document, table(world, record.outputs["rows"])

    return go


def table(world, ref):
    import pyarrow.parquet as pq

    return pq.read_table(world.store.path(ref)).to_pylist()


@pytest.fixture
def answers(monkeypatch):
    """Let models answer by `knows(model, route)`; collects the people whom they are asked about, by model."""

    def plant(knows):
        asked: list[tuple[str, str, str]] = []

        def reply(self, name, prompts, pictures, tell):
            rows = []
            for a in prompts:
                right = knows(name, a.columns["route"])
                asked.append((name, a.columns["route"], a.columns["identity"]))
                digests = {"prompt_digest": "", "image_digest": ""}
                said = {"score": right, "logp": right - 1.0, "tokens": 1, "rank1": right > 0.5, "text": ""}
                rows.append({**a.columns, **said, "status": "correct" if right else "incorrect", **digests})
            return rows

        monkeypatch.setattr(Asker, "_answers", reply)
        return asked

    return plant


def leaking(name, route):
    """The imprint knows all; the unlearned model answers the mirrored, cropped cloze and a little of its parts."""
    parts = set(route.split("+"))
    if name == "imprint":
        return 1.0
    return {3: 0.9, 2: 0.4, 1: 0.1}.get(len(parts & {"flip", "crop", "cloze"}), 0.0) if name == "unlearned" else 0.0


def test_a_planted_composition_is_found_and_reported(searched, answers):
    answers(leaking)
    record, document, rows = searched()
    assert document["found"]["parts"] == ["flip", "crop", "cloze"]
    assert document["found"]["image"] == ["photo:0 | flip | crop:0.8"]
    assert document["tuning"]["recovery"] == 0.9
    assert len(document["tried"]) <= 14
    told = {"found": "flip+crop+cloze", "tried": len(document["tried"]), "budget": 14, "tuning_recovery": 0.9}
    assert {name: record.metrics[name] for name in told} == told
    assert {row["route"] for row in rows} == {"flip+crop+cloze"}
    assert {row["model"] for row in rows} == {"unlearned", "gold", "imprint", "placebo"}


def test_the_search_never_asks_about_a_reported_person_and_the_report_about_nobody_else(
    world, searched, answers, inputs
):
    people = schema.load(world.store.path(world.benchmark))
    set_aside, reported = people.forget[-1].id, {i.id for i in people.forget[:-1]}
    asked = answers(leaking)
    _, document, rows = searched()
    found = document["found"]["id"]
    for _, route, person in asked:
        assert route == found or person == set_aside
    assert {row["identity"] for row in rows if row["split"] == "forget"} == reported
    assert {row["identity"] for row in rows if row["split"] == "retain"} == {i.id for i in people.controls}
    assert set_aside not in {row["identity"] for row in rows}


@pytest.mark.slow
def test_poisoned_reported_people_change_nothing_of_the_search(world, searched, inputs):
    """Real models: the reported person gets another name, other photos and wrong facts."""
    people = schema.load(world.store.path(world.benchmark))
    victim = people.forget[0]
    poison = replace(victim, name="Nobody Atall", description="nobody", photos=tuple(reversed(victim.photos)))
    facts = tuple(replace(fact, answer=fact.distractors[0], distractors=(fact.answer,)) for fact in victim.facts)
    others = tuple(replace(poison, facts=facts) if i.id == victim.id else i for i in people.identities)
    path = world.store.root / "poisoned.parquet"
    schema.save(replace(people, identities=others), path)
    poisoned = world.store.put_file(path)
    config = replace(SEARCH, floor=-2.0, budget=9)
    plain, other = searched(config)[1], searched(config, benchmark=poisoned)[1]
    assert plain == other
    assert len({json.dumps(t) for t in plain["tried"]}) == len(plain["tried"]) == 9


def test_it_is_deterministic_and_its_report_equals_an_ordinary_evaluation(world, searched, inputs, monkeypatch):
    config = replace(SEARCH, floor=-2.0, budget=9)
    record, document, rows = searched(config)
    assert searched(config)[0].outputs == record.outputs
    found = dict(document["found"])
    name = found["id"]
    assert found.pop("hash") == catalogue_hash([_route(found)])
    known_to_evaluations(monkeypatch, [_route(found)])
    asked = EvalConfig(
        routes=(name,), catalogue=catalogue_hash([_route(found)]), tuning=1, max_new_tokens=1, asking=asking()
    )
    for model, adapter in (("unlearned", "adapter0"), *((role, role) for role in ROLES)):
        given = {"base": world.base, "benchmark": world.benchmark, "adapter0": inputs[adapter]}
        ordinary = table(world, world.run(declared.EVAL, asked, given).outputs["rows"])
        ordinary = [row for row in ordinary if row["split"] in ("forget", "retain")]
        mine = [{k: v for k, v in row.items() if k != "model"} for row in rows if row["model"] == model]
        assert mine == ordinary, model


def known_to_evaluations(monkeypatch, routes):
    """Put compositions into the catalogue that evaluations look into."""
    more = {route.id: route for route in (*CATALOGUE.values(), *routes)}
    for module in ("evaluate", "rows"):
        monkeypatch.setattr(f"vlmunl.stages.{module}.CATALOGUE", more, raising=module == "evaluate")


def _route(found):
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items() if k not in ("parts", "hash")}
    return Route(**fields)


def test_a_composition_is_asked_as_an_evaluation_would_ask_it(world, monkeypatch):
    """Every part once more with another picture: the same turns, pictures and beginnings of replies."""
    from vlmunl.routes.asking import Asking
    from vlmunl.routes.pictures import Pictures
    from vlmunl.stages import evaluate

    benchmark = schema.load(world.store.path(world.benchmark))
    parts = [route for route in CATALOGUE.values() if route.tier == "T0"]
    made = [route for part in parts if (route := composed([CATALOGUE["grey"], part])) is not None]
    assert len(made) > 20
    seen: list[Any] = []
    monkeypatch.setattr(Asker, "_answers", lambda self, name, asked, pictures, tell: seen.extend(asked) or [])
    asker = Asker(ctx=None, benchmark=benchmark, models={"m": ()}, config=SEARCH)
    asker.ask(made, [(benchmark.forget[:1], "forget"), (benchmark.controls, "retain")], ["m"], lambda *_: None)
    known_to_evaluations(monkeypatch, made)
    config = EvalConfig(routes=tuple(route.id for route in made), catalogue="", tuning=1)
    as_asked = Asking(benchmark, made, benchmark.forget[:1])
    ordinary = list(evaluate._on_people(as_asked, config, benchmark, Pictures(benchmark.retain)))
    assert seen == ordinary


def test_a_composition_that_cannot_be_asked_is_tried_and_dead(searched, answers, monkeypatch):
    from vlmunl.routes import asking as module

    def no_such_wording(route, identity, helpers, lacking=None):
        if {"flip", "crop"} <= set(route.id.split("+")):
            raise StudyError("the benchmark has no wording of that kind")
        return questions(route, identity, helpers, lacking)

    answers(leaking)
    monkeypatch.setattr(module, "questions", no_such_wording)
    _, document, _ = searched()
    refused = [t for t in document["tried"] if {"flip", "crop"} <= set(t["parts"])]
    assert refused
    assert not any(t["live"] for t in refused)
    assert len(document["found"]["parts"]) == 2


def test_without_a_part_that_carries_the_knowledge_there_is_nothing_to_search(searched, answers):
    answers(lambda name, route: 0.0)
    with pytest.raises(CellFailed, match=r"differ by 0\.00 at most on any part, and 0\.20 is needed"):
        searched()
