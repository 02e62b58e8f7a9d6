"""Cross-fit maximum: choose the route on half of the people, measure it on the other half, over many half splits.

The plug-in maximum uses the same noise to choose and to measure and so is too high; here the halves share nobody.
What is estimated is the recovery of the route that the procedure finds, which is the maximum once it stands out.

The interval is the delete-one-person jackknife of the whole procedure, selections included, with Student's t. The
bootstrap is not used: a draw repeats people, and its own "truth" is the noisy maximum, so its intervals sit too high.
The jackknife's variance is too large on average, never too small (Efron & Stein 1981), and averaging over many splits
smooths the choice, which the jackknife needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics.panel import TINY, Floats, Panel
from vlmunl.rng import Streams

FEWEST = 4
"""People below which there is nothing to split."""


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


def cross_fit(panel: Panel, splits: Floats, level: float) -> CrossFit | None:
    """The cross-fit maximum over all routes of a panel; None with fewer than four people who count.

    Args:
        splits: as `half_splits` gives them, for the panel's people.
    """
    num, den = panel.total()
    present = np.flatnonzero((den != 0).any(axis=1))
    if len(present) < FEWEST or not panel.defined().any():
        return None
    num, den, splits = num[present], den[present], splits[:, present]
    estimate = _value(splits @ num, splits @ den, num.sum(axis=0), den.sum(axis=0))
    people = _without_each(num, den, splits)
    parts = [(_spread(people), len(people) - 1)]
    if panel.seeds > 1:
        parts.append((_spread(_without_seeds(panel, splits, present)), panel.seeds - 1))
    error, degrees = _combine(parts)
    margin = t_quantile((1 + level) / 2, degrees) * error if error > TINY else 0.0
    return CrossFit(estimate=estimate, low=estimate - margin, high=estimate + margin)


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
    num_a, den_a, num_all, den_all = splits @ num, splits @ den, num.sum(axis=0), den.sum(axis=0)
    values = [
        _value(num_a - splits[:, [e]] * num[e], den_a - splits[:, [e]] * den[e], num_all - num[e], den_all - den[e])
        for e in range(len(num))
    ]
    return np.array(values)


def _without_seeds(panel: Panel, splits: Floats, present: np.ndarray) -> Floats:
    """The estimate without each seed in turn: [seeds]."""
    values = []
    for seed in range(panel.seeds):
        num, den = (part[present] for part in panel.drop_seed(seed).total())
        values.append(_value(splits @ num, splits @ den, num.sum(axis=0), den.sum(axis=0)))
    return np.array(values)


def _spread(values: Floats) -> float:
    """Jackknife variance from leave-one-out estimates."""
    n = len(values)
    return float((n - 1) / n * np.square(values - values.mean()).sum())


def _combine(parts: list[tuple[float, int]]) -> tuple[float, int]:
    """Standard error of a sum of variance parts, and its degrees of freedom (Satterthwaite, rounded down)."""
    variance = sum(v for v, _ in parts)
    if variance <= TINY**2:
        return 0.0, 1
    degrees = variance**2 / sum(v**2 / df for v, df in parts)
    return math.sqrt(variance), max(1, math.floor(degrees + 1e-9))
