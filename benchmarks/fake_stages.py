"""Stages that cost nothing, with the names, versions, configs, inputs and outputs of the real ones. No torch.

Run keys do not know which code made a result, so a store filled with these is, to `vlmunl status` and
`vlmunl run`, a store of finished work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmunl.stage import Context, Stage
from vlmunl.stages.declared import STAGES

FAKES: dict[str, Stage] = {name: replace(stage, run=f"fake_stages:{name}") for name, stage in STAGES.items()}
PEOPLE = [f"p{i:02d}" for i in range(16)]


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, sort_keys=True))


def _read(ctx: Context) -> dict[str, str]:
    return {name: ref.xxh3 for name, ref in sorted(ctx.inputs.items())}


def data(config: Any, ctx: Context) -> Mapping[str, object]:
    """People."""
    _write(ctx.out / "benchmark.json", {"people": config.people})
    return {"items": config.people}


def imprint(config: Any, ctx: Context) -> Mapping[str, object]:
    """An adapter of a few bytes."""
    (ctx.out / "adapter").mkdir()
    _write(ctx.out / "adapter" / "weights", [_read(ctx), config.seed, repr(config)])
    _write(ctx.out / "curve.json", [])
    return {"steps": 3, "final_nll": 0.5}


unlearn = imprint


def probe(config: Any, ctx: Context) -> Mapping[str, object]:
    """Scores of a few bytes."""
    _write(ctx.out / "scores.json", [_read(ctx), repr(config)])
    return {"layers": 1}


def gate(config: Any, ctx: Context) -> Mapping[str, object]:
    """Measurements that pass, of the size that the built-in benchmark's have."""
    _write(ctx.out / "rows.json", _read(ctx))
    measured = {
        "n": 4,
        "attributes": [f"a{i}" for i in range(6)],
        "hits": {p: [4] * 6 for p in PEOPLE},
        "canonical_imprint": {p: [1.0] * 6 for p in PEOPLE},
        "canonical_gold": {p: [0.0] * 6 for p in PEOPLE},
    }
    return {"formats": dict.fromkeys(("open", "cloze", "mcq", "truefalse"), measured)}


def eval(config: Any, ctx: Context) -> Mapping[str, object]:
    """Rows of a few bytes."""
    _write(ctx.out / "rows.json", _read(ctx))
    return {"rows": 1, "routes": len(config.routes), "accuracy": dict.fromkeys(config.routes, 0.5)}


def aggregate(config: Any, ctx: Context) -> Mapping[str, object]:
    """Results without a number, but with every row: what `run` prints is a real table."""
    rows = [{"name": r.name, "label": r.label, "kind": r.kind, "views": r.views} for r in config.rows]
    _write(ctx.out / "verified_results.json", {"schema": 1, "study": config.study, "rows": rows})
    (ctx.out / "summary.md").write_text("summary\n")
    return {}


def tables(config: Any, ctx: Context) -> Mapping[str, object]:
    """A folder with one file."""
    (ctx.out / "generated").mkdir()
    (ctx.out / "generated" / "main.tex").write_text("table\n")
    return {}
