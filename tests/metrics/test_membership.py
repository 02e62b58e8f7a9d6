"""Membership statistics by hand, and PrivLeak against published figures."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmunl.metrics.membership import auc, min_k, min_k_pp, placement, priv_leak, zlib_ratio

SAMPLES = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


def test_the_lowest_tokens_count() -> None:
    logp = [-1.0, -5.0, -0.5, -3.0, -0.1]
    assert min_k(logp, 20) == -5.0
    assert min_k(logp, 40) == pytest.approx(-4.0)
    assert min_k(logp, 59) == pytest.approx(-4.0)  # two whole tokens
    assert min_k(logp, 100) == pytest.approx(sum(logp) / 5)
    assert min_k([-2.0], 20) == -2.0  # at least one


def test_standardised_over_the_vocabulary() -> None:
    """p = (1/2, 1/4, 1/4) in bits: mean -1.5, sd .5; the likely token is +1, an unlikely one -1."""
    assert min_k_pp([-1.0, -2.0], [-1.5, -1.5], [0.5, 0.5], 50) == pytest.approx(-1.0)
    assert min_k_pp([-1.0, -2.0], [-1.5, -1.5], [0.5, 0.5], 100) == pytest.approx(0.0)
    assert min_k_pp([-3.0], [-3.0], [0.0], 20) == 0.0  # a flat distribution says nothing


def test_zlib_ratio_is_per_compressed_byte() -> None:
    assert zlib_ratio(-4.0, "Lima") == pytest.approx(-4.0 / len(zlib.compress(b"Lima")))
    assert zlib_ratio(-4.0, "x" * 500) > zlib_ratio(-4.0, "x") * 2


def test_placement_by_hand() -> None:
    assert placement(2.0, [1.0, 2.0, 3.0, 2.0]) == pytest.approx((1 + 0.5 + 0.5) / 4)
    with pytest.raises(ValueError, match="among"):
        placement(1.0, [])


@given(SAMPLES, SAMPLES)
def test_mean_placement_is_the_auc(members: list[int], strangers: list[int]) -> None:
    wins = sum((a > b) + 0.5 * (a == b) for a in members for b in strangers) / (len(members) * len(strangers))
    assert auc(members, strangers) == pytest.approx(wins)
    assert auc(strangers, members) == pytest.approx(1 - wins)


RETAINED = 0.3801500  # the AUC behind 23.97, which the retained model has against .5


@pytest.mark.parametrize(
    ("name", "unlearned", "retained", "published"),
    [
        ("8B, nothing unlearned", 1.000, RETAINED, -99.94),
        ("1B, nothing unlearned", 0.997, 0.383, -99.46),
        ("8B GradDiff", 0.029, RETAINED, 56.7),
        ("8B SimNPO", 0.151, RETAINED, 36.9),
        ("8B UNDIAL", 0.819, RETAINED, -70.8),
        ("8B retained, against chance", RETAINED, 0.5, 23.97),
    ],
)
def test_priv_leak_gives_the_published_figures(name: str, unlearned: float, retained: float, published: float) -> None:
    """Within what rounding the published AUCs to three decimals can move it."""
    moved = max(abs(priv_leak(unlearned + e, retained) - priv_leak(unlearned, retained)) for e in (-5e-4, 5e-4))
    assert priv_leak(unlearned, retained) == pytest.approx(published, abs=moved + 0.05), name


def test_priv_leak_has_a_sign_and_a_zero() -> None:
    assert priv_leak(0.4, 0.4) == 0
    assert priv_leak(1.0, 0.4) == pytest.approx(-100)
    assert priv_leak(0.0, 0.5) == pytest.approx(100)
    with pytest.raises(ValueError, match="no scale"):
        priv_leak(0.5, 1.0)
