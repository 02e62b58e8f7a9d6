"""Tiers beside the headline: each with its own routes, seeds and reasons, and none that moves another."""

from __future__ import annotations

import json
import random

import pytest

from tests.metrics.worlds import ROLES, ROUTES, World
from vlmunl.errors import MissingInput
from vlmunl.metrics.summary import summary

ALL = (*ROUTES, "rank", "prune", "relearn", "diff")
LEAK = {"npo": lambda route: {"few_shot": 0.5, "relearn": 0.9, "diff": 0.95}.get(route, 0.15)}
ROWS = (*ROLES, "npo")
TIERS = ("T0", "T2", "T4", "T5")


def row(document, name):
    return next(r for r in document["rows"] if r["name"] == name)


@pytest.fixture
def study(aggregate):
    def run(missing=None, rows=ROWS, claims=None, **given):
        return aggregate(World(models=LEAK, route_ids=ALL, **given), rows, claims, missing, tiers=TIERS)

    return run


def test_the_headline_is_that_of_a_study_without_further_tiers(aggregate, study):
    alone, more = row(aggregate(World(models=LEAK), ROWS), "npo"), row(study(), "npo")
    assert "tiers" not in alone
    same = [name for name in alone if name not in ("routes", "tiers")]
    assert {name: more[name] for name in same} == {name: alone[name] for name in same}
    assert {name: more["routes"][name] for name in ROUTES} == alone["routes"]


def test_each_tier_has_a_worst_case_of_its_own(study):
    document = study()
    tiers = row(document, "npo")["tiers"]
    assert {name: (part["n_routes"], part["status"], part["seeds"]) for name, part in tiers.items()} == {
        "T2": (1, "verified", [0]),
        "T4": (2, "verified", [0]),
        "T5": (1, "verified", [0]),
    }
    assert tiers["T4"]["worst_route"] == "relearn"
    assert tiers["T4"]["lower"] > 0.5
    assert tiers["T2"]["upper"] < 0.5
    assert [name for name, part in tiers.items() if part["upper_bound"]] == ["T5"]
    assert document["catalogue"]["headline"] == "T0"
    assert document["catalogue"]["by_tier"]["T4"] == {"n_routes": 2, "n_live": 2}
    assert row(document, "placebo")["tiers"]["T4"]["covers_zero"] is True
    base = row(document, "base")["tiers"]
    assert (base["T2"]["status"], base["T4"]["status"]) == ("verified", "pending")
    assert base["T4"]["reason"] == "the base model is not attacked"


def test_gold_against_itself_is_zero_in_every_tier(study):
    zero = {"estimate": 0, "low": 0, "high": 0}
    for part in row(study(), "gold")["tiers"].values():
        assert (part["cross_fit"], part["plug_in"], part["worst_route"]) == (zero, 0, None)


def test_a_model_that_only_further_tiers_break_does_not_recover(aggregate):
    quiet = {"npo": lambda route: 0.97 if route in ("relearn", "diff", "rank") else 0.15}
    npo = row(aggregate(World(models=quiet, route_ids=ALL), ROWS, tiers=TIERS), "npo")
    assert npo["verdict"] == "no recovery shown"
    assert min(npo["tiers"][name]["lower"] for name in ("T2", "T4", "T5")) > 0.5


def test_a_missing_attack_takes_its_tier_away_and_nothing_else(study):
    full = study(seeds=(0, 1))
    gone = {"attack/npo/seed1/relearn-benign": ("failed", "out of memory")}
    document = study(gone, seeds=(0, 1))
    before, after = row(full, "npo"), row(document, "npo")
    keep = [name for name in before if name not in ("tiers", "routes")]
    assert {name: after[name] for name in keep} == {name: before[name] for name in keep}
    assert (after["tiers"]["T2"], after["tiers"]["T5"]) == (before["tiers"]["T2"], before["tiers"]["T5"])
    t4 = after["tiers"]["T4"]
    assert (t4["seeds"], t4["status"], t4["gap"]) == ([0], "verified", None)
    assert t4["reason"] == "attack/npo/seed1/relearn-benign is failed: out of memory"
    assert row(document, "placebo") == row(full, "placebo")
    assert [c["cell"] for c in document["pending"]] == list(gone)

    both = gone | {"attack/npo/seed0/prune-0.1": ("pending", "not run yet")}
    lost = row(study(both, seeds=(0, 1)), "npo")
    assert lost["tiers"]["T4"]["status"] == "pending"
    assert lost["tiers"]["T4"]["reason"] == "attack/npo/seed0/prune-0.1 is pending: not run yet"
    assert lost["tiers"]["T4"]["lower"] is lost["tiers"]["T4"]["cross_fit"] is None
    assert lost["routes"]["relearn"] == dict.fromkeys(("rho", "low", "high", "accuracy"))
    assert lost["verdict"] == before["verdict"]


def test_without_golds_attack_there_is_no_scale_for_anybody(study):
    document = study({"attack/gold/seed0/guided": ("pending", "")})
    assert all(r["tiers"]["T5"]["status"] == "pending" for r in document["rows"])
    assert "attack/gold/seed0/guided is pending" in row(document, "npo")["tiers"]["T5"]["reason"]
    assert next(r for r in document["routes"] if r["id"] == "diff")["live"] is False
    assert next(r for r in document["routes"] if r["id"] == "diff")["headroom"] is None


def test_a_study_of_one_attacked_tier_is_pending_until_it_is_attacked(aggregate):
    world = World(models=LEAK, route_ids=("canonical", "prune", "relearn"))
    document = aggregate(world, ROWS, None, {"attack/npo/seed0/prune-0.1": ("pending", "")}, tiers=("T4",))
    npo = row(document, "npo")
    assert (npo["verdict"], npo["wcr"]) == ("pending", None)
    assert "attack/npo/seed0/prune-0.1 is pending" in npo["reason"]
    assert npo["canonical"]["estimate"] is not None
    whole = row(aggregate(world, ROWS, tiers=("T4",)), "npo")
    assert (whole["verdict"], whole["wcr"]["worst_route"]) == ("recovers", "relearn")
    assert whole["retain_did"]["estimate"] > 0.5


def test_the_order_of_rows_changes_no_byte(study, monkeypatch):
    before = study()
    real = World.eval_rows

    def shuffled(self, name, seed, attack=""):
        rows = real(self, name, seed, attack)
        random.Random(name + attack).shuffle(rows)
        return rows

    monkeypatch.setattr(World, "eval_rows", shuffled)
    after = study()
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)
    assert summary(after) == summary(before)


def test_rows_of_another_cells_routes_are_never_mixed_in(study, monkeypatch):
    """An attacked model that is also asked without need, and an eval cell with rows of an attacked route."""
    before = study()
    real = World.eval_rows

    def more(self, name, seed, attack=""):
        extra = real(self, name, seed, "" if attack else "prune:0.1")
        return [*real(self, name, seed, attack), *(r | {"score": 1.0} for r in extra if r["split"] == "forget")]

    monkeypatch.setattr(World, "eval_rows", more)
    after = study()
    for name in ROWS:
        a, b = row(before, name), row(after, name)
        assert (a["tiers"], a["wcr"], a["routes"]) == (b["tiers"], b["wcr"], b["routes"])


def test_a_dead_route_changes_nothing(aggregate):
    dead = {"imprint": lambda route: 0.15 if route == "prune" else 0.97}
    with_it = aggregate(World(models=LEAK | dead, route_ids=ALL), ROWS, tiers=TIERS)
    without = aggregate(World(models=LEAK, route_ids=(*ROUTES, "rank", "relearn", "diff")), ROWS, tiers=TIERS)
    a, b = (row(d, "npo") for d in (with_it, without))
    assert next(r for r in with_it["routes"] if r["id"] == "prune")["live"] is False
    assert (a["tiers"], a["wcr"], a["identity_wcr"]) == (b["tiers"], b["wcr"], b["identity_wcr"])


def test_claims_name_tiers_and_need_the_placebo_there(study):
    claims = {"weights": "npo.tiers.T4.lower > 0", "none": "npo.tiers.T2.lower > 0"}
    found = {c["name"]: (c["supported"], c["reason"]) for c in study(claims=claims)["claims"]}
    assert found["weights"] == (True, "")
    assert found["none"][0] is False
    gone = study({"attack/placebo/seed0/prune-0.1": ("pending", "")}, claims=claims)["claims"][0]
    assert (gone["supported"], gone["reason"]) == (None, "the condition holds, but placebo has no figures of T4")
    lost = study({"attack/npo/seed0/prune-0.1": ("pending", "")}, claims=claims)["claims"][0]
    assert lost["supported"] is None


def test_an_attack_cell_must_hold_its_routes(study, monkeypatch):
    real = World.eval_rows

    def fewer(self, name, seed, attack=""):
        rows = real(self, name, seed, attack)
        return [r for r in rows if name != "npo" or r["route"] != "relearn"] or rows[:0] or [rows[0] | {"route": "x"}]

    monkeypatch.setattr(World, "eval_rows", fewer)
    with pytest.raises(MissingInput, match="attack/npo/seed0/relearn-benign has no rows of route relearn"):
        study()
