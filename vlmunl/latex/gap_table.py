"""The table of what ordinary evaluation misses: the canonical question against the worst route."""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, number_cell, ranked, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes
from vlmunl.latex.numerals import ABSENT
from vlmunl.latex.results import ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Table

_NOTE = (
    "Gap: cross-fit WCR minus canonical recovery, what ordinary evaluation misses. Lower and upper: one-sided "
    "simultaneous bounds of the worst case. Headroom at the worst route: accuracy of imprint minus gold there."
)
_COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    Column(header="canonical", fields=("canonical", "canonical_low", "canonical_high"), align="interval"),
    Column(header="WCR\ncross-fit", fields=("wcr", "wcr_low", "wcr_high"), align="interval"),
    Column(header="gap", fields=("wcr_gap",)),
    Column(header="lower", fields=("wcr_lower",)),
    Column(header="upper", fields=("wcr_upper",)),
    Column(header="worst route", fields=("worst_route",), align="left"),
    Column(header="its\nfamily", fields=("worst_family",), align="left"),
    Column(header="its\nheadroom", fields=("worst_headroom",)),
)


def gap_table(results: Results) -> Table:
    """One line per role and method."""
    shown = tuple(row for row in results.roles if row.name != "gold")
    return Table(
        name="gap",
        title=titled(results, "canonical question against worst route"),
        columns=_COLUMNS,
        groups=(
            Group(title="references", rows=tuple(_line(row, results) for row in shown)),
            *method_groups(results, lambda row: _line(row, results)),
        ),
        notes=(_NOTE, *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _line(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    if row.is_pending or row.wcr is None:
        note = pending_reason(row, results)
        first = Cell(text=row.label, raw=(row.name, row.label), note=note, emphasis="faint")
        return (first, *(missing_cell(row_status(row, results), column) for column in _COLUMNS[1:]))
    wcr = row.wcr
    route = next((route for route in results.routes if route.id == wcr.worst_route), None)
    return (
        Cell(text=row.label, raw=(row.name, row.label)),
        interval_cell(row.canonical),
        ranked(row, results, interval_cell(wcr.cross_fit)),
        *(number_cell(value) for value in (wcr.gap, wcr.lower, wcr.upper)),
        Cell(text=wcr.worst_route or ABSENT, raw=(wcr.worst_route or None,)),
        Cell(text=route.family if route else ABSENT, raw=(route.family if route else None,)),
        number_cell(route.headroom.estimate if route and route.headroom else None),
    )
