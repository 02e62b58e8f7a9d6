"""A bounded run of benchmarks/simulate_wcr.py: the estimates behave as docs/wcr.md says they do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from vlmunl.metrics.crossfit import half_splits
from vlmunl.metrics.resample import draw
from vlmunl.rng import Streams

FILE = Path(__file__).parents[2] / "benchmarks" / "simulate_wcr.py"
REPLICATES = 60


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_wcr", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulate_wcr"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulate_wcr"]


@pytest.fixture(scope="module")
def found(simulate):
    """Leak -> mean of each figure, for 25 people, 5 items, 20 routes, gold at .37, in units of accuracy."""
    streams, means = Streams(11), {}
    splits, draws = half_splits(streams, 50, 25), draw(streams, 400, 25, (0,))
    for case in simulate.plain_cases(20):
        rng = streams.child(case.name).numpy()
        some = [
            simulate.measure(case, simulate.panel(case, 25, 5, rng, simulate.PLAIN), draws, splits)
            for _ in range(REPLICATES)
        ]
        means[float(case.name)] = {name: np.mean([one[name] for one in some]) for name in some[0]}
    return means


def test_the_plug_in_maximum_is_too_high_and_its_percentile_interval_worthless(found):
    assert found[0.0]["plug-in bias"] == pytest.approx(0.095, abs=0.015)
    assert found[0.0]["percentile cover"] <= 0.05
    assert abs(found[0.3]["plug-in bias"]) < 0.02


def test_cross_fit_is_unbiased_without_a_leak_and_never_exaggerates(found):
    assert abs(found[0.0]["cross-fit bias"]) < 0.02
    assert found[0.1]["cross-fit bias"] == pytest.approx(-0.062, abs=0.03)
    assert max(found[leak]["cross-fit bias"] for leak in (0.1, 0.2, 0.3)) < 0.02


def test_the_bounds_hold(found):
    for leak in found:
        assert found[leak]["lower holds"] >= 0.88  # nominal .95, with 60 studies
        assert found[leak]["upper holds"] >= 0.88
        assert found[leak]["cover found"] >= 0.88


def test_power_grows_with_the_leak(found):
    power = [found[leak]["recovers"] for leak in (0.0, 0.1, 0.2, 0.3)]
    assert power == sorted(power)
    assert power[0] <= 0.12
    assert power[1] == pytest.approx(0.19, abs=0.15)
    assert power[2] == pytest.approx(0.8, abs=0.15)
    assert power[3] > 0.9


def test_pairs_prints_one_line_per_case(simulate):
    lines = simulate.pairs((12, 4, 5), 6, Streams(0)).split("\n")
    assert len(lines) == 7
    assert all(line.count("|") == 5 for line in lines)
