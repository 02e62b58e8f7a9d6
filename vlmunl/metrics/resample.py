"""Paired cluster bootstrap of ratios, studentised: intervals for one route, bounds for all routes at once.

People are the clusters. Every model and route sees the same draws, and the seeds, when there are several, are an outer
level crossed with the people, for they are the same people under each seed (Owen 2007, "The pigeonhole bootstrap").
Of K seeds K - 1 are drawn, with weight K / (K - 1), which makes the variance unbiased at such small K (Rao & Wu 1988).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlmunl.metrics.panel import TINY, Flags, Floats, Indices, Panel
from vlmunl.rng import Streams


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Resampling weights: `people` [draws, people], and `seeds` [draws, seeds]."""

    people: Floats
    seeds: Floats

    @cached_property
    def groups(self) -> tuple[tuple[Floats, Indices], ...]:
        """Each distinct seed weighting and the draws that have it."""
        patterns, which = np.unique(self.seeds, axis=0, return_inverse=True)
        return tuple((pattern, np.flatnonzero(which.ravel() == i)) for i, pattern in enumerate(patterns))


def draw(streams: Streams, count: int, people: int, seeds: tuple[int, ...]) -> Draws:
    """`count` draws. People's weights depend on `people` alone, so that models with other seeds stay paired."""
    outer: Floats = np.ones((count, 1))
    if (k := len(seeds)) > 1:
        stream = streams.child("seeds", *map(str, seeds)).numpy()
        outer = stream.multinomial(k - 1, np.full(k, 1 / k), size=count).astype(np.float64) * (k / (k - 1))
    inner = streams.child("people").numpy().multinomial(people, np.full(people, 1 / people), size=count)
    return Draws(people=inner.astype(np.float64), seeds=outer)


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Estimates [routes], standard errors [routes], and studentised deviations of the draws [draws, routes]."""

    estimate: Floats
    error: Floats
    deviations: Floats


def studentised(panel: Panel, draws: Draws) -> Bootstrap:
    """Bootstrap all routes of a panel, numerator and denominator inside each draw.

    The standard error is the linearised one of a ratio over people, in the sample as in every draw, and never
    below `grain`; variation over seeds shows in the deviations. Routes without headroom give NaN.
    """
    num, den = panel.total()
    estimate, error = _ratio(np.ones((1, panel.people)), num, den, panel.grain)
    deviations = np.empty((draws.people.shape[0], num.shape[1]))
    for weights, rows in draws.groups:
        again = _ratio(draws.people[rows], *panel.collapse(weights), panel.grain)
        deviations[rows] = (again[0] - estimate) / again[1]
    bad = ~panel.defined()
    estimate[:, bad], error[:, bad], deviations[:, bad] = np.nan, np.nan, np.nan
    return Bootstrap(estimate=estimate[0], error=error[0], deviations=deviations)


def _ratio(weights: Floats, num: Floats, den: Floats, grain: Floats) -> tuple[Floats, Floats]:
    """Weighted ratio and its standard error, each [draws, routes]."""
    n = np.maximum(((num != 0) | (den != 0)).sum(axis=0), 2)
    below = np.maximum(
        weights @ den, TINY + 0.05 * np.abs(den.sum(axis=0))
    )  # a draw that hits no headroom stays finite
    ratio = (weights @ num) / below
    squares = weights @ num**2 - 2 * ratio * (weights @ (num * den)) + ratio**2 * (weights @ den**2)
    variance = np.maximum(squares, 0.0) * (n / (n - 1))
    return ratio, np.sqrt(np.maximum(variance, grain**2)) / below


def interval(boot: Bootstrap, level: float) -> tuple[Floats, Floats]:
    """Two-sided symmetric bootstrap-t interval of each route, by itself (Hall 1988): its cover errs least."""
    margin = np.quantile(np.abs(boot.deviations), level, axis=0, method="inverted_cdf") * boot.error
    return boot.estimate - margin, boot.estimate + margin


def bounds(boot: Bootstrap, level: float) -> tuple[Floats, Floats]:
    """One-sided lower and one-sided upper bound of each route, by itself, each at `level`."""
    return _minus(boot, level), _minus(boot, 1 - level)


def _minus(boot: Bootstrap, p: float) -> Floats:
    quantile = np.quantile(boot.deviations, p, axis=0, method="inverted_cdf")
    out: Floats = boot.estimate - quantile * boot.error
    return out


def max_t(boot: Bootstrap, routes: Flags, level: float) -> tuple[float, float]:
    """Simultaneous one-sided bounds of the largest estimate among `routes`: (lower, upper), each at `level`.

    Lower: with probability `level` every route lies above its own bound, hence the largest above the largest bound.
    Upper: the same from the other side.

    Raises:
        ValueError: `routes` selects nothing.
    """
    if not routes.any():
        raise ValueError("no route to take the maximum over")
    deviations, estimate, error = (
        boot.deviations[:, routes],
        boot.estimate[routes],
        boot.error[routes],
    )
    high = np.quantile(deviations.max(axis=1), level, method="inverted_cdf")
    low = np.quantile(deviations.min(axis=1), 1 - level, method="inverted_cdf")
    return float(np.max(estimate - high * error)), float(np.max(estimate - low * error))
