"""Training curves, thinned for a screen."""

from __future__ import annotations

import json
import math
from typing import Any

from vlmunl.trail.origin import Origin

POINTS = 80
STAGES = ("imprint", "unlearn")


def curves(origin: Origin) -> list[dict[str, Any]]:
    """Of each training: its cell, row, seed, why it ended, the steps shown (from 0) and each figure at these."""
    return [
        found
        for name, cell in origin.cells.items()
        if cell["stage"] in STAGES and cell["status"] == "verified" and "curve" in cell["outputs"]
        if (found := _curve(origin, name))
    ]


def _curve(origin: Origin, cell: str) -> dict[str, Any]:
    document = json.loads(origin.store.read(origin.record(cell).outputs["curve"]))
    steps = document["steps"] if isinstance(document, dict) else []
    if not steps:  # nothing was trained
        return {}
    at = _thinned(len(steps))
    names = sorted({name for step in steps for name in step})
    _, row, seed, *_ = cell.split("/")
    return {
        "cell": cell,
        "row": row,
        "seed": int(seed.removeprefix("seed")),
        "ended": document["ended"],
        "steps": len(steps),
        "at": at,
        "y": {name: [_plain(steps[i].get(name)) for i in at] for name in names},
    }


def _thinned(length: int) -> list[int]:
    """At most `POINTS` places, the first and the last among them."""
    if length <= POINTS:
        return list(range(length))
    return sorted({round(i * (length - 1) / (POINTS - 1)) for i in range(POINTS)})


def _plain(value: Any) -> float | None:
    """Four digits; null for what is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")
