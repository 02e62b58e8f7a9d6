"""Overlap of a reply with the right answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple


class Overlap(NamedTuple):
    """Precision is over the reply's words, recall over the answer's, both in [0, 1]."""

    precision: float
    recall: float
    f1: float


def words(text: str) -> list[str]:
    """Runs of letters and digits in any script, in lower case; no stemming."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


def rouge_l(reply: str, answer: str) -> Overlap:
    """ROUGE-L (Lin, 2004): the longest common subsequence of words; all 0 if either text has no word.

    TOFU reports the recall (arXiv 2401.06121), MUSE the F1 (arXiv 2407.06460).
    """
    mine, right = words(reply), words(answer)
    common = _longest_common(mine, right)
    if not common:
        return Overlap(0.0, 0.0, 0.0)
    precision, recall = common / len(mine), common / len(right)
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall))


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0
        for j, other in enumerate(right, start=1):
            diagonal, best[j] = best[j], diagonal + 1 if word == other else max(best[j], best[j - 1])
    return best[-1]
