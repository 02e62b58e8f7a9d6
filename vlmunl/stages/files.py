"""Small output files that several stages write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from vlmunl.models.loop import Curve


def write_json(value: object, path: Path) -> None:
    """Sorted, indented JSON with a final newline."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    path.write_bytes(orjson.dumps(value, option=options))


def write_curve(curve: Curve, path: Path) -> None:
    """The figures of every training step and why the loop ended."""
    write_json({"steps": curve.steps, "ended": curve.ended}, path)
