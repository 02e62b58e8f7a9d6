"""The three named metrics: the published formulas, hand-computed cases, and what must not move them."""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist

import numpy as np
import pytest

from tests.metrics.worlds import ROLES, World, line
from vlmunl.latex import results as latex_results
from vlmunl.metrics.figures import NAMED
from vlmunl.metrics.named import (
    Likelihoods,
    Measured,
    _of_pairs,
    _wins,
    auc,
    forget_efficacy,
    logit_interval,
    mia_resistance,
    named_metrics,
    retain_performance,
)
from vlmunl.metrics.wcr import Resampler
from vlmunl.stages.configs import Statistics

ROWS = (*ROLES, "npo")


def part(*people: tuple[float, ...], tokens: float = 1.0) -> tuple[Likelihoods, ...]:
    """One seed; per person the nats of the right answer to each fact."""
    nll = np.array(people, dtype=np.float64)
    return (Likelihoods(nll=nll, tokens=np.full(nll.shape, tokens)),)


def measured(model: Measured, imprint: Measured, gold: Measured) -> dict:
    resamplers = tuple(Resampler(Statistics(draws=400), len(side[0].nll)) for side in (model.forget, model.retain))
    return named_metrics(model, imprint, gold, (0,), resamplers)


def made(forget: float, retain: float, unseen: float = 2.0, people: int = 6) -> Measured:
    """Everybody alike, but for a little that keeps them from being ties."""
    jitter = [(0.01 * i, -0.01 * i) for i in range(people)]
    parts = [part(*((level + a, level + b) for a, b in jitter)) for level in (forget, retain, unseen)]
    return Measured(forget=parts[0], retain=parts[1], unseen=parts[2])


@pytest.mark.parametrize(("growth", "efficacy"), [(1.0, 0.0), (0.5, 0.0), (1.5, 50.0), (2.0, 100.0), (9.0, 100.0)])
def test_efficacy_is_the_growth_of_perplexity_capped(growth, efficacy):
    assert forget_efficacy(growth) == efficacy


@pytest.mark.parametrize(("growth", "kept"), [(1.0, 100.0), (0.2, 100.0), (2.0, 100 / math.e), (800.0, 0.0)])
def test_retained_falls_exponentially_and_is_capped(growth, kept):
    assert retain_performance(growth) == pytest.approx(kept)


@pytest.mark.parametrize(("area", "resistance"), [(0.5, 100.0), (1.0, 0.0), (0.0, 0.0), (0.75, 50.0), (0.25, 50.0)])
def test_resistance_is_highest_at_chance(area, resistance):
    assert mia_resistance(area) == resistance


def test_auc_counts_ties_half():
    assert auc([3.0, 1.0], [2.0, 1.0]) == (1 + 1 + 0 + 0.5) / 4


def test_perplexity_is_per_token_over_all_answers():
    """Nats 1 + 3 over tokens 1 + 3: exp(1), not the mean of the two answers' perplexities."""
    uneven = (Likelihoods(nll=np.array([[1.0], [3.0]]), tokens=np.array([[1.0], [3.0]])),)
    model = Measured(forget=uneven, retain=uneven, unseen=uneven)
    found = measured(model, model, model)
    assert found["forget_perplexity"]["estimate"] == pytest.approx(math.e)
    assert found["forget_ratio"]["estimate"] == 1.0
    assert found["forget_ratio"]["low"] == found["forget_ratio"]["high"] == 1.0


def test_a_hand_computed_case():
    imprint, gold, model = made(0.5, 0.5), made(2.0, 0.5), made(0.5 + math.log(1.5), 0.5 + math.log(2.0))
    found = measured(model, imprint, gold)
    assert {name: found[name]["estimate"] for name in NAMED[:8]} == pytest.approx(
        {
            "forget_perplexity": 1.5 * math.exp(0.5),
            "forget_ratio": 1.5,
            "forget_gold_ratio": 1.5 * math.exp(0.5 - 2.0),
            "forget_efficacy": 50.0,
            "retain_perplexity": 2.0 * math.exp(0.5),
            "retain_ratio": 2.0,
            "retain_gold_ratio": 2.0,
            "retain_performance": 100 * math.exp(-1.0),
        }
    )
    assert found["mia_auc"]["estimate"] == 1.0  # every answer about a member is likelier than any about a stranger
    assert found["mia_auc_gap"]["estimate"] == pytest.approx(0.5)  # gold's members are as likely as strangers
    assert found["mia_resistance"]["estimate"] == 0.0
    assert found["mia_gold_gap"] == {"estimate": pytest.approx(-100.0), "low": None, "high": None}


def test_gold_is_as_far_from_gold_as_nothing():
    gold = made(2.0, 0.5)
    found = measured(gold, made(0.5, 0.5), gold)
    assert found["mia_auc_gap"] == {"estimate": 0.0, "low": 0.0, "high": 0.0}
    assert found["mia_gold_gap"]["estimate"] == 0.0
    assert found["forget_gold_ratio"]["estimate"] == 1.0


def test_intervals_hold_their_estimates_and_a_certain_attack_is_not_without_error():
    rng = np.random.default_rng(0)

    def noisy(level):
        return part(*(tuple(rng.normal(level, 0.7, 4)) for _ in range(10)))

    models = [Measured(forget=noisy(f), retain=noisy(0.5), unseen=noisy(2.0)) for f in (1.5, 0.4, 2.0)]
    for name, value in measured(*models).items():
        if name.endswith(("efficacy", "performance")):
            assert 0 <= value["low"] <= value["estimate"] <= value["high"] <= 100, name
        elif name != "mia_gold_gap":
            assert value["low"] < value["estimate"] < value["high"], name
    sure = measured(made(0.1, 0.1), made(0.1, 0.1), made(2.0, 0.1))["mia_auc"]
    assert sure["low"] < sure["estimate"] == sure["high"] == 1.0


def test_seeds_are_pooled_and_those_that_differ_widen_the_interval():
    def seeds(*levels):
        rng = np.random.default_rng(0)
        noise = [tuple(rng.normal(0, 0.5, 4)) for _ in range(24)]
        sides = [
            tuple(part(*(tuple(level + x for x in one) for one in some))[0] for level in wanted)
            for wanted, some in ((levels, noise[:12]), ((0.5, 0.5), noise[12:]), ((2.0, 2.0), noise[12:]))
        ]
        return Measured(forget=sides[0], retain=sides[1], unseen=sides[2])

    def found(*levels):
        model = seeds(*levels)
        resamplers = (Resampler(Statistics(draws=400), 12),) * 2
        return named_metrics(model, seeds(0.5, 0.5), model, (0, 1), resamplers)

    same, apart = found(1.5, 1.5), found(1.0, 2.0)
    assert apart["forget_perplexity"]["estimate"] == pytest.approx(same["forget_perplexity"]["estimate"])
    for name in ("forget_perplexity", "mia_auc"):
        widths = [f[name]["high"] - f[name]["low"] for f in (same, apart)]
        assert widths[0] < widths[1], name


def test_overflow_is_a_large_number():
    found = measured(made(5000.0, 0.5), made(0.5, 0.5), made(2.0, 0.5))
    assert math.isfinite(found["forget_perplexity"]["high"])
    assert found["forget_efficacy"]["estimate"] == 100.0


def test_what_was_not_asked_is_null():
    nobody = (Likelihoods(nll=np.zeros((0, 0)), tokens=np.zeros((0, 0))),)
    model = made(0.5, 0.5)
    without = Measured(forget=model.forget, retain=model.retain, unseen=nobody)
    found = measured(without, without, without)
    assert [found[name] for name in NAMED[8:]] == [None] * 4
    assert found["forget_perplexity"] is not None


def test_the_tables_know_the_same_figures():
    assert latex_results.NAMED == NAMED


# ------------------------------------------------------------------------------------- the whole of aggregate


def with_strangers(monkeypatch, more=lambda row, seed: ()):
    """Worlds whose evaluations ask strangers too, and whatever `more` adds."""
    real = World.eval_rows

    def rows(self, row, seed):
        strangers = [
            line("unseen", f"u{i:02d}", f"a{j}", "canonical", 0, self.uniform(row, "unseen", i, j) < 0.2)
            for i, j in itertools.product(range(self.people), range(self.items))
        ]
        return [*real(self, row, seed), *strangers, *more(row, seed)]

    monkeypatch.setattr(World, "eval_rows", rows)


def row(document, name):
    return next(r for r in document["rows"] if r["name"] == name)


def test_the_imprint_is_found_out_and_gold_is_not(aggregate, monkeypatch):
    with_strangers(monkeypatch)
    document = aggregate(World(models={"npo": lambda route: 0.6}), ROWS, {"low": "npo.named.mia_auc.low > 0.5"})
    imprint, gold, npo = (row(document, name)["named"] for name in ("imprint", "gold", "npo"))
    assert imprint["forget_efficacy"] == {"estimate": 0, "low": 0, "high": 0}
    assert imprint["retain_performance"]["estimate"] == 100
    assert imprint["mia_auc"]["low"] > 0.8
    assert gold["mia_auc"]["low"] < 0.5 < gold["mia_auc"]["high"]
    assert gold["mia_auc_gap"] == {"estimate": 0, "low": 0, "high": 0}
    assert gold["mia_auc"]["estimate"] < npo["mia_auc"]["estimate"] < imprint["mia_auc"]["estimate"]
    assert document["n"]["unseen_identities"] == 16
    assert document["claims"][0]["supported"] is True


def test_strangers_move_no_other_figure(aggregate, monkeypatch):
    world = World(models={"npo": lambda route: 0.6})
    before = aggregate(world, ROWS)
    with_strangers(monkeypatch)
    after = aggregate(world, ROWS)
    for document in (before, after):
        document["n"].pop("unseen_identities")
        document.pop("evidence")
        for line_ in document["rows"]:
            for name in NAMED[8:]:
                line_["named"].pop(name)
    assert after == before


@pytest.mark.parametrize("draw", range(3))
def test_rows_of_tuning_people_move_no_figure(aggregate, monkeypatch, draw):
    """Whatever the tuning people answer, and even if their rows stood in a reported evaluation."""
    world = World(models={"npo": lambda route: 0.6})
    rng = random.Random(draw)

    def tuned(row_, seed):
        for i, j, route in itertools.product(range(4), range(world.items), world.route_ids):
            yield line("tuning", f"t{i}", f"a{j}", route, 0, rng.random() < 0.5)

    with_strangers(monkeypatch)
    before = aggregate(world, ROWS)
    with_strangers(monkeypatch, tuned)
    assert aggregate(world, ROWS) == before


@pytest.mark.parametrize(("people", "alike"), [(16, 0.0), (16, 0.7), (48, 0.3)])
@pytest.mark.parametrize("true", [0.8, 0.92, 0.97])
def test_the_interval_of_a_strong_attack_covers_its_truth(people, alike, true):
    """Normal scores, `alike` within a person; 200 studies, so that one of nominal .95 covers above .90."""
    rng = np.random.default_rng(round(1000 * true) + people)
    apart, covered = math.sqrt(2) * NormalDist().inv_cdf(true), 0
    for _ in range(200):
        person, fact = rng.standard_normal((2, people, 1)), rng.standard_normal((2, people, 6))
        scores = math.sqrt(alike) * person + math.sqrt(1 - alike) * fact
        inside, outside = (Likelihoods(nll=-s, tokens=np.ones_like(s)) for s in (scores[0] + apart, scores[1]))
        found = _of_pairs(_wins([inside], [outside]), 0.95, "auc")
        covered += found.low <= true <= found.high
    assert 0.90 <= covered / 200 <= 1.0


def test_the_interval_of_a_share_in_log_odds():
    low, high = logit_interval(0.9, 0.03, 2.0, 0.01)
    odds = [math.log(x / (1 - x)) for x in (low, 0.9, high)]
    assert odds[1] - odds[0] == pytest.approx(odds[2] - odds[1]) == pytest.approx(2 * 0.03 / 0.09)
    assert 0.9 - low > high - 0.9
    assert logit_interval(1.0, 0.01, 2.0, 0.01)[1] == 1.0
    assert 0.9 < logit_interval(1.0, 0.01, 2.0, 0.01)[0] < 1.0
    assert logit_interval(0.0, 0.01, 2.0, 0.01)[0] == 0.0
