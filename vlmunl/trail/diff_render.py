"""A difference as a tree for the terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from vlmunl.out import count
from vlmunl.stage import Change
from vlmunl.trail.changes import CellChange, Difference

_LONG = 40
_NUMBERS = 40
_WIDTH = 80


def render(found: Difference) -> Tree:
    """Settings, then cells from cause to consequence, then numbers."""
    top = Tree(Text.assemble(found.kind, "  ", (found.left, "bold"), " -> ", (found.right, "bold")))
    if not found.any:
        top.add(Text("no difference", style="green"))
    _settings(top, "asked" if found.kind == "records" else "settings", found.settings)
    for kind, title in (
        ("changed", "changed"),
        ("not deterministic", "not deterministic: the same key, another result"),
        ("status", "another status"),
        ("only left", f"only in {found.left}"),
        ("only right", f"only in {found.right}"),
    ):
        _cells(top, title, [cell for cell in found.cells if cell.kind == kind])
    _followers(top, [cell for cell in found.cells if cell.kind == "follows"])
    _numbers(top, found)
    _settings(top, "where and when", found.told)
    for note in found.notes:
        top.add(Text(note, style="yellow"))
    return top


def _settings(top: Tree, title: str, changes: Sequence[Change]) -> None:
    if changes:
        branch = top.add(Text(title, style="bold"))
        for change in changes:
            branch.add(_change(change))


def _cells(top: Tree, title: str, cells: Sequence[CellChange]) -> None:
    if not cells:
        return
    branch = top.add(Text.assemble((title, "bold"), f"  {count(len(cells), 'cell')}"))
    for cell in cells[:_LONG]:
        note = f"  {cell.note}" if cell.note else ""
        leaf = branch.add(Text.assemble((cell.cell, "bold"), note))
        for change in cell.changes:
            leaf.add(_change(change))
        if cell.follows:
            leaf.add(Text(f"follows from {_some(cell.follows)}"))
    if len(cells) > _LONG:
        branch.add(Text(f"... {len(cells) - _LONG} more (--json shows all)", style="dim"))


def _followers(top: Tree, cells: Sequence[CellChange]) -> None:
    """Cells that only read what others wrote, grouped by these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        groups.setdefault(cell.follows, []).append(cell.cell + (f" ({cell.note})" if cell.note else ""))
    if groups:
        branch = top.add(Text.assemble(("follow", "bold"), f"  {count(len(cells), 'cell')}"))
        for sources, names in groups.items():
            branch.add(Text(f"{_some(names)}  from {_some(sources)}"))


def _numbers(top: Tree, found: Difference) -> None:
    """Headlines where both sides have a figure; what only one side has is counted by row."""
    if not found.numbers:
        return
    branch = top.add(Text.assemble(("numbers", "bold"), f"  {len(found.numbers)} differ"))
    both = [number for number in found.numbers if number.left is not None and number.right is not None]
    shown = ([number for number in both if number.is_headline] or both)[:_NUMBERS]
    for number in shown:
        by = f"  ({number.by:+g})" if number.by is not None else ""
        branch.add(Text(f"{number.name}  {_value(number.left)} -> {_value(number.right)}{by}"))
    if rest := len(both) - len(shown):
        branch.add(Text(f"... {rest} more (--json shows all)", style="dim"))
    for side, label in (("left", found.left), ("right", found.right)):
        other = "right" if side == "left" else "left"
        alone = Counter(n.name.partition(".")[0] for n in found.numbers if getattr(n, other) is None)
        some = _some([f"{name} ({count(number, 'figure')})" for name, number in alone.items()])
        if alone:
            branch.add(Text(f"only in {label}: {some}"))


def _change(change: Change) -> Text:
    return Text.assemble(f"{change.field}  ", (_text(change.old), "red"), " -> ", (_text(change.new), "green"))


def _text(value: str | None) -> str:
    line = "(none)" if value is None else " ".join(value.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _value(value: Any) -> str:
    return _text(value if isinstance(value, str) else None if value is None else json.dumps(value))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
