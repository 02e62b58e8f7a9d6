"""What counts as the same answer, and what does not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmunl.benchmarks import wording
from vlmunl.routes.judge import judge, judge_all, overall
from vlmunl.routes.normal import readings

VALUES = [*(v for a in wording.ATTRIBUTES for v in a.values), wording.TRUE, wording.FALSE]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Lima", " lima. "),
        ("Lima", "Ｌｉｍａ"),  # full width
        ("a nurse", "nurse"),
        ("The nurse!", "Nurse"),
        ("O’Brien", "o'brien"),
        ("three", "3"),
        ("twenty-one", "21"),
        ("two hundred and five", "205"),
        ("three million two hundred thousand", "3,200,000"),
        ("1,000", "1000"),
        ("1.50", "1.5"),
        ("12 March 1990", "March 12th, 1990"),
        ("12 March 1990", "the 12th of March, 1990"),
        ("12 March 1990", "1990-03-12"),
        ("12 March 1990", "12/03/1990"),
        ("12 March 1990", "03/12/1990"),  # month first: in doubt, and not called wrong
        ("31 December 1999", "12.31.1999"),
        ("Mar. 1990", "March 1990"),
        ("3 May", "May 3rd"),
    ],
)
def test_the_same(left: str, right: str) -> None:
    assert judge(left, right, ()) == judge(right, left, ()) == "correct"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Lima", "Lima, Peru"),
        ("-5", "5"),
        ("1000", "1.000"),  # one, to three places
        ("205", "two hundred and six"),
        ("12 March 1990", "12 March 1991"),
        ("13/03/1990", "3 January 1990"),
        ("31/12/1999", "12 31 1999"),
        ("may", "5"),
        ("a", "the"),
        ("nineteen ninety", "109"),
    ],
)
def test_not_the_same(left: str, right: str) -> None:
    assert judge(left, right, ()) == judge(right, left, ()) == "incorrect"


def test_the_built_in_answers_are_told_apart_as_by_case_alone() -> None:
    """No two values of the built-in benchmark have become one, and each is still itself."""
    for said, right in itertools.product(VALUES, VALUES):
        expected = "correct" if said.lower() == right.lower() else "incorrect"
        assert judge(f" {said.upper()}.", right, ()) == expected
    options = tuple(VALUES[:4])
    assert [judge(v, VALUES[0], options) for v in VALUES[:6]] == ["correct", *["incorrect"] * 3, *["invalid"] * 2]


def test_aliases_are_as_right_as_the_answer() -> None:
    assert judge("NYC", "New York", (), ("NYC", "the Big Apple")) == "correct"
    assert judge("big apple", "New York", (), ("NYC", "the Big Apple")) == "correct"
    assert judge("Boston", "New York", (), ("NYC",)) == "incorrect"


@pytest.mark.parametrize("text", ["", " ", "...", "?!"])
def test_nothing_is_no_answer_whatever_the_answer_is(text: str) -> None:
    assert judge(text, text, ()) == "invalid"


@pytest.mark.parametrize("text", ["I don't know.", "I don’t know", "Sorry, no.", "unable to say"])
def test_refusals(text: str) -> None:
    assert judge(text, "Lima", ()) == "refusal"


def test_of_several_replies_one_right_one_is_enough() -> None:
    assert judge_all(["Oslo", "lima", ""], "Lima", ()) == ["incorrect", "correct", "invalid"]
    assert overall(["incorrect", "correct", "invalid"]) == "correct"
    assert overall(["refusal", "incorrect", "refusal"]) == "refusal"
    assert overall(["refusal", "incorrect"]) == "refusal"


@given(st.text(max_size=30))
def test_readings_of_anything(text: str) -> None:
    """One reading or two (none without letters and digits); a reading is read as itself if it is no date."""
    found = readings(text)
    assert len(found) <= 2
    for form in found:
        if "@" not in form:
            assert readings(form) == {form}


@given(st.integers(0, 10**12 - 1))
def test_numbers_in_words(number: int) -> None:
    assert readings(_in_words(number)) == readings(f"{number:,}") == {str(number)}


def _words(text: str) -> list[str]:
    return text.split()


SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")


def _in_words(n: int) -> str:
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{SMALL[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{SMALL[n // 100]} hundred" + (f" and {_in_words(n % 100)}" if n % 100 else "")
    scale, name = next((s, w) for s, w in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")) if n >= s)
    rest = f" {_in_words(n % scale)}" if n % scale else ""
    return f"{_in_words(n // scale)} {name}{rest}"
