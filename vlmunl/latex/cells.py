"""Cells and labels that several tables share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vlmunl.latex.notes import words
from vlmunl.latex.numerals import ABSENT, bounds, decimal
from vlmunl.latex.results import Interval, ModelRow, Results
from vlmunl.latex.table import Cell, Column, Group, Raw


def titled(results: Results, what: str) -> str:
    """A table's title: the study's, what the table shows, and by what it is calibrated where that is no gold model."""
    return f"{results.title or results.study}: {what}" + (
        " (calibrated by chance)" if results.calibration == "chance" else ""
    )


def method_groups(results: Results, line: Callable[[ModelRow], tuple[Cell, ...]]) -> tuple[Group, ...]:
    """The methods that change weights, and by themselves those that work at inference only."""
    return tuple(Group(title=title, rows=tuple(map(line, rows))) for title, rows in results.groups)


def constants(results: Results) -> tuple[tuple[str, Raw], ...]:
    """CSV columns that keep the study and the catalogue with every row, also after files are joined."""
    plain: tuple[tuple[str, Raw], ...] = (("study", results.study), ("catalogue", results.catalogue))
    return (*plain, ("calibration", "chance")) if results.calibration == "chance" else plain


def interval_cell(interval: Interval | None, digits: int = 2) -> Cell:
    """Estimate with its bracket; three raw values."""
    if interval is None:
        return Cell(text=ABSENT, raw=(None, None, None))
    raw = (interval.estimate, interval.low, interval.high)
    return Cell(text=decimal(interval.estimate, digits), aside=bounds(interval, digits), raw=raw)


def missing_cell(status: str, column: Column) -> Cell:
    """A figure without evidence: its status in words, in CSV as it stands; never blank and never a number."""
    return Cell(text=words(status), raw=(status or "pending",) * len(column.fields), emphasis="faint")


def number_cell(value: float | None, digits: int = 2) -> Cell:
    """One number; one raw value."""
    return Cell(text=decimal(value, digits), raw=(value,))


def ranked(row: ModelRow, results: Results, cell: Cell) -> Cell:
    """The cell of a WCR, marked if it is the least of all assessable methods, or cannot be told from it.

    By the paired differences with Holm's correction, never by the figures' looks.
    """
    best = results.best
    if best is None or row.name not in (best.method, *best.alike) or best.apart is None:
        return cell
    if row.name == best.method:
        return replace(cell, emphasis="strong", note="The least WCR of all assessable methods.")
    told = "Cannot be told from the least WCR: paired difference, Holm-adjusted p of at least .05."
    return replace(cell, emphasis="alike", note=told)


def count_cell(value: int | None) -> Cell:
    """One whole number; one raw value."""
    return Cell(text=ABSENT if value is None else str(value), raw=(value,))
