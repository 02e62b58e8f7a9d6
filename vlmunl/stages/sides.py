"""Who is asked: the people whose figures are reported, or those that hyper-parameters are chosen on. Never both.

A study that tunes sets aside the last `tuning` of its people to forget, as many retained people who are no controls,
and every fourth general item. What a trial is chosen by is measured on these alone, and what is reported on the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmunl.errors import StudyError
from vlmunl.stages.configs import Side

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark, General, Identity

TUNING = "tuning"
"""Rows on people to forget that serve selection have this split, so that no reported figure ever counts them."""
EVERY = 4


@dataclass(frozen=True, kw_only=True)
class People:
    """One side: people to forget, retained controls and strangers. `split` is that of the rows on the first."""

    split: str
    forget: tuple[Identity, ...]
    controls: tuple[Identity, ...]
    unseen: tuple[Identity, ...]


def people(benchmark: Benchmark, tuning: int, side: Side = "report") -> People:
    """The people of a side, `tuning` of those to forget being set aside.

    Raises:
        StudyError: there are too few people to forget, or to keep, for two sides.
    """
    controls = benchmark.controls
    if tuning and (tuning >= len(benchmark.forget) or len(controls) + tuning > len(benchmark.retain)):
        sizes = f"{len(benchmark.forget)} people to forget and {len(benchmark.retain)} to keep"
        raise StudyError(f"{tuning} people cannot be set aside for tuning: there are {sizes}", "set [tuning] people")
    border = len(benchmark.forget) - tuning
    if side == "report":
        return People(split="forget", forget=benchmark.forget[:border], controls=controls, unseen=benchmark.unseen)
    others = benchmark.retain[len(controls) : len(controls) + tuning]
    return People(split=TUNING, forget=benchmark.forget[border:], controls=others, unseen=())


def general(benchmark: Benchmark, tuning: int, side: Side = "report") -> Iterator[tuple[int, General]]:
    """The general items of a side, each with its number in its group, which is the same on both sides."""
    numbers: dict[str, int] = {}
    for item in benchmark.general:
        number = numbers[item.group] = numbers.get(item.group, -1) + 1
        if not tuning or (number % EVERY == EVERY - 1) is (side == "tuning"):
            yield number, item
