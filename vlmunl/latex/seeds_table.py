"""The supplement's table: every row at every seed by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmunl.latex.cells import constants, interval_cell, missing_cell, number_cell, titled
from vlmunl.latex.node import Node
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes, words
from vlmunl.latex.numerals import ABSENT
from vlmunl.latex.results import ModelRow, Results, Seed
from vlmunl.latex.table import Cell, Column, Group, Table

BySeed = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""row -> seed -> figures of that seed alone (`vlmunl.metrics.by_seed`)."""

_NOTE = (
    "Each seed by itself, with the study's live routes. With one seed the figures are those of the main table. "
    "Differences between seeds hold what chance in training does; brackets hold people only."
)
COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    Column(header="seed", fields=("seed",)),
    Column(header="canonical", fields=("canonical", "canonical_low", "canonical_high"), align="interval"),
    Column(header="WCR\ncross-fit", fields=("wcr", "wcr_low", "wcr_high"), align="interval"),
    Column(header="plug-in", fields=("wcr_plug_in",)),
    Column(header="lower", fields=("wcr_lower",)),
    Column(header="worst route", fields=("worst_route",), align="left"),
    Column(header="retain\ncontrol", fields=("retain_did",)),
    Column(header="utility", fields=("utility",)),
    Column(header="refusal\n+ invalid", fields=("refusal", "invalid")),
    Column(header="verdict", fields=("verdict",), align="left"),
)


def seeds_table(results: Results, found: BySeed) -> Table:
    """One line per row and seed, those without evidence included."""
    return Table(
        name="seeds",
        title=titled(results, "every seed"),
        columns=COLUMNS,
        groups=(
            Group(title="references", rows=_lines(results.roles, results, found)),
            *(Group(title=title, rows=_lines(rows, results, found)) for title, rows in results.groups),
        ),
        notes=(_NOTE, *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _lines(rows: tuple[ModelRow, ...], results: Results, found: BySeed) -> tuple[tuple[Cell, ...], ...]:
    return tuple(_line(row, seed, results, found) for row in rows for seed in results.seeds)


def _line(row: ModelRow, seed: Seed, results: Results, found: BySeed) -> tuple[Cell, ...]:
    name = Cell(text=row.label, raw=(row.name, row.label))
    number = Cell(text=str(seed.seed), raw=(seed.seed,))
    figures = found.get(row.name, {}).get(str(seed.seed))
    if figures is None:
        status = seed.status if seed.status != "verified" else row_status(row, results)
        status = "pending" if status == "verified" else status
        note = seed.reason or (pending_reason(row, results) if row.is_pending else "")
        cells = [missing_cell(status, column) for column in COLUMNS[2:-1]]
        return (name, number, *cells, Cell(text=words(status), raw=(status,), emphasis="faint", note=note))
    node = Node(figures, f"{row.name}.{seed.seed}")
    wcr, worst = node.node("wcr"), node.node("wcr").text("worst_route")
    did, refusal, invalid = node.interval("retain_did"), node.number("refusal"), node.number("invalid")
    total = None if refusal is None or invalid is None else refusal + invalid
    verdict = node.text("verdict")
    return (
        name,
        number,
        interval_cell(node.interval("canonical")),
        interval_cell(wcr.interval("cross_fit")),
        number_cell(wcr.number("plug_in")),
        number_cell(wcr.number("lower")),
        Cell(text=worst or ABSENT, raw=(worst or None,)),
        number_cell(did.estimate if did else None),
        number_cell(node.number("utility")),
        Cell(text=number_cell(total).text, raw=(refusal, invalid)),
        Cell(text=verdict or ABSENT, raw=(verdict or None,)),
    )


def of_rows(results: Results) -> BySeed:
    """The same figures from the results, where a row has one seed: it is the row itself."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in results.rows:
        if len(row.seeds) == 1 and not row.is_pending:
            found[row.name] = {str(row.seeds[0]): _of_row(row)}
    return found


def _of_row(row: ModelRow) -> dict[str, Any]:
    def parts(interval: Any) -> dict[str, Any] | None:
        return None if interval is None else {name: getattr(interval, name) for name in ("estimate", "low", "high")}

    wcr = row.wcr
    whole = wcr and {
        **{name: getattr(wcr, name) for name in ("plug_in", "lower", "upper", "worst_route")},
        "cross_fit": parts(wcr.cross_fit),
    }
    return {
        "canonical": parts(row.canonical),
        "wcr": whole,
        "retain_did": parts(row.retain_did),
        **{name: getattr(row, name) for name in ("utility", "refusal", "invalid", "verdict")},
    }
