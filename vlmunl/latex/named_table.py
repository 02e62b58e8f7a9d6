"""The table of the three published metrics, each beside what it is made of."""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, titled
from vlmunl.latex.notes import catalogue_note, evidence_notes, pending_reason, provenance, row_status, words
from vlmunl.latex.numerals import decimal
from vlmunl.latex.results import Interval, ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Table

_SHOWN = (  # header, figure, decimals, with its interval
    ("forget\nperplexity", "forget_perplexity", 2, False),
    ("over\nimprint", "forget_ratio", 2, False),
    ("over\ngold", "forget_gold_ratio", 2, False),
    ("Forget\nEfficacy", "forget_efficacy", 0, True),
    ("retain\nperplexity", "retain_perplexity", 2, False),
    ("over\nimprint", "retain_ratio", 2, False),
    ("over\ngold", "retain_gold_ratio", 2, False),
    ("Retain\nPerformance", "retain_performance", 0, True),
    ("attack's\nAUC", "mia_auc", 2, True),
    ("minus\ngold's", "mia_auc_gap", 2, False),
    ("MIA\nResistance", "mia_resistance", 0, True),
    ("minus\ngold's", "mia_gold_gap", 0, False),
)
_COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    *(
        Column(header=header, fields=(name, f"{name}_low", f"{name}_high"), align="interval" if bracket else "right")
        for header, name, _, bracket in _SHOWN
    ),
)
_NOTES = (
    (
        "Perplexity of the right answer's tokens alone, to the canonical "
        "question, over all facts of the people to forget "
        "and of the retained controls. Over imprint, over gold: its ratio to that of these models, each really trained."
    ),
    (
        "Forget Efficacy: 100 (ratio to imprint - 1), Retain Performance: 100 "
        "exp(1 - ratio to imprint), both capped to "
        "0..100, so that twice the perplexity is full efficacy already: read the ratios beside them."
    ),
    (
        "The attack tells people to forget from people whom no model was ever "
        "taught by the likelihood of the right answer "
        "(AUC 1/2: it cannot). MIA Resistance: 100 (1 - 2 |AUC - 1/2|). What to aim at is gold's, which is not exactly "
        "100; an AUC below gold's gives the forgotten away as well."
    ),
)


def named_table(results: Results) -> Table:
    """One line per role and method."""
    return Table(
        name="named",
        title=titled(results, "Forget Efficacy, Retain Performance and MIA Resistance"),
        columns=_COLUMNS,
        groups=(
            Group(title="references", rows=tuple(_line(row, results) for row in results.roles)),
            *method_groups(results, lambda row: _line(row, results)),
        ),
        notes=(*_NOTES, _intervals(results), catalogue_note(results), *evidence_notes(results)),
        constants=constants(results),
        provenance=provenance(results),
    )


def _intervals(results: Results) -> str:
    return (
        f"Brackets are {results.level} % intervals over identities: a cluster bootstrap for perplexities, a jackknife "
        "over the people of both sides for the attack."
    )


def _line(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    if row.is_pending:
        status = row_status(row, results)
        note = f"{words(status)}: {pending_reason(row, results)}"
        figures = (missing_cell(status, column) for column in _COLUMNS[1:])
        return (Cell(text=row.label, raw=(row.name, row.label), note=note, emphasis="faint"), *figures)
    cells = (_cell(row.named.get(name), digits, bracket) for _, name, digits, bracket in _SHOWN)
    return (Cell(text=row.label, raw=(row.name, row.label)), *cells)


def _cell(found: Interval | None, digits: int, bracket: bool) -> Cell:
    """The estimate, in CSV always with its bounds."""
    if bracket or found is None:
        return interval_cell(found, digits)
    return Cell(text=decimal(found.estimate, digits), raw=(found.estimate, found.low, found.high))
