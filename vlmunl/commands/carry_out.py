"""What `run` and the stage commands share: choose cells, run what is missing, write files, tell what came of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmunl.commands.session import Chosen, Session, headline
from vlmunl.errors import Stopped
from vlmunl.out import count, duration

if TYPE_CHECKING:
    from pathlib import Path

    from vlmunl.engine.run import Outcome
    from vlmunl.manifests.cells import Cell
    from vlmunl.manifests.states import Board, CellState


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for. `stage` is the command's name, empty for `run`."""

    chosen: Chosen
    stage: str = ""
    jobs: int | None = None
    force: bool = False
    dry_run: bool = False
    explain: bool = False
    here: bool = False
    """Compute on a login node too."""


def carry_out(session: Session, request: Request) -> int:
    """Do it, or with `dry_run` only tell; returns the exit code.

    Raises:
        VlmunlError: the results are there and cannot be written into the workspace.
    """
    from vlmunl.commands.progress import reporter
    from vlmunl.commands.publish import publish
    from vlmunl.engine.run import execute, exit_code

    session.out.line(headline(session.plan))
    if request.dry_run:
        return preview(session, request)
    if request.explain:
        preview(session, request, hits=True)
    if request.stage:
        refuse_if_nothing_can_run(session, request)
    if not request.here:
        refuse_on_login_node(session, request)
    began = time.monotonic()
    try:
        outcome = execute(
            session.plan,
            session.store,
            reporter(session.out),
            chosen=request.chosen,
            jobs=request.jobs,
            force=request.force,
            debug=session.options.debug,
        )
    except Stopped as stopped:
        if stopped.warned:
            from vlmunl.cluster.job import queue_again

            queue_again(session.out.note, further=stopped.further)
        raise
    except KeyboardInterrupt as interrupted:
        session.out.note(f"interrupted; {interrupted}" if str(interrupted) else "interrupted")
        raise
    files = publish(session, outcome.board, request.chosen)
    code = exit_code(outcome, request.chosen)
    conclude(session, outcome, request, files, code, time.monotonic() - began)
    return code


# ------------------------------------------------------------------------------------- beforehand


def preview(session: Session, request: Request, *, hits: bool = False) -> int:
    """List what would run and why; with `hits` also what would not."""
    lines = foreseen(session, request)
    would = [state.cell.name for state, runs, _ in lines if runs]
    width = max((len(state.cell.name) for state, _, _ in lines), default=0)
    for state, runs, why in lines:
        if runs or hits:
            session.out.line(
                f"  {state.cell.name:<{width}}  {'would run' if runs else state.status:<11}  {why}".rstrip()
            )
    if request.dry_run:
        none = "nothing would run; what is missing cannot run yet" if _open(lines) else "nothing would run; all is done"
        session.out.line(f"{count(len(would), 'cell')} would run" if would else none)
        estimates = _estimates(session, [state.cell for state, runs, _ in lines if runs])
        cells = [{"cell": s.cell.name, "status": s.status, "runs": r, "reason": w, "key": s.key} for s, r, w in lines]
        document = {"schema": 1, "study": session.plan.study.name, "dry_run": True, "cells": cells}
        session.out.document(document | {"estimates": estimates})
    return 0


def foreseen(session: Session, request: Request) -> list[tuple[CellState, bool, str]]:
    """Of each chosen cell its state, whether it would run, and why (not)."""
    from vlmunl.manifests.states import Board

    names = [cell.name for cell in session.plan.cells if request.chosen(cell)]
    board = Board(session.plan, session.store, forced=names if request.force else ())
    would: set[str] = set()
    lines = []
    for name in names:
        runs, why = foresee(board, board[name], would)
        would |= {name} if runs else set()
        lines.append((board[name], runs, why))
    return lines


def refuse_on_login_node(session: Session, request: Request) -> None:
    """Raise UsageError if a large model would compute on a node that is for logging in."""
    from vlmunl.cluster.site import login_node

    if not login_node():
        return
    from vlmunl.machine.guard import refuse_heavy

    cells = [state.cell for state, runs, _ in foreseen(session, request) if runs]
    refuse_heavy(cells, session.workspace.study_name(session.plan.study.path))


def _estimates(session: Session, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Say what memory and time those cells will take on this machine's first device, by stage."""
    from dataclasses import asdict

    from vlmunl.commands.doctor import lines
    from vlmunl.errors import MissingInput
    from vlmunl.machine.devices import devices
    from vlmunl.machine.fit import costs
    from vlmunl.models.shapes import shape_of
    from vlmunl.stage_types import External

    base = next((given for cell in cells if isinstance(given := cell.inputs.get("base"), External)), None)
    if base is None:
        return []
    try:
        shape = shape_of(base.path)
    except MissingInput as error:
        session.out.line(f"no estimate of memory: {error.message}")
        shape = None
    device = devices()[0]
    found = costs(cells, shape, device, session.store)
    session.out.line(f"on {device.name} with {device.memory / 2**30:.0f} GiB, by estimate:")
    for line in lines(found, memory=device.memory):
        session.out.line(line)
    return [{"device": device.name, **asdict(cost)} for cost in found]


def _open(lines: Sequence[tuple[CellState, bool, str]]) -> bool:
    return any(state.status == "pending" for state, _, _ in lines)


def foresee(board: Board, state: CellState, would: Collection[str]) -> tuple[bool, str]:
    """Would this cell run once those in `would` (of the cells before it) have run, and why (not)?"""
    if state.status in ("excluded", "failed-gate"):
        return False, state.reason
    if state.done:
        return False, "hit"
    if state.cell.collects and would:
        return True, f"after the {count(len(would), 'cell')} before it"
    if state.ready:
        reason = board.explain(state.cell.name)
        return True, str(reason) if reason is not None and reason.runs else state.reason
    missing = [name for name in state.cell.needs if not board[name].done]
    if all(name in would for name in missing):
        last = missing[-1]
        return True, f"after {last}" + (", if it passes" if last == state.cell.after_gate else "")
    return False, state.reason


def refuse_if_nothing_can_run(session: Session, request: Request) -> None:
    """A stage command says what is missing when not one of its cells can run.

    Raises:
        MissingInput: no chosen cell is done or can start; it names the first one and what it needs.
    """
    from vlmunl.errors import MissingInput
    from vlmunl.manifests.states import Board

    board = Board(session.plan, session.store)
    states = [board[cell.name] for cell in session.plan.cells if request.chosen(cell)]
    if any(state.done or state.ready or state.status in ("excluded", "failed-gate") for state in states):
        return
    for state in states:
        above = next((n for n in state.cell.needs if not board[n].done), None)
        if above is not None:
            command = session.plan.by_name[above].command
            raise MissingInput(
                f"{state.cell.name} needs {above}, which is not done",
                f"first: vlmunl {command} {session.workspace.study_name(session.plan.study.path)}",
            )


# -------------------------------------------------------------------------------------- afterwards


def conclude(
    session: Session, outcome: Outcome, request: Request, files: list[Path], code: int, seconds: float
) -> None:
    """Say what ran, what is missing and why, and show the results table."""
    out, board = session.out, outcome.board
    states = [board[cell.name] for cell in session.plan.cells if request.chosen(cell)]
    out.line(_what_ran(outcome, seconds))
    shown = show_results(session, board, request.chosen)
    for line in left_over([s for s in states if not shown or s.status not in ("pending", "failed-gate")]):
        out.line(line)
    where = _where(session, board, request.chosen)
    for line in where:
        out.line(line)
    counts: dict[str, int] = {}
    for state in states:
        counts[state.status] = counts.get(state.status, 0) + 1
    document: dict[str, Any] = {
        "schema": 1,
        "study": session.plan.study.name,
        "exit_code": code,
        "ran": sorted(outcome.ran),
        "by_another_process": sorted(outcome.taken),
        "errors": {name: error.message for name, error in sorted(outcome.errors.items())},
        "cells": counts,
        "written": [str(path) for path in files],
    }
    out.document(document)


def _what_ran(outcome: Outcome, seconds: float) -> str:
    if not (outcome.ran or outcome.errors or outcome.taken):
        return "no cell ran: everything that can be done is done already"
    parts = [f"{count(len(outcome.ran), 'cell')} ran in {duration(seconds)}"]
    if outcome.taken:
        parts.append(f"{len(outcome.taken)} by another process")
    if outcome.errors:
        parts.append(f"{len(outcome.errors)} failed")
    return ", ".join(parts)


def left_over(states: Sequence[CellState]) -> list[str]:
    """One line per reason for the cells that are not verified."""
    groups: dict[tuple[str, str], list[str]] = {}
    for state in states:
        if state.status != "verified":
            groups.setdefault((state.status, state.reason), []).append(state.cell.name)
    lines = []
    for (status, reason), names in groups.items():
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"{status}: {some}: {reason}")
    return lines


def show_results(session: Session, board: Board, chosen: Chosen) -> bool:
    """The results table and its notes, when the results are there; says whether they were."""
    from vlmunl.manifests.plan import AGGREGATE

    results = board[AGGREGATE]
    if not results.done or not chosen(results.cell):
        return False
    if session.out.as_json or session.out.quiet:
        return True
    import json

    from vlmunl.latex.read import parse_results
    from vlmunl.latex.terminal import notes, render
    from vlmunl.workspace import read_or_set_aside

    verified = parse_results(json.loads(read_or_set_aside(session.store, results.output("verified_results"))))
    session.out.line()
    session.out.show(render(verified))
    session.out.line()
    for note in notes(verified):
        session.out.line(note)
    session.out.line()
    return True


def claims_left_out(session: Session, board: Board) -> tuple[str, ...]:
    """The claims that the paper will not print, and why."""
    if session.out.as_json or session.out.quiet:
        return ()
    import json

    from vlmunl.latex.claims import not_supported
    from vlmunl.latex.read import parse_results
    from vlmunl.manifests.plan import AGGREGATE
    from vlmunl.workspace import read_or_set_aside

    found = json.loads(read_or_set_aside(session.store, board[AGGREGATE].output("verified_results")))
    return not_supported(parse_results(found))


def _where(session: Session, board: Board, chosen: Chosen) -> list[str]:
    from vlmunl.manifests.plan import AGGREGATE, TABLES

    space, study = session.workspace, session.plan.study.name
    lines = []
    if board[AGGREGATE].done and chosen(board[AGGREGATE].cell):
        lines.append(f"summary   {space.shown(space.results(study) / 'summary.md')}")
        lines.append(f"results   {space.shown(space.results(study) / 'verified_results.json')}")
    if board[TABLES].done and chosen(board[TABLES].cell):
        lines.append(f"tables    {space.shown(space.generated(study))}/  (.tex .md .csv .html, figures)")
        lines += claims_left_out(session, board)
    return lines
