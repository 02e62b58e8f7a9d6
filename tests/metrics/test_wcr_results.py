"""The whole of `aggregate` on made-up rows with known truth."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.metrics.worlds import ROLES, World
from vlmunl.errors import MissingInput, StudyError
from vlmunl.metrics.summary import summary
from vlmunl.stages.configs import GatePolicy, Statistics

LEAK = {"npo": lambda route: 0.85 if route == "few_shot" else 0.15}
ROWS = (*ROLES, "npo")


def row(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in document["rows"] if r["name"] == name)


def test_gold_against_gold_is_exactly_zero(aggregate):
    gold = row(aggregate(World(), ROLES), "gold")
    zero = {"estimate": 0, "low": 0, "high": 0}
    assert gold["canonical"] == gold["wcr"]["cross_fit"] == gold["item_wcr"] == gold["retain_did"] == zero
    assert [gold["wcr"][k] for k in ("plug_in", "lower", "upper", "gap")] == [0, 0, 0, 0]
    assert gold["wcr"]["worst_route"] is None
    assert gold["verdict"] == "never knew"


def test_a_method_that_does_nothing_scores_exactly_as_the_imprint(aggregate, monkeypatch):
    real = World.eval_rows
    monkeypatch.setattr(
        World, "eval_rows", lambda self, name, seed: real(self, {"noop": "imprint"}.get(name, name), seed)
    )
    document = aggregate(World(), (*ROLES, "noop"))
    noop, imprint = row(document, "noop"), row(document, "imprint")
    told = ("name", "label", "kind", "group", "trials", "verdict", "reason", "versus")
    assert {k: v for k, v in noop.items() if k not in told} == {k: v for k, v in imprint.items() if k not in told}
    assert noop["verdict"] == "recovers"
    assert noop["utility"] == 1


def test_a_planted_leak_is_found_and_named(aggregate):
    document = aggregate(World(models=LEAK), ROWS, {"leak": "npo.canonical.high < 0.4 and npo.wcr.lower > 0"})
    npo = row(document, "npo")
    assert npo["verdict"] == "recovers"
    assert npo["wcr"]["worst_route"] == npo["wcr_held_out"]["worst_route"] == "few_shot"
    assert 0 < npo["wcr"]["lower"] < npo["wcr"]["cross_fit"]["low"]
    assert npo["wcr"]["gap"] > 0.4
    assert npo["retain_did"]["low"] > 0
    assert npo["item_wcr"]["low"] > 0
    assert npo["wcr_held_out"]["n_routes"] == 2
    assert document["claims"][0]["supported"] is True
    assert row(document, "imprint")["verdict"] == "knows"
    assert [row(document, r)["verdict"] for r in ("base", "placebo")] == ["covers 0", "covers 0"]


def test_row_order_and_renaming_in_order_change_no_byte(aggregate, monkeypatch):
    world = World(models=LEAK)
    before = aggregate(world, ROWS)
    real = World.eval_rows

    def shuffled(self, name, seed):
        rows = real(self, name, seed)
        random.Random(name).shuffle(rows)
        return [r | {"identity": f"x-{r['identity']}"} if r["split"] != "general" else r for r in rows]

    real_gate = World.gate_rows
    monkeypatch.setattr(World, "eval_rows", shuffled)
    monkeypatch.setattr(
        World, "gate_rows", lambda self, s: [r | {"identity": f"x-{r['identity']}"} for r in real_gate(self, s)][::-1]
    )
    assert json.dumps(aggregate(world, ROWS)) == json.dumps(before)


def test_any_renaming_of_people_and_items_leaves_every_estimate(aggregate, monkeypatch):
    world = World(models=LEAK)
    before = row(aggregate(world, ROWS), "npo")
    renamed = {f"f{i:02d}": f"f{(i * 7 + 3) % 16:02d}" for i in range(16)} | {f"a{i}": f"a{5 - i}" for i in range(6)}
    for name in ("eval_rows", "gate_rows"):
        real = getattr(World, name)

        def moved(self, *args, real=real):
            rename = lambda text: renamed.get(text, text)  # noqa: E731
            return [r | {k: rename(r[k]) for k in ("identity", "attribute")} for r in real(self, *args)]

        monkeypatch.setattr(World, name, moved)
    after = row(aggregate(world, ROWS), "npo")
    for key in ("plug_in", "worst_route", "n_routes"):
        assert after["wcr"][key] == before["wcr"][key]
    assert {r: v["rho"] for r, v in after["routes"].items()} == {r: v["rho"] for r, v in before["routes"].items()}
    assert after["item_wcr"]["estimate"] == before["item_wcr"]["estimate"]
    assert after["wcr"]["cross_fit"]["estimate"] == pytest.approx(before["wcr"]["cross_fit"]["estimate"], abs=0.05)
    assert after["wcr"]["lower"] == pytest.approx(before["wcr"]["lower"], abs=0.08)


def test_a_constant_guess_rate_cancels(aggregate, monkeypatch):
    """Lift every score by the same affine guess: recovery does not move."""
    world = World(models=LEAK)
    before = row(aggregate(world, ROWS), "npo")
    for name in ("eval_rows", "gate_rows"):
        real = getattr(World, name)

        def lifted(self, *args, real=real):
            rows = real(self, *args)
            return [r if r["route"].startswith("gate_") else r | {"score": 0.25 + 0.75 * r["score"]} for r in rows]

        monkeypatch.setattr(World, name, lifted)
    after = row(aggregate(world, ROWS, statistics=Statistics(draws=1000, splits=60, floor=0.15)), "npo")
    assert after["wcr"]["plug_in"] == pytest.approx(before["wcr"]["plug_in"], abs=2e-6)
    assert after["wcr"]["cross_fit"]["estimate"] == pytest.approx(before["wcr"]["cross_fit"]["estimate"], abs=2e-6)


def test_equal_inputs_give_equal_bytes_and_another_row_moves_no_number(aggregate):
    first, again = aggregate(World(models=LEAK), ROWS), aggregate(World(models=LEAK), ROWS)
    assert json.dumps(first, sort_keys=True) == json.dumps(again, sort_keys=True)
    assert summary(first) == summary(again)
    more = aggregate(World(models=LEAK), (*ROWS, "other"))
    alone = [{k: v for k, v in row(d, "npo").items() if k != "versus"} for d in (first, more)]
    assert alone[0] == alone[1]  # only comparisons know of other rows


def test_a_seed_that_failed_its_gate_enters_no_number(aggregate):
    alone = aggregate(World(models=LEAK, seeds=(0,)), ROWS)
    world = World(models=LEAK, seeds=(0, 1), weak={1: ("open",)})
    document = aggregate(world, ROWS)
    assert document["rows"] == alone["rows"]
    assert document["n"] == alone["n"]
    seed = document["seeds"][1]
    assert seed["status"] == "failed-gate"
    assert "open" in seed["reason"]
    assert seed["gate"]["open"]["verdict"] == "failed"


def test_pending_cells_enter_no_number_and_are_named(aggregate):
    world = World(models=LEAK, seeds=(0, 1))
    missing = {"eval/npo/seed1": ("pending", "not run yet"), "eval/placebo/seed0": ("failed", "out of memory")}
    document = aggregate(world, ROWS, missing=missing)
    assert row(document, "npo")["seeds"] == [0]
    assert row(document, "placebo")["seeds"] == [1]
    assert row(document, "imprint")["seeds"] == [0, 1]
    assert [c["cell"] for c in document["pending"]] == ["eval/placebo/seed0", "eval/npo/seed1"]
    assert document["cells"]["verified"] == 9
    page = summary(document)
    assert "`eval/npo/seed1`: pending: not run yet" in page
    assert "| npo |" in page
    gone = {"eval/npo/seed0": ("failed", "out of memory"), "eval/npo/seed1": ("pending", "")}
    npo = row(aggregate(world, ROWS, missing=gone), "npo")
    assert (npo["n_seeds"], npo["verdict"], npo["wcr"], npo["utility"]) == (0, "pending", None, None)
    assert npo["reason"] == "eval/npo/seed0 is failed: out of memory"


def test_rows_of_an_unverified_cell_are_ignored_even_when_given(aggregate, tmp_path: Path):
    world, missing = World(models=LEAK, seeds=(0, 1)), {f"eval/{r}/seed1": ("pending", "") for r in ROWS if r != "base"}
    document = aggregate(world, ROWS, missing=missing | {"gate/seed1": ("failed-gate", "open D=.11")})
    assert all(r["seeds"] in ([0], []) for r in document["rows"])
    assert document["seeds"][1] == {"seed": 1, "status": "failed-gate", "reason": "open D=.11", "gate": {}}


def test_a_format_that_did_not_pass_has_no_routes_in_the_maximum(aggregate):
    world = World(models={"npo": lambda r: 0.95 if r == "mcq" else 0.15}, weak={0: ("mcq",)})
    document = aggregate(world, ROWS)
    npo = row(document, "npo")
    assert document["seeds"][0]["gate"]["mcq"]["verdict"] == "uninformative"
    assert npo["wcr"]["worst_route"] != "mcq"
    assert npo["routes"]["mcq"]["rho"] is None
    assert next(r for r in document["routes"] if r["id"] == "mcq")["live"] is False


def test_dead_routes_never_win(aggregate):
    """A route on which the imprint itself has no headroom is dead, whatever a method scores there."""
    models = {"npo": lambda r: 0.9 if r == "crop" else 0.15, "imprint": lambda r: 0.2 if r == "crop" else 0.97}
    document = aggregate(World(models=models), ROWS)
    assert next(r for r in document["routes"] if r["id"] == "crop")["live"] is False
    assert row(document, "npo")["wcr"]["worst_route"] != "crop"
    assert row(document, "npo")["routes"]["crop"]["rho"] > 0.5


def test_several_seeds(aggregate):
    document = aggregate(World(models=LEAK, seeds=(0, 1, 2)), ROWS)
    npo = row(document, "npo")
    assert (npo["n_seeds"], document["n"]["seeds"]) == (3, 3)
    assert npo["verdict"] == "recovers"
    assert npo["wcr"]["cross_fit"]["estimate"] == pytest.approx(0.84, abs=0.1)
    single = row(aggregate(World(models=LEAK), ROWS), "npo")
    width = [r["wcr"]["cross_fit"]["high"] - r["wcr"]["cross_fit"]["low"] for r in (npo, single)]
    assert width[0] < 1.3 * width[1]


def test_a_broken_model_is_not_assessable(aggregate):
    world = World(models={"ga": lambda r: 0.0}, general={"ga": 0.3})
    document = aggregate(world, (*ROLES, "ga"), {"robust": "ga.wcr.upper < 0.2"})
    assert row(document, "ga")["verdict"] == "not assessable (utility)"
    assert "below the floor" in row(document, "ga")["reason"]
    assert document["claims"][0]["supported"] is None


def test_refusals_on_retain_are_not_forgetting(aggregate, monkeypatch):
    real = World.eval_rows

    def refuses(self, name, seed):
        rows = real(self, name, seed)
        if name == "idk":
            rows = [r | {"status": "refusal"} if r["split"] == "retain" and i % 2 else r for i, r in enumerate(rows)]
        return rows

    monkeypatch.setattr(World, "eval_rows", refuses)
    idk = row(aggregate(World(), (*ROLES, "idk")), "idk")
    assert idk["verdict"] == "not assessable (refusal)"
    assert idk["refusal_invalid_retain"] == pytest.approx(0.5, abs=0.05)
    assert idk["refusal"] == 0


def test_a_placebo_that_leaks_stops_every_calibrated_claim(aggregate):
    world = World(models=LEAK | {"placebo": lambda r: 0.7 if r == "crop" else 0.15})
    claims = {"leak": "npo.wcr.lower > 0", "useful": "npo.utility > 0.5", "wrong": "npo.wcr.lower > 5"}
    document = aggregate(world, ROWS, claims)
    assert row(document, "placebo")["verdict"] == "does not cover 0"
    said = {c["name"]: (c["supported"], c["reason"]) for c in document["claims"]}
    assert said["leak"][0] is False
    assert "placebo does not cover 0" in said["leak"][1]
    assert said["useful"] == (True, "")
    assert said["wrong"][0] is False
    assert "**Caution: placebo does not cover 0" in summary(document)


def test_error_rows_are_missing_and_not_wrong(aggregate, monkeypatch):
    world = World(models={"npo": lambda r: 0.97})
    real = World.eval_rows

    def broken(self, name, seed):
        rows = real(self, name, seed)
        if name == "npo":
            rows = [r | {"status": "error", "score": 0.0} if i * 7 % 5 == 0 else r for i, r in enumerate(rows)]
        return rows

    monkeypatch.setattr(World, "eval_rows", broken)
    npo = row(aggregate(world, ROWS), "npo")
    assert npo["accuracy"] > 0.9
    assert npo["canonical"]["estimate"] > 0.85


def test_degenerate_studies_give_nulls_with_reasons(aggregate):
    nothing = aggregate(World(models=LEAK, weak={0: ("open",)}), ROWS, {"c": "npo.wcr.lower > 0"})
    assert nothing["n"] == {
        "identities": None,
        "items": None,
        "retain_identities": None,
        "unseen_identities": None,
        "seeds": 0,
    }
    assert all(r["verdict"] == "pending" and r["wcr"] is None for r in nothing["rows"])
    assert (nothing["claims"][0]["supported"], nothing["catalogue"]["n_live"]) == (None, 0)
    assert "No seed is verified" in summary(nothing)

    few = aggregate(World(people=3, items=4), ROWS, gate=GatePolicy(min_identities=2))
    assert row(few, "imprint")["wcr"]["cross_fit"] is None
    assert row(few, "imprint")["wcr"]["plug_in"] == pytest.approx(1, abs=0.4)
    assert row(few, "placebo")["verdict"] == "not assessable"
    assert "too few people" in row(few, "placebo")["reason"]

    dead = aggregate(World(models={"imprint": lambda r: 0.2}), ROWS)
    npo = row(dead, "npo")
    assert (npo["wcr"], npo["wcr_held_out"], npo["item_wcr"]) == (None, None, None)
    assert npo["verdict"] == "not assessable (no live route)"
    assert "no route is live" in npo["reason"]


def test_scores_without_any_spread(aggregate):
    """Everything certain: the imprint always right, gold never, a method exactly like gold or like the imprint."""
    right, wrong = (lambda r: 1.1), (lambda r: -0.1)
    models = {"imprint": right, "gold": wrong, "base": wrong, "placebo": wrong, "npo": wrong, "none": right}
    document = aggregate(World(models=models, draw=3), (*ROLES, "npo", "none"))
    assert row(document, "npo")["wcr"]["cross_fit"] == {"estimate": 0, "low": 0, "high": 0}
    assert row(document, "npo")["verdict"] == "robust"
    assert row(document, "none")["wcr"]["lower"] > 0.8
    assert row(document, "base")["verdict"] == "covers 0"
    text = json.dumps(document, allow_nan=False)
    assert "NaN" not in text


def test_what_does_not_belong_together_is_refused(aggregate, tmp_path):
    with pytest.raises(StudyError, match="catalogue"):
        aggregate(World(), ROLES, catalogue="d" * 32)
    with pytest.raises(StudyError, match="row 'nobody'"):
        aggregate(World(), ROLES, {"c": "nobody.wcr.lower > 0"})
    few = replace(World(), route_ids=("canonical", "crop"))
    with pytest.raises(MissingInput, match="no rows of route cloze, few_shot"):
        aggregate(few, ROLES, routes=World().route_ids)
    paths = World().write(tmp_path, ROLES)
    assert "model" in pq.read_schema(paths["gate/seed0"]).names
