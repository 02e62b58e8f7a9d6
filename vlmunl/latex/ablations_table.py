"""The table of ablations: forms of one method, each against the first of its family, by the paired difference."""

from __future__ import annotations

from collections.abc import Sequence

from vlmunl.latex.cells import constants, interval_cell, missing_cell, number_cell, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes
from vlmunl.latex.numerals import ABSENT, decimal
from vlmunl.latex.results import Difference, ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Table
from vlmunl.stages.configs import Variant

_NOTE = (
    "Forms of one method, and what each has other than the first of its family. Minus first: difference of cross-fit "
    "WCR, paired over people, seeds and half splits; p is Holm-adjusted over all pairs of methods of the study."
)
COLUMNS = (
    Column(header="method", fields=("model", "label"), align="left"),
    Column(header="other settings", fields=("differs",), align="left"),
    Column(header="canonical", fields=("canonical", "canonical_low", "canonical_high"), align="interval"),
    Column(header="WCR\ncross-fit", fields=("wcr", "wcr_low", "wcr_high"), align="interval"),
    Column(header="minus\nfirst", fields=("minus_first", "minus_first_low", "minus_first_high"), align="interval"),
    Column(header="p", fields=("minus_first_p", "minus_first_p_holm")),
    Column(header="utility", fields=("utility",)),
)


def ablations_table(results: Results, variants: Sequence[Variant]) -> Table:
    """One group per family that has several forms."""
    families: dict[str, list[Variant]] = {}
    for variant in variants:
        families.setdefault(variant.family, []).append(variant)
    return Table(
        name="ablations",
        title=titled(results, "forms of the same method"),
        columns=COLUMNS,
        groups=tuple(
            Group(title=family, rows=tuple(_line(v, members[0].name, results) for v in members))
            for family, members in families.items()
        ),
        notes=(_NOTE, *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _line(variant: Variant, first: str, results: Results) -> tuple[Cell, ...]:
    row = results.row(variant.name)
    own = variant.name == first
    told = Cell(text="the first" if own else variant.differs, raw=(variant.differs or None,))
    if row is None or row.is_pending:
        return _pending(variant.name, row, told, results)
    apart = None if own else results.difference(variant.name, first)
    return (
        Cell(text=row.label, raw=(row.name, row.label)),
        told,
        interval_cell(row.canonical),
        interval_cell(row.wcr.cross_fit if row.wcr else None),
        interval_cell(apart.interval if apart else None),
        _p_cell(apart),
        number_cell(row.utility),
    )


def _pending(name: str, row: ModelRow | None, told: Cell, results: Results) -> tuple[Cell, ...]:
    status = row_status(row, results) if row else "pending"
    note = pending_reason(row, results) if row else "no row in the verified results"
    label = row.label if row else name
    first = Cell(text=label, raw=(name, label), note=note, emphasis="faint")
    return (first, told, *(missing_cell(status, column) for column in COLUMNS[2:]))


def _p_cell(found: Difference | None) -> Cell:
    if found is None or found.p_holm is None:
        return Cell(text=ABSENT, raw=(None, None))
    text = "< .001" if found.p_holm < 0.001 else decimal(found.p_holm, 3)
    return Cell(text=text, raw=(found.p, found.p_holm))
