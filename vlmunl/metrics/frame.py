"""What all rows of the results share: the verified tables, the gates, the seeds that count, the live routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from vlmunl.errors import MissingInput, StudyError
from vlmunl.metrics.build import SeedCubes, headroom_panel
from vlmunl.metrics.evidence import Evidence
from vlmunl.metrics.gated import SeedGate, judge
from vlmunl.metrics.panel import Flags
from vlmunl.metrics.rows import Axes, Rows, axes, cube
from vlmunl.metrics.wcr import Resampler, Routes, live_routes
from vlmunl.stages.configs import AggregateConfig


class RouteInfo(Protocol):
    """What is needed of a catalogue's route."""

    @property
    def id(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What all rows of the results share."""

    config: AggregateConfig
    evidence: Evidence
    routes: tuple[RouteInfo, ...]
    tables: Mapping[str, Rows]
    forget: Axes
    retain: Axes
    unseen: Axes
    gates: Mapping[int, SeedGate]
    seeds: Mapping[int, SeedCubes]
    resampler: Resampler
    live: Flags
    headroom: Routes | None

    @property
    def formats(self) -> tuple[str, ...]:
        """The answer format of each route."""
        return tuple(route.format for route in self.routes)

    @cached_property
    def retain_resampler(self) -> Resampler:
        """Draws of the retained people, for what is measured on them alone."""
        return Resampler(self.config.statistics, len(self.retain.people))

    @property
    def eligible(self) -> Flags:
        """Live routes of the study's tiers."""
        flags: Flags = self.live & np.array([route.tier in self.config.tiers for route in self.routes], dtype=bool)
        return flags

    @property
    def held_out(self) -> Flags:
        """Routes of the families that no method trained on."""
        return np.array([route.family in self.config.held_out for route in self.routes], dtype=bool)

    def cell(self, row: str, seed: int) -> str:
        """The cell that scored a row; the base model has one for all seeds."""
        return "eval/base" if row == "base" else f"eval/{row}/seed{seed}"

    def seeds_of(self, row: str) -> tuple[int, ...]:
        """The verified seeds at which a row was scored."""
        return tuple(s for s in self.seeds if self.cell(row, s) in self.tables)


def check(config: AggregateConfig, evidence: Evidence, tables: Mapping[str, Rows]) -> None:
    """Raise unless manifest, study and rows belong together.

    Raises:
        MissingInput: a verified cell's rows are not given, or lack a route.
        StudyError: manifest and study name different catalogues.
    """
    if evidence.catalogue not in (None, "", config.catalogue):
        raise StudyError(
            f"the run manifest is of route catalogue {evidence.catalogue}, the study of {config.catalogue}",
            "figures from different catalogues are never put into one table",
        )
    evidence.require(tables)
    for name, rows in tables.items():
        if name.startswith("eval/") and evidence.verified(name):
            lost = set(config.routes) - set(rows.labels["route"].present(rows.labels["split"].equal("forget")))
            if lost:
                raise MissingInput(f"{name} has no rows of route {', '.join(sorted(lost)[:4])}")


def build_frame(
    config: AggregateConfig,
    evidence: Evidence,
    routes: tuple[RouteInfo, ...],
    given: Mapping[str, Rows],
) -> Frame:
    """Gates judged, seeds chosen, live routes found; only rows of verified cells are used."""
    tables = {name: rows for name, rows in sorted(given.items()) if evidence.verified(name)}
    ids = tuple(route.id for route in routes)
    forget = axes(list(tables.values()), "forget", ids)
    gates = {
        seed: judge(tables[f"gate/seed{seed}"], forget.people, forget.items, config.gate)
        for seed in evidence.seeds
        if f"gate/seed{seed}" in tables
    }
    cubes: dict[int, SeedCubes] = {}
    for seed, gate in gates.items():
        gold, imprint = (tables.get(f"eval/{role}/seed{seed}") for role in ("gold", "imprint"))
        if gate.verdict.passed and gold is not None and imprint is not None:
            parts = [cube(rows, forget, rows.where(split="forget")) for rows in (gold, imprint)]
            cubes[seed] = SeedCubes(gold=parts[0], imprint=parts[1], gate=gate)
    resampler = Resampler(config.statistics, len(forget.people))
    live, headroom = np.zeros(len(routes), dtype=bool), None
    if cubes:
        panel = headroom_panel(list(cubes.values()), [route.format for route in routes])
        live, headroom = live_routes(panel, tuple(cubes), resampler)
    return Frame(
        config=config,
        evidence=evidence,
        routes=routes,
        tables=tables,
        forget=forget,
        retain=axes(list(tables.values()), "retain", ids),
        unseen=axes(list(tables.values()), "unseen", ids),
        gates=gates,
        seeds=cubes,
        resampler=resampler,
        live=live,
        headroom=headroom,
    )
