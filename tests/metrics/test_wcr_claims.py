"""The claims language accepts what is on its list, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmunl.errors import StudyError
from vlmunl.metrics.claims import parse
from vlmunl.metrics.claims_judge import judge

ROWS: dict[str, Any] = {
    "npo": {
        "wcr": {"lower": 0.2, "upper": 0.6, "worst_route": "crop"},
        "canonical": {"estimate": 0.02, "low": -0.03, "high": 0.07},
        "utility": 0.97,
        "item_wcr": None,
        "routes": {"crop": {"rho": 0.4, "accuracy": 0.5}},
        "seeds": [0],
        "verdict": "recovers",
        "reason": "",
    },
    "idk": {"wcr": None, "utility": None, "seeds": [], "verdict": "pending", "reason": "not run yet", "routes": {}},
    "ga": {"wcr": {"lower": -0.1}, "utility": 0.3, "seeds": [0], "verdict": "not assessable (utility)"},
    "base": {"verdict": "covers 0", "seeds": [0]},
    "placebo": {"verdict": "covers 0", "seeds": [0]},
}


def said(text: str, rows: dict[str, Any] | None = None) -> bool | None:
    return judge(parse(text), ROWS if rows is None else rows).supported


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("npo.wcr.lower > 0", True),
        ("npo.wcr.lower > 0 and npo.canonical.high < 0.1", True),
        ("0 < npo.wcr.lower < npo.wcr.upper <= 1", True),
        ("npo.wcr.upper - npo.wcr.lower >= 0.5", False),
        ("not npo.wcr.lower > 0", False),
        ("(npo.wcr.upper + 0.4) / 2 == 0.5 or npo.utility < 0", True),
        ("-npo.wcr.lower * 2 < 0", True),
        ("npo.routes.crop.rho > 0.3", True),
        ("npo.wcr.lower != 0.2", False),
        ("npo.item_wcr.low > 0", None),
        ("idk.wcr.upper < 0.1", None),
        ("idk.routes.crop.rho < 0.1", None),
        ("idk.wcr.upper < 0.1 and npo.wcr.lower > 0", None),
        ("idk.wcr.upper < 0.1 and npo.wcr.lower > 9", False),
        ("idk.wcr.upper < 0.1 or npo.wcr.lower > 0", True),
        ("not idk.wcr.upper < 0.1", None),
        ("npo.utility / (npo.utility - npo.utility) > 1", None),
        ("ga.wcr.lower < 0", None),
        ("ga.utility < 0.5", True),
    ],
)
def test_meaning(text, answer):
    assert said(text) is answer


@pytest.mark.parametrize(
    "text",
    [
        "", "npo.wcr.lower", "1", "npo", "npo > 0", "True", "npo.wcr.lower > True", "npo.wcr['lower'] > 0",
        "npo.wcr.lower > 'a'", "__import__('os').system('true')", "npo.__class__.x > 0", "npo._x > 0",
        "f(npo.wcr.lower) > 0", "npo.wcr.lower ** 2 > 0", "npo.wcr.lower // 1 > 0", "npo.wcr.lower % 2 > 0",
        "[1][0] > 0", "(lambda: 1)() > 0", "npo.wcr.lower > 0 if 1 else 0", "npo.wcr.lower in npo.wcr",
        "npo.wcr.lower is 1", "x := 3", "npo.a; npo.b", "npo.wcr.lower > 1j", "~npo.wcr.lower > 0",
        "npo.wcr.lower > 0 + (npo.wcr.upper > 0)", "npo.wcr.lower and npo.wcr.upper > 0", "not npo.wcr.lower",
        "f'{npo}' > 0", "npo.wcr.lower > 0\nnpo.wcr.lower > 1", "+npo.wcr.lower > 0",
        "a." * 600 + "b > 0", "(" * 400 + "npo.a > 0" + ")" * 400,
    ],
)  # fmt: skip
def test_everything_else_is_refused(text):
    with pytest.raises(StudyError):
        parse(text)


@given(st.text(max_size=60))
def test_no_text_escapes(text):
    with contextlib.suppress(StudyError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody.wcr.lower > 0", "nobody"),
        ("npo.wcr.lowest > 0", "lowest"),
        ("npo.wcr > 0", "not a number"),
        ("npo.wcr.worst_route > 0", "not a number"),
        ("npo.wcr.lower.x > 0", "no 'x'"),
    ],
)
def test_unknown_figures_are_errors_of_the_study(text, message):
    with pytest.raises(StudyError, match=message):
        said(text)


def test_reasons_say_what_fails():
    assert judge(parse("npo.wcr.upper < 0.1"), ROWS).reason == "npo.wcr.upper = 0.6 is not < 0.1"
    assert judge(parse("idk.wcr.upper < 0.1"), ROWS).reason == "no evidence: idk.wcr.upper is null (idk: not run yet)"
    assert "holds" in judge(parse("not npo.wcr.upper > 0.1"), ROWS).reason


@pytest.mark.parametrize("name", ["base", "placebo"])
def test_controls_decide_over_calibrated_claims_only(name):
    leaking = ROWS | {name: {"verdict": "does not cover 0"}}
    assert said("npo.wcr.lower > 0", leaking) is False
    assert said("npo.utility > 0.5", leaking) is True
    assert said("npo.routes.crop.accuracy > 0.3", leaking) is True
    pending = ROWS | {name: {"verdict": "pending"}}
    assert said("npo.wcr.lower > 0", pending) is None
    assert said("npo.wcr.lower > 9", pending) is False
    assert said("npo.wcr.lower > 0", {k: v for k, v in ROWS.items() if k != name}) is None
