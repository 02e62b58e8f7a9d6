"""Attack cells in a plan: which there are, what is in their keys, and what is refused before anything runs."""

from __future__ import annotations

import dataclasses

import pytest

from tests.keys import pretend
from vlmunl.attacks.known import ATTACKS
from vlmunl.errors import StudyError
from vlmunl.manifests.checks import attacks_of, cell_names, select
from vlmunl.manifests.known import known
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.route import Route

HEAD = """
[study]
name = "s"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.retrain]
[routes]
tiers = ["T0"]
include = ["quantize_4", "relearn_people", "relearn_people_text", "guided_half"]
"""
ASIDE = HEAD + "\n[tuning]\npeople = 4\n"
SLUGS = ("quantize-4", "relearn_people-20", "guided-0.5")
ROWS = ("imprint", "gold", "placebo", "ga", "retrain")


@pytest.fixture
def study(tmp_path):
    def load(text=ASIDE, *sets, names=None):
        path = tmp_path / "s.toml"
        path.write_text(text)
        return load_study(path, sets, names)

    return load


def planned(given, names=None):
    return plan(given, pretend.BASE, names)


def test_every_row_is_attacked_alike_and_once_for_each_attack(study):
    made = planned(study())
    cells = {cell.name: cell for cell in made.cells if cell.stage.name == "attack"}
    assert set(cells) == {f"attack/{row}/seed{seed}/{slug}" for row in ROWS for seed in (0, 1) for slug in SLUGS}
    assert set(cells) <= set(cell_names(study(), attacks_of(select(study().routes, known()))))
    for slug in SLUGS:
        for seed in (0, 1):
            configs = {cells[f"attack/{row}/seed{seed}/{slug}"].config for row in ROWS}
            assert len(configs) == 1  # equal data, budget and random numbers
            assert configs.pop().seed == seed
    people = cells["attack/ga/seed1/relearn_people-20"]
    assert people.config.routes == ("relearn_people", "relearn_people_text")
    assert (people.config.tuning, people.config.version, people.reported) == (4, 1, True)
    assert people.after_gate == "gate/seed1"
    guided = cells["attack/gold/seed0/guided-0.5"]
    assert guided.inputs["imprint"].cell == "imprint/imprint/seed0"
    assert guided.inputs["adapter0"].cell == "imprint/gold/seed0"
    assert "imprint" not in people.inputs


def test_the_plain_evaluation_asks_no_attack_route(study):
    made = planned(study())
    assert not [r for r in made.by_name["eval/ga/seed0"].config.routes if CATALOGUE[r].attack]
    attacked = {r for cell in made.cells if cell.stage.name == "attack" for r in cell.config.routes}
    assert attacked | set(made.by_name["eval/ga/seed0"].config.routes) == set(made.routes)


def test_attacks_leave_the_keys_of_all_other_cells_as_they_are(study):
    with_attacks, without = (pretend.keys(planned(study(ASIDE, *sets))) for sets in ((), ("routes.include=[]",)))
    shared = set(without) - {"aggregate", "tables"}
    assert {name: with_attacks[name] for name in shared} == {name: without[name] for name in shared}


def test_another_version_of_an_attacks_code_is_another_run_of_exactly_its_cells(study, monkeypatch):
    before = pretend.keys(planned(study()))
    bumped = dataclasses.replace(ATTACKS["relearn_people"], version=7)
    monkeypatch.setitem(ATTACKS._parts, "relearn_people", bumped)
    after = pretend.keys(planned(study()))
    mine = {name for name in before if name.startswith("attack/") and "relearn_people" in name}
    assert len(mine) == len(ROWS) * 2
    assert pretend.changed(before, after) == mine | {"aggregate", "tables"}


def test_an_attacks_key_moves_with_its_seed_and_with_who_is_set_aside(study):
    keys = pretend.keys(planned(study()))
    assert keys["attack/ga/seed0/quantize-4"] != keys["attack/ga/seed1/quantize-4"]
    other = pretend.keys(planned(study(ASIDE, "tuning.people=3")))
    assert keys["attack/ga/seed0/quantize-4"] != other["attack/ga/seed0/quantize-4"]


def test_people_set_aside_without_a_grid_are_only_set_aside(study):
    made = planned(study())
    assert not [c for c in made.cells if c.name.endswith("/tuning") or c.stage.name == "select"]
    assert set(cell_names(study(), attacks_of(select(study().routes, known())))) == {c.name for c in made.evidence}
    assert made.by_name["eval/ga/seed0"].config.tuning == made.by_name["gate/seed0"].config.tuning == 4
    assert made.by_name["aggregate"].config.tuning.families == ()
    assert "unlearn/ga/seed0" in made.by_name


@pytest.mark.parametrize(
    ("text", "sets", "said"),
    [
        (HEAD, (), r"routes: route 'relearn_people' \(attack relearn_people:20\) learns from people.*people = 4"),
        (ASIDE, ("tuning.people=16",), r"tuning\.people: 16 of 16 people"),
        (ASIDE, ("tuning.people=9",), r"tuning\.people: 7 people are left to report"),
        (ASIDE, ("tuning.budget=3",), r"tuning\.budget: has no effect without a grid"),
        (HEAD + "\n[tuning]\n", (), r"tuning: says nothing; set people = 4 aside"),
        (ASIDE, ("evidence.exclude=[{cell='attack/ga/seed0/quantize-5', reason='r'}]",), r"did you mean .*quantize-4"),
    ],
)
def test_what_cannot_be_attacked_is_refused_at_load(study, text, sets, said):
    with pytest.raises(StudyError, match=said):
        study(text, *sets)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("telepathy:1", r"route 'mine': attack 'telepathy' is not known; known: guided, .*"),
        ("quantize:5", r"route 'mine': attack quantize: bits is 5, not 4 or 8; write: quantize:BITS"),
    ],
)
def test_a_plug_ins_route_with_an_unknown_attack_is_refused_by_name(study, attack, said):
    mine = Route(id="mine", family="mine", modality="model", description="d", source="s", tier="T4", attack=attack)
    names = dataclasses.replace(known(), routes={**known().routes, "mine": mine})
    with pytest.raises(StudyError, match=said):
        study(HEAD.replace('"relearn_people", "relearn_people_text", ', '"mine", '), names=names)


def test_an_excluded_attack_cell_is_named_as_such(study):
    given = study(ASIDE, "evidence.exclude=[{cell='attack/ga/seed0/quantize-4', reason='r'}]")
    assert given.evidence.exclude[0].cell in planned(given).by_name
