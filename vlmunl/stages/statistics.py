"""Scores of T2 decodings: what the right answer's likelihood says, with no reply drawn.

Membership statistics mean something only beside those of strangers, so their score is a placement: the share of people
whom no model was ever taught whose statistic, on the same attribute and question, is lower. A model that never knew
a person scores .5 on the mean, and the mean over people is the attack's AUC against strangers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vlmunl.errors import StudyError
from vlmunl.metrics.membership import min_k, min_k_pp, placement, zlib_ratio
from vlmunl.models.score import Scored
from vlmunl.models.scoring.decodings import MEMBERSHIP, Decoding

STRANGERS = "unseen"
"""The split of people whom no model was ever taught."""

Row = dict[str, Any]


def statistic(how: Decoding, scored: Scored, answer: str) -> float:
    """`rank`: 1 if the right answer is likelier per token than all others, else 0. `probability`: exp of its mean
    log-probability. The others in their own units, higher for what was learned, to be placed among strangers.
    """
    assert scored.likelihood is not None, "an answer was given"
    right = scored.likelihood.right
    values = {
        "rank": lambda: float(scored.rank1),
        "probability": lambda: math.exp(scored.logp),
        "loss": lambda: scored.logp,
        "zlib": lambda: zlib_ratio(scored.logp, answer),
        "min_k": lambda: min_k(right.logp, how.percent),
        "min_k_pp": lambda: min_k_pp(right.logp, right.mean, right.sd, how.percent),
    }
    return values[how.kind]()


def with_placements(rows: Sequence[Row], decodings: Sequence[Decoding]) -> list[Row]:
    """Membership statistics replaced by their places among strangers, a stranger's own among the others.

    Raises:
        StudyError: there are fewer than two strangers to compare with.
    """
    strangers: dict[tuple[Any, ...], dict[str, float]] = {}
    mine = [how.kind in MEMBERSHIP and row["status"] != "error" for row, how in zip(rows, decodings, strict=True)]
    for row, wanted in zip(rows, mine, strict=True):
        if wanted and row["split"] == STRANGERS:
            strangers.setdefault(_question(row), {})[row["identity"]] = row["score"]
    return [_placed(row, strangers.get(_question(row), {})) if w else row for row, w in zip(rows, mine, strict=True)]


def _question(row: Row) -> tuple[Any, ...]:
    return row["route"], row["variant"], row["attribute"]


def _placed(row: Row, strangers: dict[str, float]) -> Row:
    if len(strangers) < 2:
        raise StudyError(
            f"route {row['route']} compares with people whom no model was ever taught, and the benchmark has"
            f" {len(strangers)} who are asked about {row['attribute']}",
            f'leave the route out: [routes] exclude = ["{row["route"]}"]',
        )
    others = [value for person, value in strangers.items() if person != row["identity"]]
    score = placement(row["score"], others)
    return row | {"score": score, "status": "correct" if score > 0.5 else "incorrect"}
