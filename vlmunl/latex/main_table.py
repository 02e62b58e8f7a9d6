"""The headline table: is it forgotten by the usual test, and is it really?"""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, method_groups, missing_cell, number_cell, ranked, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, tuning_notes, wcr_background, wcr_notes, words
from vlmunl.latex.numerals import ABSENT, decimal
from vlmunl.latex.results import ROLES, ModelRow, Results, Wcr
from vlmunl.latex.table import Cell, Column, Emphasis, Group, Table

_WCR_FIELDS = ("wcr", "wcr_low", "wcr_high")
_HELD_OUT_FIELDS = ("wcr_held_out", "wcr_held_out_low", "wcr_held_out_high")
_COLUMNS = (
    Column(header="model", fields=("model", "label"), align="left"),
    Column(header="canonical", fields=("canonical", "canonical_low", "canonical_high"), align="interval"),
    Column(header="WCR\ncross-fit", fields=_WCR_FIELDS, align="interval"),
    Column(header="plug-in\n(optimistic)", fields=("wcr_plug_in",)),
    Column(header="worst route", fields=("worst_route",), align="left"),
    Column(header="lower\nbound", fields=("wcr_lower",)),
    Column(header="WCR\nheld-out", fields=_HELD_OUT_FIELDS, align="interval"),
    Column(header="utility", fields=("utility",)),
    Column(header="refusal\n+ invalid", fields=("refusal", "invalid")),
    Column(header="seeds", fields=("seeds",)),
    Column(header="trials", fields=("trials",)),
    Column(header="verdict", fields=("verdict", "reason"), align="left"),
)
_STRONG = ("recovers", "does not cover 0")
_NO_WCR = Wcr(plug_in=None, cross_fit=None, lower=None, upper=None, worst_route="", n_routes=None, gap=None)


def main_table(results: Results) -> Table:
    """One line per role and method; roles always appear, and what is not measured says pending and why."""
    return Table(
        name="main",
        title=titled(results, "canonical and worst-case recovery"),
        columns=_COLUMNS,
        groups=(
            Group(title="references", rows=tuple(_role(name, results) for name in _references(results))),
            *method_groups(results, lambda row: _row(row, results)),
        ),
        notes=(*wcr_notes(results), *tuning_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _references(results: Results) -> tuple[str, ...]:
    """The roles; those that a study without gold or placebo can never have are left out."""
    lost = {"placebo"} if results.without_placebo else set()
    lost |= {"gold"} if results.calibration == "chance" else set()
    return tuple(name for name in ROLES if name not in lost)


def _role(name: str, results: Results) -> tuple[Cell, ...]:
    row = results.row(name)
    return _row(row, results) if row else _pending(name, name, "pending", "no row in the verified results")


def _row(row: ModelRow, results: Results) -> tuple[Cell, ...]:
    if row.is_pending:
        return _pending(row.name, row.label, row_status(row, results), pending_reason(row, results))
    wcr, held_out = row.wcr or _NO_WCR, row.wcr_held_out or _NO_WCR
    return (
        Cell(text=row.label, raw=(row.name, row.label)),
        interval_cell(row.canonical),
        ranked(row, results, interval_cell(wcr.cross_fit)),
        number_cell(wcr.plug_in),
        Cell(text=wcr.worst_route or ABSENT, raw=(wcr.worst_route or None,)),
        number_cell(wcr.lower),
        interval_cell(held_out.cross_fit),
        number_cell(row.utility),
        _refusal_cell(row),
        _seeds_cell(row, results),
        _trials_cell(row),
        Cell(
            text=row.verdict or ABSENT,
            raw=(row.verdict or None, row.reason),
            emphasis=_emphasis(row.verdict),
            note=row.reason,
        ),
    )


def _emphasis(verdict: str) -> Emphasis:
    if verdict in _STRONG:
        return "strong"
    return "faint" if verdict.startswith("not assessable") else "plain"


def _pending(name: str, label: str, status: str, reason: str) -> tuple[Cell, ...]:
    """A row without evidence: every figure and the verdict say its status, the reason is a note."""
    figures = (missing_cell(status, column) for column in _COLUMNS[1:-1])
    verdict = Cell(text=words(status), raw=(status, reason), emphasis="faint", note=reason)
    return (Cell(text=label, raw=(name, label)), *figures, verdict)


def _refusal_cell(row: ModelRow) -> Cell:
    """Refused and invalid answers on forget over all routes, as one share; CSV keeps the two apart."""
    known = row.refusal is not None and row.invalid is not None
    total = (row.refusal or 0.0) + (row.invalid or 0.0) if known else None
    return Cell(text=decimal(total), raw=(row.refusal, row.invalid))


def _seeds_cell(row: ModelRow, results: Results) -> Cell:
    """`1 of 2` where seeds of the study are missing; CSV lists which ones count."""
    of = f" of {len(results.seeds)}" if row.n_seeds < len(results.seeds) else ""
    return Cell(text=f"{row.n_seeds}{of}", raw=(" ".join(map(str, row.seeds)),))


def _trials_cell(row: ModelRow) -> Cell:
    """How many settings were tried, with those that were chosen as a note; of a role there are none."""
    chosen = f"{row.label}, settings chosen: {'; '.join(row.tried)}" if row.tried else ""
    return Cell(text=ABSENT if row.trials is None else str(row.trials), raw=(row.trials,), note=chosen)
