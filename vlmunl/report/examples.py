"""Which answers of a method are shown, by a rule that is stated: the largest differences to gold, and a random draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlmunl.report.answers import Answer, Answers, Item
from vlmunl.report.counting import Counting, counts
from vlmunl.rng import Streams

Why = Literal["largest", "random"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One question at one seed, before and after unlearning, and of the model that never knew."""

    item: Item
    seed: int
    why: Why
    before: Answer | None
    after: Answer
    never: Answer


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The examples of one method on one route, of how many, and the rule in words."""

    method: str
    route: str
    of: int
    rule: str
    examples: tuple[Example, ...]


def choose(
    method: str, route: str, seeds: Sequence[int], answers: Answers, kept: Counting, form: str, number: int
) -> Shown:
    """`number` examples: the first half by difference, the rest at random, each of another person and fact at first.

    Difference: the method's score minus gold's; of equals, that of the log-probabilities of the right answer.
    """
    found = [
        (seed, item, after, never)
        for seed in seeds
        for item, after in answers.by_model.get((method, seed), {}).items()
        if item.route == route and counts(item, seed, form, kept)
        if (never := answers.of("gold", seed, item)) is not None
    ]
    found.sort(key=lambda one: (*_order(one[2], one[3]), one[0], one[1]))
    first = _spread(found, (number + 1) // 2)
    rest = [one for one in found if one not in first]
    stream = Streams(0).child("report", "examples", method)
    drawn = stream.python().sample(rest, min(len(rest), number - len(first)))
    picked: list[tuple[Why, tuple[int, Item, Answer, Answer]]] = [("largest", one) for one in first]
    picked += [("random", one) for one in sorted(drawn, key=lambda one: (one[0], one[1]))]
    return Shown(
        method=method,
        route=route,
        of=len(found),
        rule=_rule(len(first), len(drawn), len(found), "/".join(stream.path)),
        examples=tuple(
            Example(item=item, seed=seed, why=why, before=answers.of("imprint", seed, item), after=after, never=never)
            for why, (seed, item, after, never) in picked
        ),
    )


def _order(after: Answer, never: Answer) -> tuple[float, float]:
    by = (after.logp or 0.0) - (never.logp or 0.0)
    return never.score - after.score, -by if math.isfinite(by) else 0.0


def _spread(found: Sequence[tuple[int, Item, Answer, Answer]], number: int) -> list[tuple[int, Item, Answer, Answer]]:
    """The first `number`, of each person and fact only one."""
    seen: set[tuple[str, str]] = set()
    chosen: list[tuple[int, Item, Answer, Answer]] = []
    for one in found:
        key = one[1].identity, one[1].attribute
        if key not in seen and len(chosen) < number:
            seen.add(key)
            chosen.append(one)
    return chosen


def _rule(largest: int, drawn: int, of: int, stream: str) -> str:
    return (
        f"{largest + drawn} of {of} questions that count on this route: the {largest} with the largest difference to "
        "gold (score, then log-probability of the right answer; one per person and fact), and "
        f"{drawn} drawn at random (stream {stream}, seed 0)."
    )
