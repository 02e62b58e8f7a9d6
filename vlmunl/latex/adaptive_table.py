"""The table of the adaptive attacker: what a search on other people recovers, beside the catalogue's worst case."""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, titled
from vlmunl.latex.notes import catalogue_note, control_warnings, evidence_notes, pending_reason, provenance, row_status
from vlmunl.latex.results import ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Table

_NOTES = (
    (
        "For each method and seed, compositions of the catalogue's T0 routes were searched on people to forget who are "
        "in no figure here, and the strongest one was then put to the reported people once. They had no say in the "
        "choice, so brackets are ordinary intervals over identities and nothing is corrected for a maximum."
    ),
    (
        "Placebo: a second model that never learned the people, by the same routes; it should cover 0. Headroom: "
        "imprint minus gold on these routes. Retain control: difference in differences against retained people."
    ),
)


def _interval_column(header: str, name: str) -> Column:
    return Column(header=header, fields=(name, f"{name}_low", f"{name}_high"), align="interval")


_COLUMNS = (
    Column(header="method", fields=("model", "label"), align="left"),
    _interval_column("canonical", "canonical"),
    _interval_column("WCR\ncross-fit", "wcr"),
    _interval_column("adaptive", "adaptive"),
    _interval_column("placebo", "adaptive_placebo"),
    _interval_column("headroom", "adaptive_headroom"),
    _interval_column("retain\ncontrol", "adaptive_retain_did"),
    Column(header="found route", fields=("found_route",), align="left"),
    Column(header="tried", fields=("tried",)),
)


def has_attacker(results: Results) -> bool:
    """Is there anything to show?"""
    return any(row.searched for row in results.rows)


def adaptive_table(results: Results) -> Table:
    """One line per method."""
    return Table(
        name="adaptive",
        title=titled(results, "recovery by an adaptive attacker"),
        columns=_COLUMNS,
        groups=tuple(
            Group(title="" if group.title == "methods" else group.title, rows=group.rows)
            for group in method_groups(results, lambda row: _line(row, results))
        ),
        notes=(*_NOTES, catalogue_note(results), *control_warnings(results), *evidence_notes(results)),
        constants=constants(results),
        provenance=provenance(results),
    )


def _line(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    first = Cell(text=row.label, raw=(row.name, row.label))
    if row.is_pending:
        status = row_status(row, results)
        note = Cell(text=row.label, raw=(row.name, row.label), note=pending_reason(row, results), emphasis="faint")
        return (note, *(missing_cell(status, column) for column in _COLUMNS[1:]))
    usual = (interval_cell(row.canonical), interval_cell(row.wcr.cross_fit if row.wcr else None))
    found = row.adaptive
    if found is None:
        return (first, *usual, *(missing_cell("pending", column) for column in _COLUMNS[3:]))
    figures = (found.recovery, found.placebo, found.headroom, found.retain_did)
    names, tried = "; ".join(found.routes), "; ".join(map(str, found.tried))
    return (first, *usual, *map(interval_cell, figures), Cell(text=names, raw=(names,)), Cell(text=tried, raw=(tried,)))
