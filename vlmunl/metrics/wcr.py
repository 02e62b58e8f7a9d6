"""WCR of one model: plug-in, cross-fit, simultaneous bounds, per-route intervals, item level, retain control."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics.crossfit import (
    FEWEST,
    CrossFit,
    Replicates,
    combine,
    fitted,
    half_splits,
    jackknife_variance,
    replicates,
    seed_part,
)
from vlmunl.metrics.panel import TINY, Flags, Floats, Panel
from vlmunl.metrics.resample import Bootstrap, Draws, bounds, draw, interval, max_t, studentised
from vlmunl.rng import Streams
from vlmunl.stages.configs import Statistics

Side = Literal["forget", "retain"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its two-sided interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Wcr:
    """Worst-case recovery over `routes` routes. `worst` is the index of the route with the largest plug-in value.

    `parts` are the cross-fit's replicates, from which differences between models are made.
    """

    plug_in: float
    cross_fit: CrossFit | None
    parts: Replicates | None
    lower: float
    upper: float
    worst: int
    routes: int


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Per route: estimate and bounds (one- or two-sided: see who makes them), NaN where there is no headroom."""

    estimate: Floats
    low: Floats
    high: Floats


@dataclass
class Resampler:
    """The random draws of one aggregation: shared by rows with the same seeds, those of people by all rows."""

    statistics: Statistics
    people: int
    _draws: dict[tuple[int, ...], Draws] = field(default_factory=dict)
    _splits: Floats | None = None

    @property
    def streams(self) -> Streams:
        """Where the draws come from: the study's statistics seed alone."""
        return Streams(self.statistics.seed).child("bootstrap")

    @property
    def level(self) -> float:
        """The confidence level of every interval and bound."""
        return self.statistics.level

    def draws(self, seeds: tuple[int, ...]) -> Draws:
        """The bootstrap weights for rows with these seeds."""
        if seeds not in self._draws:
            self._draws[seeds] = draw(self.streams, self.statistics.draws, self.people, seeds)
        return self._draws[seeds]

    def splits(self) -> Floats:
        """The half splits of the people."""
        if self._splits is None:
            self._splits = half_splits(self.streams.child("splits"), self.statistics.splits, self.people)
        return self._splits

    def bootstrap(self, panel: Panel, seeds: tuple[int, ...]) -> Bootstrap:
        """Studentised bootstrap of all routes of a panel with these seeds."""
        return studentised(panel, self.draws(seeds))


def live_routes(panel: Panel, seeds: tuple[int, ...], resampler: Resampler) -> tuple[Flags, Routes]:
    """Routes whose headroom has its one-sided lower bound, each route by itself, above the study's floor.

    Not simultaneous on purpose: the bound decides which routes are tried, and a route too many costs some power,
    while a live route left out would hide a leak.
    """
    boot = resampler.bootstrap(panel, seeds)
    low, high = bounds(boot, resampler.level)
    flags: Flags = np.nan_to_num(low, nan=-np.inf) > resampler.statistics.floor
    return flags, Routes(estimate=boot.estimate, low=low, high=high)


def route_intervals(boot: Bootstrap, level: float) -> Routes:
    """Recovery of every route with its own two-sided interval."""
    low, high = interval(boot, level)
    return Routes(estimate=boot.estimate, low=low, high=high)


def worst_case(panel: Panel, boot: Bootstrap, routes: Flags, resampler: Resampler) -> Wcr | None:
    """WCR over the routes that are selected and defined; None if there are none."""
    usable = routes & panel.defined()
    if not usable.any():
        return None
    where = np.flatnonzero(usable)
    values = boot.estimate[where]
    lower, upper = max_t(boot, usable, resampler.level)
    parts = replicates(panel.take(where), resampler.splits())
    return Wcr(
        plug_in=float(values.max()),
        cross_fit=fitted(parts, resampler.level),
        parts=parts,
        lower=lower,
        upper=upper,
        worst=int(where[values.argmax()]),
        routes=len(where),
    )


def ratio(panel: Panel, seeds: tuple[int, ...], resampler: Resampler) -> Estimate | None:
    """Estimate and interval of a panel with a single column; None if it is not defined."""
    if not panel.defined()[0]:
        return None
    boot = resampler.bootstrap(panel, seeds)
    low, high = interval(boot, resampler.level)
    return Estimate(estimate=float(boot.estimate[0]), low=float(low[0]), high=float(high[0]))


def retain_control(panel: Panel, retain: Floats, route: int, level: float) -> Estimate | None:
    """Difference in differences at one route, in units of recovery; jackknife over people of both sides and seeds.

    Args:
        panel: the model's recovery panel on the forget people.
        retain: [seeds, retain people, routes] model minus gold, NaN where not measured.

    Returns:
        (forget difference - retain difference) / headroom, or None if a side has too few measured people.
    """
    num, den, control = panel.num[:, :, route], panel.den[:, :, route], retain[:, :, route]
    control = control[:, np.isfinite(control).all(axis=0)]
    here = np.flatnonzero(((num != 0) | (den != 0)).any(axis=0))
    if min(len(here), control.shape[1]) < FEWEST or den.sum() <= TINY:
        return None
    sides = _Sides(num=num[:, here], den=den[:, here], control=control)
    estimate = sides.value()
    parts = [(jackknife_variance(sides.without(axis, "people")), n - 1) for axis, n in sides.sizes().items()]
    if panel.seeds > 1:
        pairs = sum(jackknife_variance(sides.without(axis, "pairs")) for axis in sides.sizes())
        parts.append(seed_part(jackknife_variance(sides.without("forget", "seeds")), pairs, panel.seeds))
    error, degrees = combine(parts)
    margin = t_quantile((1 + level) / 2, degrees) * error if error else 0.0
    return Estimate(estimate=estimate, low=estimate - margin, high=estimate + margin)


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """Both sides of the retain control: `num` and `den` [seeds, people], `control` [seeds, retain people]."""

    num: Floats
    den: Floats
    control: Floats

    def sizes(self) -> dict[Side, int]:
        return {"forget": self.num.shape[1], "retain": self.control.shape[1]}

    def value(self, forget: Floats | None = None, retain: Floats | None = None) -> float:
        """(mean forget difference - mean retain difference) / mean headroom, with 0/1 weights per seed and person."""
        wf = np.ones_like(self.num) if forget is None else forget
        wr = np.ones_like(self.control) if retain is None else retain
        counted = (wf * ((self.num != 0) | (self.den != 0))).sum()
        headroom = (wf * self.den).sum()
        if headroom <= TINY:
            return 0.0
        return float((wf * self.num).sum() / headroom - (wr * self.control).sum() / wr.sum() * counted / headroom)

    def without(self, side: Side, what: Literal["people", "pairs", "seeds"]) -> Floats:
        """The value without each person of a side, each (seed, person) of it, or each seed (on both sides)."""
        seeds, people = self.num.shape[0], self.sizes()[side]
        values = []
        for one in np.ndindex(seeds if what != "people" else 1, people if what != "seeds" else 1):
            at = (slice(None) if what == "people" else one[0], slice(None) if what == "seeds" else one[1])
            weights = {"forget": np.ones_like(self.num), "retain": np.ones_like(self.control)}
            for name in weights if what == "seeds" else (side,):
                weights[name][at] = 0.0
            values.append(self.value(**weights))
        return np.array(values)
