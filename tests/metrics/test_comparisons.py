"""Differences between models, people by themselves, and the smallest recovery that could be seen."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from tests.metrics.worlds import ROLES, World
from vlmunl.metrics.compare import difference, holm
from vlmunl.metrics.crossfit import half_splits, replicates
from vlmunl.metrics.identities import excess, wilson
from vlmunl.metrics.panel import Panel
from vlmunl.metrics.power import Answers, least_recovery
from vlmunl.metrics.resample import draw, max_t, studentised
from vlmunl.rng import Streams

STREAMS = Streams(7)
METHODS = ("leaky", "same", "clean")
MODELS = {
    "leaky": lambda route: 0.9 if route == "few_shot" else 0.15,
    "same": lambda route: 0.9 if route == "crop" else 0.15,
    "clean": lambda route: 0.15,
}


def row(document, name):
    return next(r for r in document["rows"] if r["name"] == name)


def panel(rng, leak, *, people=16, routes=8, items=6, gold=None):
    """One seed; the first route leaks by so much."""
    gold = (rng.random((people, items, routes)) < 0.15) if gold is None else gold
    chance = np.full(routes, 0.15) + 0.8 * np.eye(1, routes)[0] * leak
    mine = rng.random((people, items, routes)) < chance
    num = (mine.astype(float) - gold).mean(axis=1)[None]
    return Panel(num=num, den=np.full((1, people, routes), 0.8), grain=np.full(routes, 1 / items)), gold


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_every_pair_is_there_with_the_placebo(aggregate):
    document = aggregate(World(models=MODELS), (*ROLES, *METHODS))
    compared = document["comparisons"]
    pairs = [*combinations(METHODS, 2), *((name, "placebo") for name in METHODS)]
    assert [(a, b) for a in compared for b in compared[a]] == sorted(pairs, key=lambda p: METHODS.index(p[0]))
    fit = {name: row(document, name)["wcr"]["cross_fit"]["estimate"] for name in (*METHODS, "placebo")}
    for a, b in pairs:
        part = compared[a][b]
        assert part["estimate"] == pytest.approx(fit[a] - fit[b], abs=2e-6)
        assert part["low"] <= part["estimate"] <= part["high"]
        assert part["p"] <= part["p_holm"] <= 1
        assert (part["p"] < 0.05) == (part["low"] > 0 or part["high"] < 0)
    assert compared["leaky"]["clean"]["p_holm"] < 0.01
    assert compared["leaky"]["same"]["p_holm"] > 0.05
    assert compared["clean"]["placebo"]["p_holm"] > 0.05
    assert "comparisons" not in aggregate(World(), ROLES)


def test_models_that_answer_alike_do_not_differ(aggregate, monkeypatch):
    real = World.eval_rows
    monkeypatch.setattr(
        World, "eval_rows", lambda self, name, *rest: real(self, {"same": "leaky"}.get(name, name), *rest)
    )
    part = aggregate(World(models=MODELS), (*ROLES, *METHODS))["comparisons"]["leaky"]["same"]
    assert {k: v for k, v in part.items() if k != "n_seeds"} == {
        "estimate": 0, "low": 0, "high": 0, "p": 1, "p_holm": 1,
    }  # fmt: skip


def test_only_common_seeds_are_compared(aggregate):
    missing = {"eval/leaky/seed0": ("pending", ""), "eval/same/seed1": ("pending", "")}
    compared = aggregate(World(models=MODELS, seeds=(0, 1)), (*ROLES, *METHODS), None, missing)["comparisons"]
    assert "same" not in compared["leaky"]
    assert {compared[a][b]["n_seeds"] for a, b in (("leaky", "clean"), ("same", "clean"), ("clean", "placebo"))} == {
        1,
        2,
    }
    assert compared["clean"]["placebo"]["n_seeds"] == 2
    alone = aggregate(World(models=MODELS, seeds=(1,)), (*ROLES, *METHODS))["comparisons"]["leaky"]["clean"]
    # live routes are chosen on all seeds, here the same ones
    assert compared["leaky"]["clean"]["estimate"] == alone["estimate"]


def test_the_p_value_is_that_of_students_t():
    a, gold = panel(np.random.default_rng(0), 0.5)
    b, _ = panel(np.random.default_rng(1), 0.1, gold=gold)
    splits = half_splits(STREAMS, 60, 16)
    parts = [replicates(p, splits) for p in (a, b)]
    found = difference(*parts, 0.95)
    error, degrees = parts[0].minus(parts[1]).error()
    wanted = 2 * stats.t.sf(abs(found["estimate"]) / error, degrees)
    assert found["p"] == pytest.approx(wanted, rel=1e-9)
    assert difference(parts[1], parts[0], 0.95)["estimate"] == -found["estimate"]


@pytest.mark.parametrize("leak", [0.0, 0.3, 0.6])
def test_models_that_leak_alike_are_told_apart_as_often_as_stated(leak):
    rng, splits, hits = np.random.default_rng(round(10 * leak)), half_splits(STREAMS, 40, 24), 0
    for _ in range(150):
        a, gold = panel(rng, leak, people=24)
        b, _ = panel(rng, leak, people=24, gold=gold)
        hits += difference(*(replicates(p, splits) for p in (a, b)), 0.95)["p"] < 0.05
    assert hits / 150 <= 0.09


def test_a_person_counts_by_their_best_route_in_units_of_headroom():
    num = np.array([[[0.4, 0.0], [-0.2, 0.3], [0.0, 0.0]]])
    den = np.array([[[0.8, 0.6], [0.8, 0.6], [0.0, 0.0]]])
    found = excess(Panel(num=num, den=den, grain=np.ones(2)), np.ones(2, dtype=bool))
    assert found[0, :2] == pytest.approx([0.5, 0.5])
    assert np.isnan(found[0, 2])
    only = excess(Panel(num=num, den=den, grain=np.ones(2)), np.array([True, False]))
    assert only[0, :2] == pytest.approx([0.5, -0.25])


def test_wilson_is_the_published_interval():
    for k, n in ((0, 16), (5, 16), (16, 16)):
        ci = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert wilson(k / n, n, 0.95) == pytest.approx((ci.low, ci.high), abs=1e-9)


def test_people_by_themselves(aggregate):
    document = aggregate(World(models=MODELS), (*ROLES, *METHODS))
    shares = {r["name"]: r["identity_wcr"] for r in document["rows"]}
    assert {k: v for k, v in shares["gold"].items() if k != "threshold"} == {"estimate": 0, "low": 0, "high": 0}
    assert shares["imprint"]["estimate"] == 1
    assert shares["leaky"]["estimate"] > 0.7
    assert shares["imprint"]["low"] < 1
    assert shares["placebo"]["estimate"] <= 0.05
    assert shares["clean"]["estimate"] < 0.5
    assert len({part["threshold"] for part in shares.values()}) == 1
    gone = aggregate(World(models=MODELS), (*ROLES, *METHODS), None, {"eval/placebo/seed0": ("pending", "")})
    assert row(gone, "leaky")["identity_wcr"] is None
    assert gone["detectable"] is None
    assert "placebo" not in gone["comparisons"]["leaky"]


def test_more_people_and_more_seeds_see_less(aggregate):
    small, large, twice = (
        aggregate(World(people=n, seeds=s), ROLES)["detectable"] for n, s in ((12, (0,)), (40, (0,)), (40, (0, 1)))
    )
    assert 0 < small["least"] <= small["recovery"] <= small["most"] < 1
    assert twice["recovery"] < large["recovery"] < small["recovery"]
    assert (large["routes"], large["unseen"], large["power"]) == (7, 0, 0.8)


def test_the_smallest_detectable_recovery_is_seen_four_times_in_five():
    """Leak exactly that much on one route, in fresh studies of the same kind."""
    people, items, routes = 32, 6, 10
    rng = np.random.default_rng(5)
    everything = np.ones(routes, dtype=bool)
    draws = draw(STREAMS, 400, people, (0,))

    def answers():
        gold, placebo = (rng.random((2, people, items, routes)) < 0.15).astype(float)
        return placebo, gold, (rng.random((people, items, routes)) < 0.97).astype(float)

    def tested(mine, gold):
        given = Panel(num=(mine - gold).mean(axis=1)[None], den=headroom[None], grain=np.full(routes, 1 / items))
        return studentised(given, draws), given

    headroom = np.full((people, routes), 0.82)
    least, seen = [], 0
    for _ in range(10):
        placebo, gold, imprint = answers()
        boot, given = tested(placebo, gold)
        study = Answers(
            placebo=placebo, gold=gold, imprint=imprint, kept=np.ones(gold.shape, dtype=bool), headroom=headroom
        )
        least.append(np.median(least_recovery([study], boot, given.grain, everything, 0.95)))
    leak = float(np.mean(least))
    for _ in range(150):
        mine, gold, imprint = answers()
        back = rng.random((people, items)) < leak
        mine[:, :, 0] = np.where(back, imprint[:, :, 0], mine[:, :, 0])
        seen += max_t(tested(mine, gold)[0], everything, 0.95)[0] > 0
    assert 0.1 < leak < 0.4
    assert 0.7 <= seen / 150 <= 0.92


def test_equal_inputs_give_equal_bytes(aggregate):
    first, again = (aggregate(World(models=MODELS, seeds=(0, 1)), (*ROLES, *METHODS)) for _ in range(2))
    assert json.dumps(first, sort_keys=True) == json.dumps(again, sort_keys=True)
