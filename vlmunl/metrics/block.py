"""One row on the routes of one tier: its panel, its bootstrap, its worst case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlmunl.metrics.build import columns, kept_items, recovery_panel
from vlmunl.metrics.frame import Frame
from vlmunl.metrics.panel import Flags, Floats, Panel
from vlmunl.metrics.resample import Bootstrap
from vlmunl.metrics.tiers import UPPER_BOUND, Tier
from vlmunl.metrics.verdicts import CONTROLS, COVERS, control_verdict
from vlmunl.metrics.wcr import Routes, Wcr, route_intervals, worst_case

Json = dict[str, Any]
_WCR = ("plug_in", "cross_fit", "lower", "upper", "worst_route", "n_routes", "gap")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A row at the seeds at which it was scored by a whole tier; arrays are over the tier's routes.

    `cubes` are [people, items, routes], one per seed.
    """

    tier: Tier
    seeds: tuple[int, ...]
    cubes: tuple[Floats, ...]
    panel: Panel
    boot: Bootstrap
    scores: Routes

    def worst(self, frame: Frame, routes: Flags) -> Wcr | None:
        """Worst case over some of the catalogue's routes, live and of this tier."""
        return worst_case(self.panel, self.boot, (routes & frame.live)[self.tier.routes], frame.resampler)

    def accuracy(self, frame: Frame) -> Floats:
        """[routes of the tier] accuracy on the gated items."""
        return over_items(frame, self.seeds, self.cubes, [frame.formats[i] for i in self.tier.routes])

    def shown(self, frame: Frame, wcr: Wcr | None) -> Json | None:
        """A worst case as it stands in the results, but for its gap."""
        if wcr is None:
            return None
        fit = wcr.cross_fit
        moved = wcr.plug_in != 0 or wcr.lower != wcr.upper  # gold against itself is 0 on every route: none is worst
        return {
            "plug_in": wcr.plug_in,
            "cross_fit": None if fit is None else asdict(fit),
            "lower": wcr.lower,
            "upper": wcr.upper,
            "worst_route": frame.routes[self.tier.routes[wcr.worst]].id if moved else None,
            "n_routes": wcr.routes,
        }


def block(frame: Frame, row: str, tier: Tier, cubes: Mapping[int, Floats]) -> Block | None:
    """A row on a tier; None at no seed. `cubes` holds the row's scores by all routes, by seed."""
    seeds = frame.seeds_in(row, tier)
    if not seeds:
        return None
    mine = tuple(columns(cubes[seed], tier.routes) for seed in seeds)
    formats = [frame.formats[i] for i in tier.routes]
    panel = recovery_panel(mine, [frame.seeds[s].take(tier.routes) for s in seeds], formats)
    boot = frame.resampler.bootstrap(panel, seeds)
    scores = route_intervals(boot, frame.resampler.level)
    return Block(tier=tier, seeds=seeds, cubes=mine, panel=panel, boot=boot, scores=scores)


def over_items(frame: Frame, seeds: tuple[int, ...], cubes: tuple[Floats, ...], formats: list[str]) -> Floats:
    """[routes] mean over people (of all seeds) of the mean over their gated items; NaN if there are none."""
    total, count = np.zeros(len(formats)), np.zeros(len(formats))
    for seed, values in zip(seeds, cubes, strict=True):
        use = kept_items(frame.seeds[seed].gate, formats, values.shape[:2]) & np.isfinite(values)
        items = use.sum(axis=1)
        means = np.where(use, values, 0.0).sum(axis=1) / np.maximum(items, 1)
        total += means.sum(axis=0)
        count += (items > 0).sum(axis=0)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def tier_figures(frame: Frame, row: str, name: str, found: Block | None, canonical: Json | None) -> Json:
    """The worst case of a row in a further tier: figures, the seeds behind them, and why any are missing.

    For a control, `covers_zero` says whether it reads as zero in this tier.
    """
    reason = frame.why_not(row, frame.tiers[name])
    if found is None:
        return pending_tier(name, reason)
    wcr = found.worst(frame, np.ones(len(frame.routes), dtype=bool))
    part = dict.fromkeys(_WCR) | (found.shown(frame, wcr) or {})
    if wcr and wcr.cross_fit and canonical:
        part["gap"] = wcr.cross_fit.estimate - canonical["estimate"]
    said = {"status": "verified", "reason": reason, "seeds": list(found.seeds), "upper_bound": name == UPPER_BOUND}
    if row in CONTROLS and wcr is not None:
        said["covers_zero"] = control_verdict(wcr).verdict == COVERS
    return part | said


def pending_tier(name: str, reason: str) -> Json:
    """A tier without figures, and why."""
    said = {"status": "pending", "reason": reason, "seeds": [], "upper_bound": name == UPPER_BOUND}
    return dict.fromkeys(_WCR) | said
