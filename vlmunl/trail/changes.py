"""What two things differ in: settings, cells and their causes, numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlmunl.stage import Change
from vlmunl.trail.document import Document

Kind = Literal["only left", "only right", "changed", "follows", "status", "not deterministic"]
SCHEMA = 1

_NOT_NUMBERS = ("evidence", "pending", "schema", "cells", "policy", "study", "title")
_HEADLINES = (
    *("verdict", "wcr.cross_fit.estimate", "canonical.estimate", "wcr.lower", "wcr.upper", "wcr.worst_route"),
    *("wcr_held_out.cross_fit.estimate", "utility", "n_seeds", "supported", "status"),
)


@dataclass(frozen=True, kw_only=True)
class CellChange:
    """One cell that differs. `changes` are its own; `follows` names the cells whose other output it reads."""

    cell: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    follows: tuple[str, ...] = ()
    note: str = ""
    keys: tuple[str | None, str | None] = (None, None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = {"cell": self.cell, "kind": self.kind, "note": self.note, "keys": list(self.keys)}
        return {**plain, "changes": changes_json(self.changes), "follows": list(self.follows)}


@dataclass(frozen=True, kw_only=True)
class NumberChange:
    """One figure of the results that differs; `by` is right minus left, where both are numbers."""

    name: str
    left: Any
    right: Any

    @property
    def by(self) -> float | None:
        """The difference, to the results' 6 digits."""
        left, right = self.left, self.right
        if isinstance(left, bool) or isinstance(right, bool):
            return None
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            return None
        return round(right - left, 6)

    @property
    def is_headline(self) -> bool:
        """One of the figures that a reader looks at first?"""
        return self.name.endswith(_HEADLINES) and ".routes." not in self.name

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"name": self.name, "left": self.left, "right": self.right, "by": self.by}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that differs between `left` and `right`; `told` differs too, but makes no other result."""

    kind: Literal["run manifests", "studies", "records"]
    left: str
    right: str
    settings: tuple[Change, ...] = ()
    cells: tuple[CellChange, ...] = ()
    numbers: tuple[NumberChange, ...] = ()
    told: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Is there a difference in anything but where and when?"""
        return bool(self.settings or self.cells or self.numbers)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "left": self.left,
            "right": self.right,
            "different": self.any,
            "settings": changes_json(self.settings),
            "cells": [cell.to_json() for cell in self.cells],
            "numbers": [number.to_json() for number in self.numbers],
            "told": changes_json(self.told),
            "notes": list(self.notes),
        }


def changes_json(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    """Field, old and new value of each."""
    return [{"field": change.field, "left": change.old, "right": change.new} for change in changes]


def numbers(left: Document, right: Document) -> Iterator[NumberChange]:
    """The figures that differ, a figure on one side alone counting as null on the other."""
    before, after = (_figures(document) for document in (left, right))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield NumberChange(name=name, left=before.get(name), right=after.get(name))


def _figures(document: Document) -> Mapping[str, Any]:
    """By name; an empty table (a figure without evidence) counts as null."""
    return {
        ".".join(path[1:] if path[0] == "rows" else path): None if value == {} else value
        for path, value in document.leaves()
        if path and path[0] not in _NOT_NUMBERS
    }
