"""The estimators against known answers, against scipy, and against a small simulation."""

from __future__ import annotations

import time

import numpy as np
import pytest

from vlmunl.metrics.crossfit import combine, cross_fit, half_splits, jackknife_variance, seed_part
from vlmunl.metrics.panel import Panel
from vlmunl.metrics.resample import bounds, draw, interval, max_t, studentised
from vlmunl.metrics.wcr import Resampler, retain_control, route_intervals, worst_case
from vlmunl.rng import Streams
from vlmunl.stages.configs import Statistics

stats = pytest.importorskip("scipy.stats")
STREAMS = Streams(11)


def noise(rng: np.random.Generator, people: int = 16, routes: int = 30, seeds: int = 1, leak: float = 0.0) -> Panel:
    """Gold and unlearned answer six items each at a rate of .2; route 3 leaks."""
    chance = np.full(routes, 0.2)
    chance[3] += leak
    difference = rng.binomial(6, chance, (seeds, people, routes)) - rng.binomial(6, 0.2, (seeds, people, routes))
    return Panel(num=difference / 6, den=np.full((seeds, people, routes), 0.8), grain=np.full(routes, 1 / 6))


def test_estimate_and_error_are_those_of_a_mean_when_headroom_is_constant():
    panel = noise(np.random.default_rng(0), routes=5)
    boot = studentised(panel, draw(STREAMS, 200, 16, (0,)))
    values = panel.num[0] / 0.8
    np.testing.assert_allclose(boot.estimate, values.mean(axis=0))
    np.testing.assert_allclose(boot.error, stats.sem(values, axis=0))


def test_bootstrap_t_interval_is_near_the_t_interval_for_normal_data():
    rng = np.random.default_rng(1)
    panel = Panel(num=rng.normal(0.3, 0.2, (1, 40, 3)), den=np.ones((1, 40, 3)), grain=np.full(3, 1e-9))
    low, high = interval(studentised(panel, draw(STREAMS, 20000, 40, (0,))), 0.95)
    wanted = stats.t.interval(0.95, 39, panel.num[0].mean(axis=0), stats.sem(panel.num[0], axis=0))
    np.testing.assert_allclose(low, wanted[0], atol=0.008)
    np.testing.assert_allclose(high, wanted[1], atol=0.008)
    one_low, one_high = bounds(studentised(panel, draw(STREAMS, 20000, 40, (0,))), 0.95)
    assert (low < one_low).all()
    assert (one_high < high).all()


def test_interval_of_a_mean_agrees_with_scipys_bootstrap():
    rng = np.random.default_rng(2)
    values = rng.normal(0.2, 0.1, 60)
    panel = Panel(num=values[None, :, None], den=np.ones((1, 60, 1)), grain=np.array([1e-9]))
    low, high = interval(studentised(panel, draw(STREAMS, 10000, 60, (0,))), 0.9)
    theirs = stats.bootstrap((values,), np.mean, confidence_level=0.9, n_resamples=10000, rng=3).confidence_interval
    assert (low[0], high[0]) == (pytest.approx(theirs.low, abs=0.004), pytest.approx(theirs.high, abs=0.004))


def test_max_t_of_one_route_is_its_own_bound_and_more_routes_cost():
    boot = studentised(noise(np.random.default_rng(3), leak=0.4), draw(STREAMS, 2000, 16, (0,)))
    only = np.zeros(30, dtype=bool)
    only[3] = True
    low, high = bounds(boot, 0.95)
    alone, everything = max_t(boot, only, 0.95), max_t(boot, np.ones(30, dtype=bool), 0.95)
    assert alone[0] == pytest.approx(low[3], abs=0.01)
    assert alone[1] == pytest.approx(high[3], abs=0.01)
    assert everything[0] < alone[0]
    assert everything[1] > alone[1]
    with pytest.raises(ValueError, match="no route"):
        max_t(boot, np.zeros(30, dtype=bool), 0.95)


def test_draws_of_people_are_the_same_whatever_the_seeds():
    one, three = draw(STREAMS, 50, 16, (0,)), draw(STREAMS, 50, 16, (0, 1, 2))
    np.testing.assert_array_equal(one.people, three.people)
    np.testing.assert_allclose(three.seeds.sum(axis=1), 3)
    covered = np.sort(np.concatenate([rows for _, rows in three.groups]))
    np.testing.assert_array_equal(covered, np.arange(50))


def test_resampling_k_minus_1_of_k_seeds_has_the_variance_of_the_mean():
    """The sample mean of K values, resampled, varies by s^2 / K: unbiased, at K = 2 as well."""
    for values in (np.array([0.1, 0.5]), np.array([0.1, 0.5, 0.2])):
        k = len(values)
        weights = draw(STREAMS, 40000, 4, tuple(range(k))).seeds
        assert (weights @ values / k).var() == pytest.approx(values.var(ddof=1) / k, rel=0.03)


def test_half_splits_are_halves_and_never_share_a_person():
    splits = half_splits(STREAMS, 300, 17)
    assert set(np.unique(splits)) == {0.0, 1.0}
    np.testing.assert_array_equal(splits.sum(axis=1), 8)
    assert 0.3 < splits.mean(axis=0).min() < splits.mean(axis=0).max() < 0.65


def test_cross_fit_of_one_route_is_its_recovery_with_the_jackknife_of_a_mean():
    panel = noise(np.random.default_rng(4)).take(np.array([0]))
    fit = cross_fit(panel, half_splits(STREAMS, 50, 16), 0.95)
    values = panel.num[0, :, 0] / 0.8
    half = stats.t.ppf(0.975, 15) * stats.sem(values)
    assert fit.estimate == pytest.approx(values.mean(), abs=1e-12)
    # the jackknife drops one of a half of eight, and so sees a little more variance than the mean has
    assert (fit.high - fit.low) / 2 == pytest.approx(half, rel=0.1)


def test_jackknife_pieces():
    values = np.array([0.2, 0.4, 0.9, 0.1])
    without = np.array([np.delete(values, i).mean() for i in range(4)])
    assert jackknife_variance(without) == pytest.approx(stats.sem(values) ** 2)
    assert seed_part(0.3, 0.5, 3) == (0.0, 2)
    assert combine([(0.0, 3)]) == (0.0, 2)
    assert combine([(0.04, 15)]) == (pytest.approx(0.2), 15)
    assert combine([(0.04, 15), (0.04, 1)])[1] == 3
    assert combine([(0.001, 15), (0.04, 1)])[1] == 2


def test_fewer_than_four_people_cannot_be_split():
    panel = noise(np.random.default_rng(5), people=3)
    assert cross_fit(panel, half_splits(STREAMS, 10, 3), 0.95) is None


def test_retain_control_subtracts_what_everybody_lost():
    num = np.full((1, 8, 1), 0.4)
    panel = Panel(num=num, den=np.full((1, 8, 1), 0.8), grain=np.array([1 / 6]))
    same = retain_control(panel, np.full((1, 6, 1), 0.4), 0, 0.95)
    assert same is not None
    assert same.estimate == pytest.approx(0)
    none = retain_control(panel, np.zeros((1, 6, 1)), 0, 0.95)
    assert none is not None
    assert none.estimate == pytest.approx(0.5)
    assert retain_control(panel, np.full((1, 6, 1), np.nan), 0, 0.95) is None


def test_routes_without_headroom_are_null_and_cannot_win():
    panel = noise(np.random.default_rng(6), routes=4)
    den = panel.den.copy()
    den[:, :, 2] = 0
    panel = Panel(num=panel.num, den=den, grain=panel.grain)
    resampler = Resampler(Statistics(draws=200, splits=20), 16)
    boot = resampler.bootstrap(panel, (0,))
    assert np.isnan(route_intervals(boot, 0.95).low[2])
    wcr = worst_case(panel, boot, np.ones(4, dtype=bool), resampler)
    assert wcr is not None
    assert (wcr.routes, wcr.worst == 2) == (3, False)
    assert worst_case(panel, boot, np.array([False, False, True, False]), resampler) is None


def test_noise_rarely_recovers_and_cross_fit_is_less_biased_than_plug_in():
    rng, draws, splits = np.random.default_rng(7), draw(STREAMS, 400, 16, (0,)), half_splits(STREAMS, 40, 16)
    found = []
    for _ in range(200):
        panel = noise(rng)
        boot = studentised(panel, draws)
        fit = cross_fit(panel, splits, 0.95)
        assert fit is not None
        lower, upper = max_t(boot, np.ones(30, dtype=bool), 0.95)
        found.append((boot.estimate.max(), fit.estimate, lower > 0, fit.low <= 0 <= fit.high, upper >= 0))
    plug_in, crossed, recovers, covers, holds = np.array(found, dtype=float).mean(axis=0)
    assert plug_in > 0.12
    assert abs(crossed) < 0.02
    assert recovers <= 0.08
    assert covers >= 0.92
    assert holds == 1


def test_a_leak_is_found_with_power_and_covered():
    rng, draws, splits = np.random.default_rng(8), draw(STREAMS, 400, 16, (0,)), half_splits(STREAMS, 40, 16)
    found = []
    for _ in range(60):
        panel = noise(rng, leak=0.5)
        lower, upper = max_t(studentised(panel, draws), np.ones(30, dtype=bool), 0.95)
        fit = cross_fit(panel, splits, 0.95)
        assert fit is not None
        found.append((lower > 0, lower <= 0.625, upper >= 0.625, fit.low <= 0.625 <= fit.high))
    assert (np.array(found, dtype=float).mean(axis=0) >= [0.95, 0.93, 0.93, 0.85]).all()


def test_twelve_rows_of_forty_routes_take_seconds():
    rng, resampler = np.random.default_rng(9), Resampler(Statistics(), 48)
    started = time.perf_counter()
    for _ in range(12):
        panel = noise(rng, people=48, routes=40)
        boot = resampler.bootstrap(panel, (0,))
        route_intervals(boot, 0.95)
        for some in (np.ones(40, dtype=bool), np.arange(40) < 8):
            worst_case(panel, boot, some, resampler)
    assert time.perf_counter() - started < 10  # half a second on one idle core
