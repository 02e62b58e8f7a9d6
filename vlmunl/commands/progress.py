"""Showing a run: redrawn lines on a terminal, a line at sensible intervals in a log, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from vlmunl.commands.tracker import Tracker, describe, verdict
from vlmunl.engine.messages import Advance
from vlmunl.errors import Stopped, VlmunlError
from vlmunl.manifests.plan import Cell
from vlmunl.manifests.states import Board, CellState
from vlmunl.out import Out, count, duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEARTBEAT = 30.0
"""Seconds between two lines about cells that are still running, when lines cannot be redrawn."""
_BAR = 16


def reporter(out: Out) -> Plain:
    """The reporter that suits the output."""
    return Redrawn(out) if out.live else Plain(out)


class Plain:
    """One line for each cell that ends, and a heartbeat between; on stderr when stdout belongs to JSON."""

    def __init__(self, out: Out) -> None:
        self.out = out
        self.tracker: Tracker | None = None
        self.total = self.finished = 0
        self.spoke = time.monotonic()

    def begin(self, board: Board, todo: Collection[str], jobs: int) -> None:
        """Called once, before the first cell."""
        self.tracker = Tracker(board, todo)
        self.total = len(todo)
        self._say(f"  {count(len(todo), 'cell')} to run, {count(jobs, 'worker')}")

    def started(self, cell: Cell, device: str) -> None:
        """A worker was given the cell; `device` is its accelerator, if it has one."""
        self._tracker.started(cell, device)

    def advanced(self, step: Advance) -> None:
        """A running cell reports a step."""
        self._tracker.advanced(step)

    def ended(self, state: CellState, error: VlmunlError | None) -> None:
        """The cell's record is there, or it failed."""
        mine = state.cell.name in self._tracker.running
        device = self._tracker.running[state.cell.name].device if mine else ""
        seconds = self._tracker.ended(state, error is not None)
        self.finished += 1
        text = f"done in {duration(seconds)}" if mine else "done by another process"
        text += f" on {device}" if device else ""
        if state.gate is not None:
            text = verdict(state)
        self._say(
            f"  [{self.finished:>{len(str(self.total))}}/{self.total}] {state.cell.name}  {_failure(error) or text}"
        )
        for warning in warnings_of(state):
            self._say(f"      {warning}")

    def changed(self, states: Iterable[CellState]) -> None:
        """Cells whose state follows from one that ended."""
        before = self._tracker.left
        self._tracker.changed(states)
        if ruled_out := before - self._tracker.left:
            self.finished += ruled_out
            self._say(f"  {count(ruled_out, 'cell')} of that seed will not run")

    def elsewhere(self, cells: Collection[str]) -> None:
        """Cells that another process is working on."""
        if cells and set(cells) - set(self._tracker.foreign):
            self._say(f"  another process is at {', '.join(sorted(cells)[:4])}")
        self._tracker.foreign = tuple(cells)

    def told(self, text: str) -> None:
        """Something to know about the run itself."""
        self._say(f"  {text}")

    def tick(self) -> None:
        """Called a few times per second."""
        if time.monotonic() - self.spoke >= HEARTBEAT:
            for running in self._tracker.running.values():
                self._say(f"        {running.cell.stage.name}: {describe(running)}")

    def close(self) -> None:
        """Called once, also after an error."""

    @property
    def _tracker(self) -> Tracker:
        assert self.tracker is not None, "begin comes first"
        return self.tracker

    def _say(self, text: str) -> None:
        self.spoke = time.monotonic()
        if self.out.as_json:
            self.out.note(text)
        else:
            self.out.line(text)


class Redrawn(Plain):
    """One line per stage with a bar, redrawn; failures are printed above it."""

    def begin(self, board: Board, todo: Collection[str], jobs: int) -> None:
        from rich.live import Live

        self.tracker = Tracker(board, todo)
        self.total = len(todo)
        self.display: Live = Live(self._table(), console=self.out.console, auto_refresh=False, transient=False)
        self.display.start()

    def ended(self, state: CellState, error: VlmunlError | None) -> None:
        self._tracker.ended(state, error is not None)
        if error is not None:
            self.display.console.print(_failure(error), style="red", markup=False)
        for warning in warnings_of(state):
            self.display.console.print(f"  {state.cell.name}  {warning}", style="yellow", markup=False)

    def changed(self, states: Iterable[CellState]) -> None:
        self._tracker.changed(states)

    def told(self, text: str) -> None:
        self.display.console.print(f"  {text}", markup=False)

    def elsewhere(self, cells: Collection[str]) -> None:
        self._tracker.foreign = tuple(cells)

    def tick(self) -> None:
        self.display.update(self._table(), refresh=True)

    def close(self) -> None:
        self.tick()
        self.display.stop()

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for style, wrap in (("bold", True), ("", True), ("", True), ("dim", False)):
            table.add_column(style=style, no_wrap=wrap, overflow="fold")
        for name, line in self._tracker.lines.items():
            full = round(_BAR * line.done / line.total) if line.total else _BAR
            bar = "█" * full + "░" * (_BAR - full)
            table.add_row(f"  {name:<9}", bar, f"{line.done}/{line.total}", Text(self._tracker.remark(name)))
        return table


def warnings_of(state: CellState) -> list[str]:
    """What the cell's stage found remarkable about its own result."""
    found = state.record.metrics.get("warnings") if state.record is not None else None
    return [f"WARNING: {text}" for text in found] if isinstance(found, list) else []


def _failure(error: VlmunlError | None) -> str:
    if error is None:
        return ""
    if isinstance(error, Stopped):
        return f"stopped: {error.message}"
    return f"FAILED: {error.message}" + (f"\n      {error.hint}" if error.hint else "")
