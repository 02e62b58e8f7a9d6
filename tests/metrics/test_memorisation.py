"""Likelihood metrics by hand; the test of two distributions against scipy and against counting all orders."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from vlmunl.metrics.memorisation import (
    exact_memorisation,
    extraction_strength,
    forget_quality,
    ks_distance,
    ks_p_value,
    truth_ratio,
    truth_ratio_forget,
    truth_ratio_retain,
)


@pytest.mark.parametrize(
    ("top", "strength", "exact"),
    [
        ([1, 1, 1, 1], 1, 1),
        ([0, 1, 1, 1], 3 / 4, 3 / 4),
        ([1, 0, 0, 1], 1 / 4, 1 / 2),
        ([1, 1, 1, 0], 0, 3 / 4),  # not 1/4, which is what one right token gets
        ([0, 0, 0, 0], 0, 0),
        ([1], 1, 1),
        ([0], 0, 0),
    ],
)
def test_extraction_strength_and_exact_memorisation(top: list[int], strength: float, exact: float) -> None:
    hits = [bool(t) for t in top]
    assert extraction_strength(hits) == pytest.approx(strength)
    assert exact_memorisation(hits) == pytest.approx(exact)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_strength_is_the_longest_suffix_and_never_more_than_all_hits(hits: list[bool]) -> None:
    suffix = next(k for k in range(len(hits), -1, -1) if all(hits[len(hits) - k :]))
    assert extraction_strength(hits) == pytest.approx(suffix / len(hits))
    assert extraction_strength(hits) <= exact_memorisation(hits) + 1e-12


def test_truth_ratio_by_hand() -> None:
    """Right answer .5 per token; wrong ones .2 and .05, geometric mean .1: R = .2."""
    ratio = truth_ratio(math.log(0.5), [math.log(0.2), math.log(0.05)])
    assert ratio == pytest.approx(0.2)
    assert truth_ratio_forget([0.2, 5.0, 1.0]) == pytest.approx((0.2 + 0.2 + 1) / 3)
    assert truth_ratio_retain([0.2, 5.0, 1.0]) == pytest.approx((0.8 + 0 + 0) / 3)
    assert truth_ratio_forget([0.0]) == 0
    with pytest.raises(ValueError, match="wrong answer"):
        truth_ratio(-1.0, [])


def test_distance_by_hand() -> None:
    assert ks_distance([1, 2, 3], [1, 2, 3]) == 0
    assert ks_distance([1, 2, 3], [4, 5]) == 1
    assert ks_distance([1, 3], [2, 4]) == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (4, 4), (3, 5)])
def test_p_values_are_shares_of_all_orders(n: int, m: int) -> None:
    orders = list(combinations(range(n + m), n))
    distances = [ks_distance(o, [k for k in range(n + m) if k not in o]) for o in orders]
    for d in set(distances):
        assert ks_p_value(d, n, m) == pytest.approx(sum(x >= d - 1e-9 for x in distances) / len(orders))


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 3.0])
def test_forget_quality_is_the_exact_test_of_scipy(shift: float) -> None:
    rng = np.random.default_rng(int(10 * shift))
    left, right = rng.normal(size=60).tolist(), rng.normal(shift, size=45).tolist()
    exact = scipy.stats.ks_2samp(left, right, method="exact")
    assert ks_distance(left, right) == pytest.approx(exact.statistic)
    assert forget_quality(left, right) == pytest.approx(exact.pvalue, rel=1e-9)


def test_tiny_p_values_are_kept() -> None:
    """Two samples of 400 with nothing in common: 2 of all orders, the figure of models that lost everything."""
    orders = math.comb(800, 400)
    assert forget_quality(range(400), range(400, 800)) == pytest.approx(2 / orders, rel=1e-9)
    assert 2 / orders == pytest.approx(1.06e-239, rel=0.01)
