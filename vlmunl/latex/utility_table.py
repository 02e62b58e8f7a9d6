"""The utility table: what a method costs elsewhere, and the secondary controls."""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, number_cell, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes, words
from vlmunl.latex.results import UTILITY_PARTS, ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Table

_NOTE = (
    "Retain control: difference in differences between forget and matched retain identities at the worst route; near 0 "
    "it is global damage, not leakage. Log-probability: mean per answer token. Item level: the maximum over routes is "
    "taken per item, for the model, gold and imprint alike."
)
_UTILITY_COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    Column(header="utility", fields=("utility",)),
    *(Column(header=part, fields=(f"utility_{part}",)) for part in UTILITY_PARTS),
    Column(header="refusal\nforget", fields=("refusal",)),
    Column(header="invalid\nforget", fields=("invalid",)),
    Column(header="refusal +\ninvalid retain", fields=("refusal_invalid_retain",)),
    Column(header="accuracy\ncanonical", fields=("accuracy",)),
    Column(header="log-prob.\ncanonical", fields=("logp",)),
    Column(header="WCR\nitem level", fields=("item_wcr", "item_wcr_low", "item_wcr_high"), align="interval"),
    Column(header="retain\ncontrol", fields=("retain_did", "retain_did_low", "retain_did_high"), align="interval"),
)


def utility_table(results: Results) -> Table:
    """What the method costs elsewhere, and the controls that tell leakage from global damage."""
    return Table(
        name="utility",
        title=titled(results, "utility and controls"),
        columns=_UTILITY_COLUMNS,
        groups=(
            Group(title="references", rows=tuple(_utility_line(row, results) for row in results.roles)),
            *method_groups(results, lambda row: _utility_line(row, results)),
        ),
        notes=(_NOTE, *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _utility_line(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    if row.is_pending:
        status = row_status(row, results)
        note = f"{words(status)}: {pending_reason(row, results)}"
        figures = (missing_cell(status, column) for column in _UTILITY_COLUMNS[1:])
        return (Cell(text=row.label, raw=(row.name, row.label), note=note, emphasis="faint"), *figures)
    return (
        Cell(text=row.label, raw=(row.name, row.label)),
        number_cell(row.utility),
        *(number_cell(row.utility_parts.get(part)) for part in UTILITY_PARTS),
        number_cell(row.refusal),
        number_cell(row.invalid),
        number_cell(row.refusal_invalid_retain),
        number_cell(row.accuracy),
        number_cell(row.logp),
        interval_cell(row.item_wcr),
        interval_cell(row.retain_did),
    )
