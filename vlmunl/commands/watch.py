"""`vlmunl status --watch`: the board redrawn on a terminal, a line per change elsewhere, until nothing moves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vlmunl.cluster.scene import Lookout
from vlmunl.cluster.standing import Standing
from vlmunl.commands.session import Session, headline
from vlmunl.commands.status import look, shown, tally

if TYPE_CHECKING:
    from rich.text import Text

_SHARE = 20
"""A look may take this part of the time at most: a study of thousands of cells is looked at less often."""
_FIRST = ("running", "failed", "queued", "pending", "failed-gate", "verified", "excluded")


def follow(session: Session, lookout: Lookout, every: float) -> list[Standing]:
    """Look every so many seconds until no cell runs or is in the queue; returns how they stand then."""
    screen = _Screen(session) if session.out.live else _Lines(session)
    with ExitStack() as ends:
        ends.enter_context(screen)
        while True:
            began = time.monotonic()
            rows, _ = look(session, lookout)
            screen.show(rows)
            if not any(row.unsettled for row in rows):
                return rows
            taken = time.monotonic() - began
            time.sleep(max(every - taken, taken * (_SHARE - 1)))


class _Lines:
    """One line for each cell whose state or job has changed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, rows: Sequence[Standing]) -> None:
        now = time.strftime("%H:%M:%S")
        if not self.before:
            self._say(f"{now}  {headline(self.session.plan)}")
            changed = [row for row in rows if row.unsettled]
        else:
            changed = [row for row in rows if self.before[row.cell] != (row.state, row.job)]
        for row in changed:
            reason = " ".join(row.reason.split())
            self._say(f"{now}  {row.cell}  {row.state}" + (f"  {reason}" if reason else ""))
        if changed or not self.before:
            self._say(f"{now}  {tally(rows)}")
        self.before = {row.cell: (row.state, row.job) for row in rows}

    def _say(self, text: str) -> None:
        if self.session.out.as_json:
            self.session.out.note(text)
        else:
            self.session.out.line(text)


class _Screen(_Lines):
    """A page of the terminal with what moves first; gone when it ends."""

    def __enter__(self) -> _Screen:
        from rich.live import Live

        self.live = Live(console=self.session.out.console, screen=True, auto_refresh=False)
        self.live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.live.stop()

    def show(self, rows: Sequence[Standing]) -> None:
        size = self.session.out.console.size
        self.live.update(self._page(rows, size.width, size.height), refresh=True)

    def _page(self, rows: Sequence[Standing], width: int, height: int) -> Text:
        """As many cells as there is room for: those that run, then what failed, then what waits."""
        from rich.text import Text

        from vlmunl.columns import aligned
        from vlmunl.out import NEVER

        ordered = sorted(rows, key=lambda row: _FIRST.index(row.state))
        head = [Text(headline(self.session.plan), style="bold"), Text(f"{time.strftime('%H:%M:%S')}  {tally(rows)}")]
        lines = [Text.assemble(*pieces) for pieces in aligned([shown(row, key=False) for row in ordered], NEVER)]
        room = max(1, height - len(head) - 3)
        if len(lines) > room:
            lines = [*lines[:room], Text(f"  ... and {len(lines) - room} more", style="dim")]
        page = [*head, Text(), *lines, Text("Ctrl-C to leave: what runs goes on", style="dim")]
        for line in page:
            line.truncate(width, overflow="ellipsis")
        return Text("\n").join(page)
