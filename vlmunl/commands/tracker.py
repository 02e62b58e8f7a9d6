"""What a run has done so far, as numbers and short texts; how they are drawn is decided elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from vlmunl.engine.messages import Advance
from vlmunl.manifests.plan import Cell
from vlmunl.manifests.states import Board, CellState
from vlmunl.out import clock, duration
from vlmunl.stages.declared import STAGES

LINES = {"aggregate": "results", "tables": "results", "chance": "eval"}
"""Stages that share a line with others."""
_ORDER = tuple(STAGES)


@dataclass
class _Running:
    cell: Cell
    began: float
    step: Advance | None = None
    device: str = ""
    step_one: float | None = None  # when its first step was reported: loading is not part of the rate


@dataclass
class _Line:
    total: int = 0
    done: int = 0
    blocked: int = 0
    began: float | None = None
    ended: float | None = None
    ran: int = 0
    remarks: list[str] = field(default_factory=list)


class Tracker:
    """One line per stage: how many cells are done, how long it took, what runs now."""

    def __init__(self, board: Board, todo: Collection[str]) -> None:
        self.board = board
        self.lines: dict[str, _Line] = {}
        self.running: dict[str, _Running] = {}
        self.foreign: tuple[str, ...] = ()
        self.left = len(todo)
        self.began = time.monotonic()
        todo = set(todo)
        for cell in sorted(board.plan.cells, key=lambda cell: _ORDER.index(cell.stage.name)):
            state = board[cell.name]
            if cell.name in todo or state.done:
                line = self.lines.setdefault(line_of(cell), _Line())
                line.total += 1
                line.done += cell.name not in todo

    def started(self, cell: Cell, device: str = "") -> None:
        line = self.lines.setdefault(line_of(cell), _Line())
        line.began = line.began or time.monotonic()
        self.running[cell.name] = _Running(cell, time.monotonic(), device=device)

    def advanced(self, step: Advance) -> None:
        running = self.running.get(step.cell)
        if running is not None:
            if running.step_one is None and step.done > 0:
                running.step_one = time.monotonic()
            running.step = step

    def ended(self, state: CellState, failed: bool) -> float:
        """Seconds that the cell took here; 0 if another process did it."""
        running = self.running.pop(state.cell.name, None)
        line = self.lines.setdefault(line_of(state.cell), _Line())
        line.ended = time.monotonic()
        line.ran += running is not None
        self.left -= 1
        if failed:
            line.remarks.append(f"{state.cell.name} failed")
        else:
            line.done += 1
        if state.gate is not None:
            line.remarks.append(verdict(state))
        return 0.0 if running is None else time.monotonic() - running.began

    def changed(self, states: Iterable[CellState]) -> None:
        for state in states:
            if state.status == "failed-gate" and state.gate is None:
                self.lines.setdefault(line_of(state.cell), _Line()).blocked += 1
                self.left -= 1

    def remark(self, name: str) -> str:
        """The text to the right of a stage's bar."""
        line = self.lines[name]
        mine = [r for r in self.running.values() if line_of(r.cell) == name]
        if mine:
            more = f"  (+{len(mine) - 1} more)" if len(mine) > 1 else ""
            return describe(mine[-1]) + more
        parts = list(line.remarks)
        if line.blocked:
            parts.append(f"{line.blocked} not run (gate failed)")
        if line.done + line.blocked == line.total and line.began and line.ended and not line.remarks:
            parts.insert(0, f"done in {duration(line.ended - line.began)}")
        elif line.done == line.total and not line.ran and not parts:
            parts.append("done before")
        elsewhere = sum(line_of(self.board.plan.by_name[n]) == name for n in self.foreign)
        if elsewhere:
            parts.append(f"{elsewhere} running in another process")
        return ", ".join(parts)


def line_of(cell: Cell) -> str:
    """The name of the line that a cell is counted in."""
    return LINES.get(cell.stage.name, cell.stage.name)


def describe(running: _Running) -> str:
    """`npo_wide seed 1   gpu 0   31/60   loss 2.13   0:07 left`; the device where there are accelerators."""
    cell, step = running.cell, running.step
    who = cell.row or cell.stage.name
    parts = [who if cell.seed is None else f"{who} seed {cell.seed}"]
    if running.device:
        parts.append(running.device)
    if step is None or step.total <= 0:
        parts.append("starting")
        return "   ".join(parts)
    if step.total > 1:
        parts.append(f"{step.done}/{step.total}")
    if step.note:
        parts.append(step.note)
    if running.step_one is not None and 1 < step.done < step.total:
        pace = (time.monotonic() - running.step_one) / (step.done - 1)
        parts.append(f"{clock(pace * (step.total - step.done))} left")
    return "   ".join(parts)


def verdict(state: CellState) -> str:
    """`passed: open D=.93 [.88]` of a gate cell, with its seed."""
    assert state.gate is not None, "only asked of gates that were judged"
    if not state.gate.passed:
        return f"seed {state.cell.seed} FAILED: {state.reason}"
    shown = [
        f"{f.format} D={f.headroom:.2f} (>{f.low:.2f})" for f in state.gate.formats.values() if f.verdict == "passed"
    ]
    return f"seed {state.cell.seed} passed: {', '.join(shown)}"
