"""What tables and figures show beside the verified results: seeds one by one, the power curve, training curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmunl.latex.seeds_table import BySeed
from vlmunl.stages.configs import Variant


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One training run: its cell, each step's numbers by name, and why it ended."""

    cell: str
    steps: tuple[Mapping[str, float], ...]
    ended: str


@dataclass(frozen=True, kw_only=True)
class Extras:
    """All of it; empty where it is not known. `power` is what `vlmunl.metrics.power.power_curve` gives."""

    variants: tuple[Variant, ...] = ()
    by_seed: BySeed = field(default_factory=dict)
    power: Mapping[str, Any] | None = None
    curves: tuple[Curve, ...] = ()


def read_curves(paths: Mapping[str, Path]) -> tuple[Curve, ...]:
    """The curves among a stage's inputs, `curve/CELL` -> file, in the order of their names."""
    found = []
    for name in sorted(name for name in paths if name.startswith("curve/")):
        whole = json.loads(paths[name].read_text(encoding="utf-8"))
        found.append(Curve(cell=name.removeprefix("curve/"), steps=tuple(whole["steps"]), ended=whole["ended"]))
    return tuple(found)
