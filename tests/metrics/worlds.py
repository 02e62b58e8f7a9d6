"""Made-up gates and evaluations with known truth, as the Parquet files that the stage reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from vlmunl.stages.configs import AggregateConfig, ClaimSpec, GatePolicy, RowSpec, Statistics

ROUTES = ("canonical", "cloze", "mcq", "truefalse", "crop", "text_only", "few_shot")
FORMAT = {"cloze": "cloze", "mcq": "mcq", "truefalse": "truefalse"}
CHANCE = {"open": 0.15, "cloze": 0.15, "mcq": 0.25, "truefalse": 0.5}
ROLES = ("base", "imprint", "gold", "placebo")


@dataclass(frozen=True)
class FakeRoute:
    """As much of a catalogue's route as the statistics need."""

    id: str
    family: str
    format: str
    tier: str = "T0"
    source: str = "made up"
    attack: str = ""


ATTACKS = {"rank": "", "prune": "prune:0.1", "relearn": "relearn:benign", "diff": "guided"}
TIERS = {"rank": "T2", "prune": "T4", "relearn": "T4", "diff": "T5"}


def routes(ids: tuple[str, ...] = ROUTES) -> tuple[FakeRoute, ...]:
    kinds = [(r, r.partition("#")[0]) for r in ids]
    return tuple(
        FakeRoute(r, k, FORMAT.get(k, "open"), TIERS.get(k, "T0"), attack=ATTACKS.get(k, "")) for r, k in kinds
    )


Chance = Callable[[str], float]
"""Route -> probability of a right answer on the forget people."""


@dataclass(frozen=True)
class World:
    """People, facts, routes and seeds; `models` maps row -> chance of a right answer by route."""

    people: int = 16
    items: int = 6
    route_ids: tuple[str, ...] = ROUTES
    seeds: tuple[int, ...] = (0,)
    models: Mapping[str, Chance] = field(default_factory=dict)
    general: Mapping[str, float] = field(default_factory=dict)
    weak: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    draw: int = 0

    def format(self, route: str) -> str:
        return FORMAT.get(route.partition("#")[0], "open")

    def names(self, side: str) -> list[str]:
        return [f"{side}{i:02d}" for i in range(self.people)]

    def guess(self, route: str) -> float:
        return CHANCE[self.format(route)]

    def chance(self, row: str) -> Chance:
        if row in self.models:
            return self.models[row]
        return (lambda route: 0.97) if row == "imprint" else self.guess

    def uniform(self, *key: object) -> float:
        """The same number for the same key, whatever else the world contains."""
        return xxhash.xxh3_64_intdigest(repr((self.draw, *key)).encode()) / 2**64

    def eval_rows(self, row: str, seed: int, attack: str = "") -> list[dict[str, Any]]:
        seed = -1 if row == "base" else seed
        chance, rows = self.chance(row), []
        asked = [r for r in self.route_ids if ATTACKS.get(r.partition("#")[0], "") == attack]
        for person in self.names("f"):
            for item in range(self.items):
                for route in asked:
                    for variant in range(2 if self.format(route) in ("mcq", "truefalse") else 1):
                        key = (row, seed, person, item, route, variant)
                        right = self.uniform(*key) < chance(route)
                        rows.append(line("forget", person, f"a{item}", route, variant, right))
        kept = self.general.get(row, 0.95)
        for person in self.names("r"):
            for item in range(self.items):
                for route in asked:
                    right = self.uniform(row, seed, person, item, route) < kept
                    rows.append(line("retain", person, f"a{item}", route, 0, right))
        for group in ("visual", "context", "neighbour"):
            for i in range(20):
                right = self.uniform(row, seed, group, i) < kept
                rows.append(line("general", f"{group}{i}", group, "canonical", 0, right))
        return rows

    def gate_rows(self, seed: int) -> list[dict[str, Any]]:
        rows = []
        for fmt, guess in CHANCE.items():
            knows = guess if fmt in self.weak.get(seed, ()) else 0.98
            for person in self.names("f"):
                for item in range(self.items):
                    for model, p in (("imprint", knows), ("gold", guess)):
                        for route, count in ((f"gate_{fmt}", 4), (f"canonical_{fmt}", 1)):
                            for v in range(count):
                                right = self.uniform("gate", seed, fmt, person, item, model, route, v) < p
                                rows.append(line("forget", person, f"a{item}", route, v, right) | {"model": model})
        return rows

    def write(
        self, folder: Path, rows: tuple[str, ...], missing: Mapping[str, tuple[str, str]] | None = None
    ) -> dict[str, Path]:
        """Write all files and the manifest; `missing` maps cell -> (status, reason) of cells that are not evidence."""
        missing = missing or {}
        paths, cells = {}, []
        todo: list[tuple[str, Callable[[], list[dict[str, Any]]]]] = [("eval/base", lambda: self.eval_rows("base", 0))]
        for seed in self.seeds:
            todo.append((f"gate/seed{seed}", lambda seed=seed: self.gate_rows(seed)))
            for row in rows:
                if row != "base":
                    todo.append((f"eval/{row}/seed{seed}", lambda row=row, seed=seed: self.eval_rows(row, seed)))
                    for attack in dict.fromkeys(r.attack for r in routes(self.route_ids) if r.attack):
                        cell = f"attack/{row}/seed{seed}/{attack.replace(':', '-')}"
                        make = lambda row=row, seed=seed, attack=attack: self.eval_rows(row, seed, attack)  # noqa: E731
                        todo.append((cell, make))
        for cell, make in todo:
            status, reason = missing.get(cell, ("verified", ""))
            cells.append(
                {"cell": cell, "stage": cell.partition("/")[0], "status": status, "reason": reason, "key": "00"}
            )
            if status == "verified":
                paths[cell] = folder / f"{cell.replace('/', '_')}.parquet"
                pq.write_table(pa.Table.from_pylist(make()), paths[cell])
        manifest = {"schema": 1, "study": "made", "seeds": list(self.seeds), "cells": cells, "catalogue": "c" * 32}
        paths["manifest"] = folder / "run_manifest.json"
        paths["manifest"].write_text(json.dumps(manifest))
        return paths

    def config(self, rows: tuple[str, ...], claims: Mapping[str, str] | None = None, **given: Any) -> AggregateConfig:
        specs = [RowSpec(name=r, label=r, kind="role" if r in ROLES else "method") for r in rows]
        defaults: dict[str, Any] = {
            "study": "made",
            "routes": self.route_ids,
            "catalogue": "c" * 32,
            "held_out": ("text_only", "few_shot"),
            "rows": tuple(specs),
            "gate": GatePolicy(),
            "statistics": Statistics(draws=1000, splits=60),
            "claims": tuple(ClaimSpec(name=n, text=f"It is so: {n}.", when=w) for n, w in (claims or {}).items()),
        }
        return AggregateConfig(**(defaults | given))


def line(split: str, person: str, item: str, route: str, variant: int, right: bool) -> dict[str, Any]:
    return {
        "split": split,
        "identity": person,
        "attribute": item,
        "route": route,
        "variant": variant,
        "format": FORMAT.get(route, "open"),
        "score": float(right),
        "logp": -0.5 if right else -2.5,
        "tokens": 1,
        "status": "correct" if right else "incorrect",
        "text": "",
    }
