"""Columns of short texts, aligned: what a rich grid shows, at a hundredth of its cost for a thousand rows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

Cell = tuple[str, str]
"""A text without line breaks, and its rich style (empty for none)."""
GAP = 2
NARROWEST = 20
"""Columns below which the last text is no longer wrapped within its own place."""


def aligned(rows: Sequence[Sequence[Cell]], width: int) -> Iterator[list[Cell]]:
    """The lines of a grid, each a list of pieces to be put side by side.

    All rows have the same number of cells. The last column takes what is left of `width`, and goes on in its own
    place on the next line; the others are never cut.
    """
    from rich.cells import cell_len

    sizes = [[cell_len(text) for text, _ in row] for row in rows]
    widths = [max(column) + GAP for column in zip(*sizes, strict=True)][:-1]
    room = width - sum(widths)
    for row, lengths in zip(rows, sizes, strict=True):
        pieces = [(text + " " * (w - n), style) for (text, style), n, w in zip(row, lengths, widths, strict=False)]
        text, style = row[-1]
        first, *more = [text] if lengths[-1] <= room or room < NARROWEST else textwrap.wrap(text, room)
        yield [*pieces, (first, style)]
        for line in more:
            yield [(" " * sum(widths), ""), (line, style)]
