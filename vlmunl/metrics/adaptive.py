"""What the adaptive attacker recovers: the route found on other people, measured on those who are reported.

The people and the answers that chose the route feed none of these figures, so each is the recovery of one fixed route
per seed, with the ordinary cluster bootstrap over people and seeds: there is no maximum to correct for. The placebo is
put to the same routes, and its figure should cover 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vlmunl.metrics.build import SeedCubes, headroom_panel, recovery_panel, retain_differences
from vlmunl.metrics.panel import Floats, Panel
from vlmunl.metrics.rows import Axes, Rows, cube
from vlmunl.metrics.wcr import Estimate, ratio, retain_control

if TYPE_CHECKING:
    from vlmunl.metrics.frame import Frame
    from vlmunl.metrics.row import Row

Json = dict[str, Any]
_NOTHING: Json = {"estimate": None, "low": None, "high": None}
_TOLD = ("budget", "tried", "tuning_recovery")


def adaptive(frame: Frame, row: Row) -> Json:
    """`{"adaptive": ...}` for a method of a study with an attacker, None where no search is verified; else nothing."""
    if row.spec.kind != "method" or not any(cell.startswith("search/") for cell in frame.evidence.cells):
        return {}
    seeds = tuple(seed for seed in row.seeds if search_cell(row.spec.name, seed) in frame.tables)
    return {"adaptive": _figures(_Found(frame, row.spec.name, seeds)) if seeds else None}


def search_cell(row: str, seed: int) -> str:
    """The cell that searched against a method's model."""
    return f"search/{row}/seed{seed}"


class _Found:
    """The found routes of one method, one for each of these seeds."""

    def __init__(self, frame: Frame, name: str, seeds: tuple[int, ...]) -> None:
        self.frame, self.name, self.seeds = frame, name, seeds
        self.tables = [frame.tables[search_cell(name, seed)] for seed in seeds]
        self.routes = [_only(rows, "route") for rows in self.tables]
        self.formats = [_only(rows, "format") for rows in self.tables]

    def cubes(self, model: str, split: str, axes: Axes) -> list[Floats]:
        """Per seed [people, items, 1] what a model answers by the route found there."""
        return [
            cube(rows, replace(axes, routes=(route,)), rows.where(split=split, model=model))
            for rows, route in zip(self.tables, self.routes, strict=True)
        ]

    def panel(self, model: str) -> Panel:
        """Recovery of a model, or for the imprint its headroom on the route itself; one column."""
        cubes = {name: self.cubes(name, "forget", self.frame.forget) for name in {model, "gold", "imprint"}}
        parts = []
        for i, seed in enumerate(self.seeds):
            scale = SeedCubes(gold=cubes["gold"][i], imprint=cubes["imprint"][i], gate=self.frame.seeds[seed].gate)
            formats = (self.formats[i],)
            if model == "imprint":
                parts.append(headroom_panel([scale], formats))
            else:
                parts.append(recovery_panel([cubes[model][i]], [scale], formats))
        return _stacked(parts)

    def retain(self) -> Floats:
        """[seeds, retained people, 1] unlearned minus gold."""
        sides = [self.cubes(name, "retain", self.frame.retain) for name in ("unlearned", "gold")]
        return retain_differences(*sides)


def _stacked(parts: Sequence[Panel]) -> Panel:
    num, den = (np.concatenate([getattr(part, name) for part in parts]) for name in ("num", "den"))
    return Panel(num=num, den=den, grain=np.max([part.grain for part in parts], axis=0))


def _figures(found: _Found) -> Json:
    frame, resampler = found.frame, found.frame.resampler

    def measured(model: str) -> Json:
        return _plain(ratio(found.panel(model), found.seeds, resampler))

    control = retain_control(found.panel("unlearned"), found.retain(), 0, resampler.level)
    told = [frame.evidence.told(search_cell(found.name, seed)) for seed in found.seeds]
    routes = [
        {"seed": seed, "route": route, "format": form, **{name: said.get(name) for name in _TOLD[1:]}}
        for seed, route, form, said in zip(found.seeds, found.routes, found.formats, told, strict=True)
    ]
    return {
        **measured("unlearned"),
        "placebo": measured("placebo"),
        "headroom": measured("imprint"),
        "retain_did": _plain(control),
        "routes": routes,
        "budget": told[0].get("budget"),
    }


def _plain(found: Estimate | None) -> Json:
    return dict(_NOTHING) if found is None else asdict(found)


def _only(rows: Rows, column: str) -> str:
    """The one text that a column of a search's report holds."""
    return rows.labels[column].names[0]
