"""Recovery person by person: for how many people does the worst route bring back more than chance would?

A person's excess is the largest, over the live routes, of the model's accuracy on the person minus gold's, in units of
the format's headroom. Gold and placebo know nobody, so the 95 % quantile of the same quantity between them is what
luck alone reaches; whoever is above it counts as recovered.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from vlmunl.metrics.block import Block
from vlmunl.metrics.frame import Frame
from vlmunl.metrics.panel import Flags, Floats, Panel
from vlmunl.metrics.resample import Draws

Json = dict[str, Any]
QUANTILE = 0.95


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The excess that chance reaches: in the sample, and in every draw."""

    value: float
    draws: Floats


def excess(panel: Panel, routes: Flags) -> Floats:
    """[seeds, people] the largest recovery of each person over these routes; NaN for who does not count."""
    use = routes & panel.defined()
    num, den = panel.num[:, :, use], panel.den[:, :, use]
    counted: Flags = (num != 0) | (den != 0)
    scale = den.sum(axis=(0, 1)) / np.maximum(counted.sum(axis=(0, 1)), 1)
    best = np.where(counted, num / scale, -np.inf).max(axis=2, initial=-np.inf)
    out: Floats = np.where(np.isfinite(best), best, np.nan)
    return out


def threshold(frame: Frame, placebo: Block | None) -> Threshold | None:
    """The 95 % quantile of the placebo's excess over gold, never below 0; None without a placebo."""
    if placebo is None:
        return None
    values = excess(placebo.panel, frame.eligible[placebo.tier.routes])
    if not np.isfinite(values).any():
        return None
    draws = _weights(frame.resampler.draws(placebo.seeds), values)
    return Threshold(value=float(_quantile(values, np.isfinite(values)[None])[0]), draws=_quantile(values, draws))


def identity_recovery(frame: Frame, found: Block | None, limit: Threshold | None) -> Json | None:
    """Share of people (of all seeds) whose excess is above the threshold, with its interval.

    The interval is that of the draws, the threshold taken anew in each, widened to Wilson's (1927) for as many
    independent people: with all or none of them above, no draw would differ.
    """
    if found is None or limit is None:
        return None
    values = excess(found.panel, frame.eligible[found.tier.routes])
    here = np.isfinite(values)
    if not here.any():
        return None
    share = float((values[here] > limit.value).mean())
    plain = {"estimate": share, "low": share, "high": share, "threshold": limit.value}
    if not found.panel.num.any():  # gold against itself
        return plain
    weights = _weights(frame.resampler.draws(found.seeds), values)
    above = np.nan_to_num(values, nan=-np.inf)[None] > limit.draws[:, None, None]
    drawn = (weights * above).sum(axis=(1, 2)) / np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    level = frame.resampler.level
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    ends = wilson(share, int(here.any(axis=0).sum()), level)
    return plain | {"low": min(float(low), ends[0]), "high": max(float(high), ends[1])}


def wilson(share: float, n: int, level: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float((middle - half) / (1 + z * z / n))), min(1.0, float((middle + half) / (1 + z * z / n)))


def _weights(draws: Draws, values: Floats) -> Floats:
    """[draws, seeds, people] weights of a draw, 0 for who does not count."""
    both: Floats = draws.seeds[:, :, None] * draws.people[:, None, :] * np.isfinite(values)[None]
    return both


def _quantile(values: Floats, weights: Floats) -> Floats:
    """[draws] the smallest value with at least 95 % of the weight at or below it, but not below 0."""
    flat, weight = np.nan_to_num(values.ravel(), nan=-np.inf), weights.reshape(len(weights), -1).astype(np.float64)
    order = flat.argsort(kind="stable")
    below = weight[:, order].cumsum(axis=1)
    place = (below < QUANTILE * below[:, -1:] - 1e-9).sum(axis=1)
    out: Floats = np.maximum(flat[order][np.minimum(place, len(flat) - 1)], 0.0)
    return out
