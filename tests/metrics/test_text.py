"""ROUGE-L by hand, and what must hold of it whatever the texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmunl.metrics.text import rouge_l, words

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("reply", "answer", "precision", "recall"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 1, 1),
        ("police killed the gunman", "the gunman was killed by police", 2 / 4, 2 / 6),  # "the gunman"
        ("police kill the gunman", "police killed the gunman", 3 / 4, 3 / 4),  # Lin's example, by words
        ("the gunman kill police", "police killed the gunman", 2 / 4, 2 / 4),
        ("She lives in Lima.", "Lima", 1 / 4, 1),
        ("Lima", "She lives in Lima.", 1, 1 / 4),
        ("Oslo", "Lima", 0, 0),
        ("", "Lima", 0, 0),
        ("...", "...", 0, 0),
    ],
)
def test_by_hand(reply: str, answer: str, precision: float, recall: float) -> None:
    found = rouge_l(reply, answer)
    f1 = 2 * precision * recall / (precision + recall) if precision else 0
    assert found == pytest.approx((precision, recall, f1))


def test_words_are_of_any_script_and_without_punctuation() -> None:
    assert words("Où est-il, à Zürich? ２ 東京_x") == ["où", "est", "il", "à", "zürich", "2", "東京", "x"]


@given(TEXTS, TEXTS)
def test_against_the_definition(left: str, right: str) -> None:
    a, b = left.split(), right.split()

    def longest(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        return 1 + longest(i + 1, j + 1) if a[i] == b[j] else max(longest(i + 1, j), longest(i, j + 1))

    common = longest(0, 0)
    found = rouge_l(left, right)
    assert found.recall == pytest.approx(common / len(b) if b else 0)
    assert found.precision == pytest.approx(common / len(a) if a else 0)
    assert rouge_l(right, left).recall == found.precision
