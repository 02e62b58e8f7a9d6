"""A table as data: columns, groups of rows, notes. The writers decide how it looks; nothing here is markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Align = Literal["left", "right", "center", "interval"]
Emphasis = Literal["plain", "strong", "faint", "alike"]
Raw = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `fields` name what it carries in CSV; an `interval` column shows text and an aside."""

    header: str  # a newline is a line break
    fields: tuple[str, ...]
    align: Align = "right"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one cell shows (`text`, then `aside`) and the unrounded values behind it (`raw`, one per field)."""

    text: str
    aside: str = ""
    raw: tuple[Raw, ...] = ()
    emphasis: Emphasis = "plain"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that belong together; the title may be empty."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A whole table. `constants` become trailing CSV columns, `provenance` a comment on the first line.

    `background`: further notes, which other tables of the study carry as well; a paper may print them once.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    constants: tuple[tuple[str, Raw], ...] = ()
    provenance: str = ""

    def __post_init__(self) -> None:
        fields = [field for column in self.columns for field in column.fields]
        fields += ["group", *(name for name, _ in self.constants)]
        if len(fields) != len(set(fields)):
            raise ValueError(f"table {self.name}: a CSV field is named twice: {sorted(fields)}")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name}: a row has {len(row)} cells for {len(self.columns)} columns")
            for cell, column in zip(row, self.columns, strict=True):
                if len(cell.raw) != len(column.fields):
                    raise ValueError(f"table {self.name}: cell {cell.text!r} does not fill {column.fields}")

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def marks(self) -> Mapping[str, str]:
        """The letter of each column's or cell's note, in reading order; equal notes share one letter."""
        notes = [column.note for column in self.columns] + [cell.note for row in self.rows for cell in row]
        return {note: _letters(i) for i, note in enumerate(dict.fromkeys(note for note in notes if note))}


def _letters(index: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    head, last = divmod(index, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + last)
