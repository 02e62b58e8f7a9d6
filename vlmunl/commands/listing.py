"""Lists of named things: choosing one by name, and showing them as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")


def pick(what: str, name: str | None, known: Mapping[str, T]) -> list[T]:
    """The named one, or all.

    Raises:
        UsageError: there is none of that name; it lists the nearest.
    """
    if name is None:
        return list(known.values())
    if name in known:
        return [known[name]]
    from vlmunl.errors import UsageError
    from vlmunl.manifests.schema import unknown

    raise UsageError(unknown(f"{what} {name!r}", name, known))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table without lines."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, title in enumerate(head):
        made.add_column(title, no_wrap=i == 0)
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    return made
