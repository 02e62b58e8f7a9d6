"""Worst-case recovery tier by tier: what more an attacker gets who may do more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes
from vlmunl.latex.numerals import ABSENT
from vlmunl.latex.results import ROLES, ModelRow, Results, Wcr
from vlmunl.latex.table import Cell, Column, Group, Table

MEANING = {
    "T0": "prompts",
    "T1": "many samples",
    "T2": "log-probabilities",
    "T3": "activations",
    "T4": "changed weights",
    "T5": "old checkpoint",
}
_NOTE = (
    "Each tier by itself: the largest recovery over its own live routes, cross-fit, and the route that wins. T0 to T4 "
    "name what an attacker may use, and the same is done to gold. A tier without figures says why. "
    "Verdicts rest on the headline's tier alone."
)
_UPPER = "T5 starts from the checkpoint before unlearning: an upper bound on what is left, never part of a verdict."


def tiers_table(results: Results) -> Table:
    """One line per model, two columns per tier: worst case with its interval, and the worst route."""
    tiers = (results.headline, *results.further)
    columns = (Column(header="model", fields=("model", "label"), align="left"), *_columns(tiers))
    return Table(
        name="tiers",
        title=titled(results, "worst-case recovery by tier"),
        columns=columns,
        groups=(
            Group(title="references", rows=tuple(_line(r, results, columns) for n in ROLES if (r := results.row(n)))),
            *method_groups(results, lambda row: _line(row, results, columns)),
        ),
        notes=(_NOTE, *((_UPPER,) if "T5" in tiers else ()), *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _columns(tiers: tuple[str, ...]) -> Iterator[Column]:
    for tier in tiers:
        at = "" if tier == tiers[0] else f"{tier}."  # the headline's tier has its figures in the row itself
        fields = tuple(f"{at}{field}" for field in ("wcr", "wcr_low", "wcr_high"))
        yield Column(header=f"{tier}\n{MEANING.get(tier, '')}", fields=fields, align="interval")
        yield Column(header=f"worst\n{tier} route", fields=(f"{at}worst_route",), align="left")


def _line(row: ModelRow, results: Results, columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    name = Cell(text=row.label, raw=(row.name, row.label))
    if row.is_pending:
        status, reason = row_status(row, results), pending_reason(row, results)
        noted = replace(missing_cell(status, columns[-1]), note=f"{row.label}: {reason}")
        return (name, *(missing_cell(status, column) for column in columns[1:-1]), noted)
    cells = [name, *_cells(row.wcr, "")]
    for i, tier in enumerate(results.further):
        part = row.tiers.get(tier)
        if part is None or part.status == "pending":
            reason = f"{row.label}, {tier}: {part.reason if part else 'no figures'}"
            first, second = (missing_cell("pending", column) for column in columns[3 + 2 * i : 5 + 2 * i])
            cells += [first, replace(second, note=reason)]
        else:
            cells += _cells(part.wcr, f"{row.label}, {tier}: {part.reason}" if part.reason else "")
    return tuple(cells)


def _cells(wcr: Wcr | None, note: str) -> tuple[Cell, Cell]:
    worst = wcr.worst_route if wcr else ""
    return interval_cell(wcr.cross_fit if wcr else None), Cell(text=worst or ABSENT, raw=(worst or None,), note=note)
