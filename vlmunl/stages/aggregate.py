"""Stage `aggregate`: from the run manifest and the verified rows to `verified_results.json` and `summary.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vlmunl.errors import StudyError
from vlmunl.keys import JSON
from vlmunl.metrics.evidence import Evidence, read_evidence, reported
from vlmunl.metrics.own.asked import NUMBERS
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import Rows, read_rows
from vlmunl.metrics.summary import summary
from vlmunl.routes.catalogue import CATALOGUE, Route
from vlmunl.stage_types import Context
from vlmunl.stages.configs import AggregateConfig


def run(config: AggregateConfig, ctx: Context) -> Mapping[str, JSON]:
    """Write both outputs; the metrics count what they rest on. No clock, no host: equal inputs give equal bytes.

    Raises:
        MissingInput: a cell that the manifest calls verified is not among the inputs.
        StudyError: an unknown route, a claim that cannot be read, or a manifest of another catalogue.
    """
    routes, evidence, tables = given(config, ctx)
    names = list(tables)
    ctx.progress(len(names), len(names) + 1, "resampling")
    document = results(config, evidence, routes, tables)
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    (ctx.out / "verified_results.json").write_text(text, encoding="utf-8")
    (ctx.out / "summary.md").write_text(summary(document), encoding="utf-8")
    ctx.progress(len(names) + 1, len(names) + 1, "")
    return {
        "rows": sum(bool(row["n_seeds"]) for row in document["rows"]),
        "seeds": document["n"]["seeds"],
        "live_routes": document["catalogue"]["n_live"],
        "claims_supported": sum(claim["supported"] is True for claim in document["claims"]),
        "claims": len(document["claims"]),
    }


def given(config: AggregateConfig, ctx: Context) -> tuple[list[Route], Evidence, dict[str, Rows]]:
    """The study's routes, what its manifest lets count, and the rows of each verified cell, read from the inputs.

    Raises: as `run`.
    """
    evidence = read_evidence(ctx.input("manifest"))
    names = [name for name in sorted(ctx.paths) if reported(name) and evidence.verified(name)]
    tables: dict[str, Rows] = {}
    for done, name in enumerate(names):
        ctx.progress(done, len(names) + 1, f"reading {name}")
        tables[name] = read_rows(ctx.paths[name], extra=_extra(name), numbers=NUMBERS if config.own else ())
    return _routes(config), evidence, tables


def _extra(cell: str) -> tuple[str, ...]:
    """The text columns that rows of a cell have beside those of an evaluation, or that its figures need."""
    return {"gate": ("model",), "search": ("model", "format")}.get(cell.partition("/")[0], ())


def _routes(config: AggregateConfig) -> list[Route]:
    if unknown := [name for name in config.routes if name not in CATALOGUE]:
        raise StudyError(f"unknown route {', '.join(unknown[:4])}", "list them: vlmunl routes")
    return [CATALOGUE[name] for name in config.routes]
