"""Cross-fit maximum: choose the route on half of the people, measure it on the other half, over many half splits.

The plug-in maximum uses the same noise to choose and to measure and so is too high; here the halves share nobody.
What is estimated is the recovery of the route that the procedure finds, which is the maximum once it stands out.

The interval is the delete-one-person jackknife of the whole procedure, selections included, with Student's t. Its
variance is too large on average rather than too small (Efron & Stein 1981), and averaging over many splits smooths the
choice, which a jackknife needs. A percentile bootstrap (copies of a person kept in one half) covers a little less at
thousands of times the cost: docs/wcr.md has the figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics.panel import TINY, Flags, Floats, Panel
from vlmunl.rng import Streams

FEWEST = 4
"""People below which there is nothing to split."""

FEWEST_DEGREES = 2


@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """Estimate and interval of the cross-fit maximum."""

    estimate: float
    low: float
    high: float


def half_splits(streams: Streams, count: int, people: int) -> Floats:
    """[splits, people]: 1 for the people of the first half, 0 for those of the second."""
    keys = streams.numpy().random((count, people))
    ranks = keys.argsort(axis=1).argsort(axis=1)
    return (ranks < people // 2).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """The cross-fit maximum and what it is without each person, each seed, and each (seed, person).

    Attributes:
        here: [people] do they count?
        people: [people] the estimate without each; that of all where a person does not count.
        seeds: [seeds] likewise, and `pairs` [seeds, people]; both empty for a single seed.
        grain: what one item of one person can move: the least standard error of a difference.
    """

    estimate: float
    here: Flags
    people: Floats
    seeds: Floats
    pairs: Floats
    grain: float

    def minus(self, other: Replicates) -> Replicates:
        """The difference from another model on the same people and seeds: paired, for both leave out the same."""
        return Replicates(
            estimate=self.estimate - other.estimate,
            here=self.here | other.here,
            people=self.people - other.people,
            seeds=self.seeds - other.seeds,
            pairs=self.pairs - other.pairs,
            grain=max(self.grain, other.grain),
        )

    def error(self) -> tuple[float, int]:
        """Standard error and degrees of freedom; the error of what never moves is 0."""
        parts = [(jackknife_variance(self.people[self.here]), int(self.here.sum()) - 1)]
        if len(self.seeds):
            pairs = jackknife_variance(self.pairs[:, self.here].ravel())
            parts.append(seed_part(jackknife_variance(self.seeds), pairs, len(self.seeds)))
        return combine(parts)


def replicates(panel: Panel, splits: Floats) -> Replicates | None:
    """The cross-fit maximum over all routes of a panel; None with fewer than four people who count.

    Args:
        splits: as `half_splits` gives them, for the panel's people.
    """
    num, den = panel.total()
    here: Flags = ((num != 0) | (den != 0)).any(axis=1)
    present = np.flatnonzero(here)
    if len(present) < FEWEST or not panel.defined().any():
        return None
    num, den, splits = num[present], den[present], splits[:, present]
    estimate = _value(splits @ num, splits @ den, num.sum(axis=0), den.sum(axis=0))
    people, over_seeds, pairs = np.full(panel.people, estimate), np.zeros(0), np.zeros((0, panel.people))
    people[present] = _without_each(num, den, splits)
    if panel.seeds > 1:
        both = panel.num[:, present], panel.den[:, present]
        over_seeds, pairs = _without_seeds(*both, splits), np.full((panel.seeds, panel.people), estimate)
        pairs[:, present] = _without_pairs(*both, splits).reshape(panel.seeds, -1)
    below = den.sum(axis=0)
    grain = float((panel.grain[below > TINY] / below[below > TINY]).min())
    return Replicates(estimate=estimate, here=here, people=people, seeds=over_seeds, pairs=pairs, grain=grain)


def fitted(given: Replicates | None, level: float) -> CrossFit | None:
    """Estimate and interval from replicates."""
    if given is None:
        return None
    error, degrees = given.error()
    margin = t_quantile((1 + level) / 2, degrees) * error if error > TINY else 0.0
    return CrossFit(estimate=given.estimate, low=given.estimate - margin, high=given.estimate + margin)


def cross_fit(panel: Panel, splits: Floats, level: float) -> CrossFit | None:
    """The cross-fit maximum over all routes of a panel, as `replicates` and `fitted` make it."""
    return fitted(replicates(panel, splits), level)


def _value(num_a: Floats, den_a: Floats, num: Floats, den: Floats) -> float:
    """Mean over splits of both ways; `num_a`, `den_a` [splits, routes] are sums over the first half."""
    a, b = _safe(num_a, den_a), _safe(num - num_a, den - den_a)
    rows = np.arange(len(a))
    measured = np.stack([b[rows, a.argmax(axis=1)], a[rows, b.argmax(axis=1)]])
    valid = np.isfinite(measured)
    return float(measured[valid].mean()) if valid.any() else 0.0


def _safe(num: Floats, den: Floats) -> Floats:
    """The ratio, or minus infinity where a half has no headroom on a route: such a route is never chosen."""
    out: Floats = np.full(num.shape, -np.inf)
    np.divide(num, den, out=out, where=den > TINY)
    return out


def _without_each(num: Floats, den: Floats, splits: Floats) -> Floats:
    """The estimate without each person in turn, the splits kept: [people]."""
    num_a, den_a, num_all, den_all = (
        splits @ num,
        splits @ den,
        num.sum(axis=0),
        den.sum(axis=0),
    )
    values = [
        _value(
            num_a - splits[:, [e]] * num[e],
            den_a - splits[:, [e]] * den[e],
            num_all - num[e],
            den_all - den[e],
        )
        for e in range(len(num))
    ]
    return np.array(values)


def _without_seeds(num: Floats, den: Floats, splits: Floats) -> Floats:
    """The estimate without each seed in turn, from [seeds, people, routes]: [seeds]."""
    values = []
    for seed in range(len(num)):
        n, d = np.delete(num, seed, 0).sum(axis=0), np.delete(den, seed, 0).sum(axis=0)
        values.append(_value(splits @ n, splits @ d, n.sum(axis=0), d.sum(axis=0)))
    return np.array(values)


def _without_pairs(num: Floats, den: Floats, splits: Floats) -> Floats:
    """The estimate without each (seed, person) in turn: [seeds * people]."""
    n, d = num.sum(axis=0), den.sum(axis=0)
    num_a, den_a, num_all, den_all = splits @ n, splits @ d, n.sum(axis=0), d.sum(axis=0)
    values = []
    for seed, e in np.ndindex(num.shape[0], num.shape[1]):
        a, b, half = num[seed, e], den[seed, e], splits[:, [e]]
        values.append(_value(num_a - half * a, den_a - half * b, num_all - a, den_all - b))
    return np.array(values)


def seed_part(over_seeds: float, over_pairs: float, seeds: int) -> tuple[float, int]:
    """Variance over seeds beyond what the people within them explain, and its degrees of freedom.

    People and seeds are crossed, so the variance is that over people plus that over seeds less that over pairs, which
    both contain (Cameron, Gelbach & Miller 2011); a negative remainder counts as none.
    """
    return max(0.0, over_seeds - over_pairs), seeds - 1


def jackknife_variance(values: Floats) -> float:
    """Jackknife variance from leave-one-out estimates."""
    n = len(values)
    return float((n - 1) / n * np.square(values - values.mean()).sum())


def combine(parts: list[tuple[float, int]]) -> tuple[float, int]:
    """Standard error of a sum of variance parts, and its degrees of freedom (Satterthwaite, rounded down, at least 2).

    Two seeds that differ have one degree, which makes an interval several times wider and, simulated, covers no better.
    """
    variance = sum(v for v, _ in parts)
    if variance <= TINY**2:
        return 0.0, FEWEST_DEGREES
    degrees = variance**2 / sum(v**2 / df for v, df in parts)
    return math.sqrt(variance), max(FEWEST_DEGREES, math.floor(degrees + 1e-9))
