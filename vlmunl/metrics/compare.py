"""Differences of WCR between models: paired, with Holm's correction (1979) over all pairs.

What is compared is the cross-fit maximum, each model's over its own routes: the two choose routes freely and share
people, seeds and half splits. The jackknife leaves the same person (or seed) out of both, so what they have in common
cancels. A bootstrap of the largest plug-in value would not do: its draws are too high by an amount that depends
on how many routes are near the top (docs/wcr.md), and these amounts do not cancel between models.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from vlmunl.manifests.gate import t_cdf, t_quantile
from vlmunl.metrics.crossfit import Replicates, replicates
from vlmunl.metrics.frame import Frame
from vlmunl.metrics.panel import TINY, Panel
from vlmunl.metrics.row import Scored

Json = dict[str, Any]
REFERENCE = "placebo"
SIGNIFICANCE = 0.05


def comparisons(frame: Frame, scored: Mapping[str, Scored], methods: list[str]) -> Json:
    """method -> other -> difference, for every pair of methods, and of each method from the placebo.

    The two kinds are families of their own for Holm's correction. A pair without a common seed is left out.
    """
    sources = _Sources(frame, scored)
    families = [list(combinations(methods, 2)), [(name, REFERENCE) for name in methods]]
    out: Json = {}
    for pairs in families:
        found = {pair: part for pair in pairs if (part := sources.difference(*pair)) is not None}
        for (pair, part), p in zip(found.items(), holm([part["p"] for part in found.values()]), strict=True):
            out.setdefault(pair[0], {})[pair[1]] = part | {"p_holm": p}
    return out


def holm(values: list[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order."""
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        highest = max(highest, min(1.0, values[i] * (len(values) - rank)))
        adjusted[i] = highest
    return adjusted


def difference(a: Replicates, b: Replicates, level: float, *, same: bool = False) -> Json:
    """a minus b with interval and two-sided p-value; `same`: the two models answered everything alike."""
    apart = a.minus(b)
    error, degrees = apart.error()
    error = 0.0 if same else max(error, apart.grain)
    margin = t_quantile((1 + level) / 2, degrees) * error if error > TINY else 0.0
    p = 2 * (1 - t_cdf(abs(apart.estimate) / error, degrees)) if error > TINY else 1.0
    ends = {"low": apart.estimate - margin, "high": apart.estimate + margin}
    return {"estimate": apart.estimate, **ends, "p": min(1.0, max(0.0, p))}


def best(rows: list[Json], compared: Json) -> Json:
    """The assessable method with the least cross-fit WCR, and those that cannot be told apart from it.

    `alike` are assessable methods whose difference has a Holm-adjusted p-value of at least 5 %, `apart` counts the
    others. `method` is None if no method is assessable.
    """
    passing = [
        row
        for row in rows
        if row["kind"] == "method"
        and row["verdict"] != "pending"
        and not row["verdict"].startswith("not assessable")
        and row["wcr"]
        and row["wcr"]["cross_fit"]
    ]
    if not passing:
        return {"method": None, "alike": [], "apart": 0}
    first = min(passing, key=lambda row: row["wcr"]["cross_fit"]["estimate"])["name"]
    parts = {row["name"]: pair(compared, row["name"], first) for row in passing}
    known = {name: part["p_holm"] for name, part in parts.items() if part is not None}
    alike = [name for name, value in known.items() if value >= SIGNIFICANCE]
    return {"method": first, "alike": alike, "apart": len(known) - len(alike)}


def pair(compared: Json, first: str, second: str | None) -> Json | None:
    """`first` minus `second`, whichever way round it was computed; None if it was not."""
    if second is None:
        return None
    if second in compared.get(first, {}):
        part: Json = compared[first][second]
        return part
    part = compared.get(second, {}).get(first)
    if part is None:
        return None
    return part | {"estimate": -part["estimate"], "low": -part["high"], "high": -part["low"]}


class _Sources:
    """Replicates of each row at any of its seeds, made once."""

    def __init__(self, frame: Frame, scored: Mapping[str, Scored]) -> None:
        self.frame = frame
        self.scored = {name: part for name, part in scored.items() if part.block is not None}
        self._made: dict[tuple[str, tuple[int, ...]], tuple[Panel, Replicates | None]] = {}

    def difference(self, first: str, second: str) -> Json | None:
        if not {first, second} <= set(self.scored):
            return None
        seeds = [part.seeds for name in (first, second) if (part := self.scored[name].block) is not None]
        common = tuple(seed for seed in seeds[0] if seed in seeds[1])
        if not common:
            return None
        (mine, a), (theirs, b) = (self._of(name, common) for name in (first, second))
        if a is None or b is None:
            return None
        same = np.array_equal(mine.num, theirs.num) and np.array_equal(mine.den, theirs.den)
        return difference(a, b, self.frame.resampler.level, same=same) | {"n_seeds": len(common)}

    def _of(self, name: str, seeds: tuple[int, ...]) -> tuple[Panel, Replicates | None]:
        if (name, seeds) not in self._made:
            self._made[name, seeds] = self._make(name, seeds)
        return self._made[name, seeds]

    def _make(self, name: str, seeds: tuple[int, ...]) -> tuple[Panel, Replicates | None]:
        part, wcr = self.scored[name].block, self.scored[name].wcr
        assert part is not None, "rows without a block have no differences"
        if part.seeds == seeds:
            return part.panel, wcr.parts if wcr else None
        panel = part.panel.at([part.seeds.index(seed) for seed in seeds])
        usable = self.frame.eligible[part.tier.routes] & panel.defined()
        some = usable.any()
        return panel, replicates(panel.take(np.flatnonzero(usable)), self.frame.resampler.splits()) if some else None
