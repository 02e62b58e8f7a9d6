"""Which differences between methods are more than chance, and how many people are concerned."""

from __future__ import annotations

from dataclasses import replace

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, ranked, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes
from vlmunl.latex.numerals import ABSENT, decimal
from vlmunl.latex.results import Detectable, Difference, ModelRow, Results
from vlmunl.latex.table import Cell, Column, Table
from vlmunl.metrics.chance import NO_PLACEBO

SIGNIFICANT = 0.05
_PEOPLE = (
    "People recovered: share of people whose best route lies further above gold than 95 % of people do for the placebo."
)
_NOBODY = f"{NO_PLACEBO}, so there is no difference from it, and no telling how many people luck alone would recover."


def _difference(header: str, field: str) -> tuple[Column, Column]:
    fields = (field, f"{field}_low", f"{field}_high")
    p = Column(header=f"p\n{header.partition(chr(10))[2]}", fields=(f"{field}_p", f"{field}_p_holm"))
    return Column(header=header, fields=fields, align="interval"), p


_COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    Column(header="WCR\ncross-fit", fields=("wcr", "wcr_low", "wcr_high"), align="interval"),
    *_difference("minus\nbest", "minus_best"),
    *_difference("minus\nplacebo", "minus_placebo"),
    Column(header="people\nrecovered", fields=("people", "people_low", "people_high"), align="interval"),
)


def comparisons_table(results: Results) -> Table:
    """One line per method: paired differences from the best assessable method and from the placebo."""
    return Table(
        name="comparisons",
        title=titled(results, "differences between methods"),
        columns=_COLUMNS,
        groups=method_groups(results, lambda row: _line(row, results)),
        notes=(_note(results), *detectable_notes(results.detectable), *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _note(results: Results) -> str:
    best = results.best
    row = results.row(best.method) if best else None
    named = f"Best: {row.label}, the least WCR of all assessable methods. " if row else "No method is assessable. "
    without = results.without_placebo
    return (
        f"{named}Differences of cross-fit WCR, paired over people, seeds and half splits, with {results.level} % "
        "jackknife intervals. p: two-sided, Holm-adjusted over all pairs of methods"
        + ("; " if without else ", or over all methods against the placebo; ")
        + f"bold below {decimal(SIGNIFICANT)}. "
        + (_NOBODY if without else _PEOPLE)
    )


def detectable_notes(found: Detectable | None) -> tuple[str, ...]:
    """What the study could have seen; nothing while there is no placebo."""
    if found is None or found.power is None:
        return ()
    if found.recovery is None:
        return (f"On most routes this study could not have seen even all of the knowledge at {found.power:.0%} power.",)
    seen = f"This study could have seen a recovery of {decimal(found.recovery)} on one route ({found.power:.0%} power; "
    return (seen + f"{decimal(found.least)} to {decimal(found.most)}, by route).",)


def _line(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    name = Cell(text=row.label, raw=(row.name, row.label))
    if row.is_pending:
        status = row_status(row, results)
        cells = [missing_cell(status, column) for column in _COLUMNS[1:]]
        noted = replace(cells[-1], note=f"{row.label}: {pending_reason(row, results)}")
        return (name, *cells[:-1], noted)
    cells = [ranked(row, results, interval_cell(row.wcr.cross_fit if row.wcr else None))]
    for other in ("best", "placebo"):
        cells += _cells(row.versus.get(other))
    return (name, *cells, interval_cell(row.identity_wcr))


def _cells(found: Difference | None) -> tuple[Cell, Cell]:
    if found is None:
        return interval_cell(None), Cell(text=ABSENT, raw=(None, None))
    p = found.p_holm
    text = ABSENT if p is None else "< .001" if p < 0.001 else decimal(p, 3)
    strong = p is not None and p < SIGNIFICANT
    return interval_cell(found.interval), Cell(
        text=text, raw=(found.p, found.p_holm), emphasis="strong" if strong else "plain"
    )
