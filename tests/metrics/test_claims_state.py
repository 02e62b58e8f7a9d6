"""Supported, contradicted or undecided, on figures worked out by hand; and claims on differences between methods."""

from __future__ import annotations

import pytest

from vlmunl.metrics.claims import parse
from vlmunl.metrics.claims_judge import judge
from vlmunl.metrics.claims_state import difference, state_of, with_pairs

ROWS = {
    "base": {"verdict": "covers 0", "seeds": [0]},
    "placebo": {"verdict": "covers 0", "seeds": [0], "canonical": {"estimate": 0.0, "low": -0.05, "high": 0.08}},
    "ga": {"verdict": "recovers", "seeds": [0], "wcr": {"lower": 0.1, "upper": 0.4}, "utility": 0.5},
    "npo": {
        "verdict": "recovers",
        "seeds": [0],
        "canonical": {"estimate": 0.02, "low": -0.03, "high": 0.06},
        "wcr": {"lower": 0.6, "upper": 0.9},
        "versus": {"best": {"estimate": 0.4, "low": 0.3, "high": 0.5}},
    },
    "idk": {"verdict": "pending", "seeds": [], "wcr": None},
}
COMPARED = {"npo": {"ga": {"estimate": 0.5, "low": 0.2, "high": 0.8, "p": 0.01, "p_holm": 0.02, "n_seeds": 1}}}


@pytest.mark.parametrize(
    ("when", "state"),
    [
        ("npo.wcr.lower > 0.5", "supported"),
        ("npo.wcr.lower > 0.7", "undecided"),  # the interval holds 0.7
        ("npo.wcr.lower > 0.95", "contradicted"),  # all of it is below
        ("npo.wcr.upper < 0.5", "contradicted"),
        ("npo.wcr.upper < ga.wcr.lower", "contradicted"),  # 0.6..0.9 against 0.1..0.4
        ("ga.wcr.upper < npo.wcr.lower", "supported"),
        ("npo.canonical.low > 0", "undecided"),
        ("npo.canonical.low < 0 and npo.canonical.high > 0", "supported"),
        ("npo.wcr.lower < 0 and npo.wcr.upper > 0", "contradicted"),
        ("npo.wcr.lower > 0.7 and ga.utility > 0.8", "contradicted"),  # one of the two is plainly false
        ("npo.wcr.lower > 0.7 or ga.utility > 0.8", "undecided"),
        ("ga.utility > 0.8", "contradicted"),
        ("not (npo.wcr.lower > 0.5)", "contradicted"),
        ("idk.wcr.lower > 0", "undecided"),
        ("ga.versus.npo.high < 0", "supported"),
        ("npo.versus.ga.high < 0", "contradicted"),
        ("npo.canonical.estimate <= placebo.canonical.high and npo.wcr.lower > 0", "supported"),
    ],
)
def test_states(when: str, state: str) -> None:
    rows = with_pairs(ROWS, COMPARED)
    judged = judge(parse(when), rows)
    assert state_of(when, rows, judged.supported)[0] == state


def test_the_figures_are_told() -> None:
    rows = with_pairs(ROWS, COMPARED)
    _, figures = state_of("ga.versus.npo.high < 0 and idk.wcr.lower > 0", rows, None)
    assert figures == {"ga.versus.npo.high": -0.2, "idk.wcr.lower": None}


def test_a_difference_the_other_way_round() -> None:
    found = difference(COMPARED, "ga", "npo")
    assert found is not None
    assert (found["estimate"], found["low"], found["high"], found["p_holm"]) == (-0.5, -0.8, -0.2, 0.02)
    assert difference(COMPARED, "ga", "idk") is None
    assert with_pairs(ROWS, COMPARED)["npo"]["versus"]["best"]["estimate"] == 0.4
    assert "versus" not in ROWS["ga"]


def test_a_claim_on_a_method_that_is_not_assessable_is_undecided() -> None:
    rows = with_pairs({**ROWS, "npo": {**ROWS["npo"], "verdict": "not assessable (utility)"}}, COMPARED)
    judged = judge(parse("ga.versus.npo.high < 0"), rows)
    assert judged.supported is None
    assert "npo is not assessable" in judged.reason


def test_a_failed_control_leaves_it_open() -> None:
    rows = with_pairs({**ROWS, "placebo": {"verdict": "does not cover 0", "seeds": [0]}}, COMPARED)
    judged = judge(parse("npo.wcr.lower > 0.5"), rows)
    assert judged.supported is False
    assert state_of("npo.wcr.lower > 0.5", rows, judged.supported)[0] == "undecided"
