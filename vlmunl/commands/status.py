"""`vlmunl status STUDY`: each cell, its state and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmunl.commands.options import Sets, StudyArg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlmunl.cluster.scene import Lookout
    from vlmunl.cluster.standing import Standing
    from vlmunl.commands.session import Session
    from vlmunl.manifests.states import Board

EXAMPLES = (
    "vlmunl status quick",
    "vlmunl status quick --watch",
    "vlmunl status quick --watch 60 >> watch.log",
    "vlmunl status quick --why",
    "vlmunl status quick --why --set methods.npo.lr=1e-3",
    "vlmunl status quick --json",
)

STYLES = {
    "verified": "green",
    "failed-gate": "red",
    "failed": "red",
    "excluded": "dim",
    "running": "cyan",
    "queued": "yellow",
}
_DETAILED = 4
"""Cells that failed of which the log's end is shown."""


Because = Annotated[
    bool, typer.Option("--why", help="Say of every cell why it would run again, or which record makes that needless.")
]
Watch = Annotated[
    float | None,
    typer.Option(
        "--watch",
        metavar="[SECONDS]",
        min=1,
        help="Look again every 10 (or so many) seconds, until nothing runs or waits in the queue any more.",
    ),
]


def status(ctx: typer.Context, study: StudyArg, sets: Sets = None, why: Because = False, watch: Watch = None) -> None:
    """Show each cell of a study, its state and why: done, running (where), queued (why), failed (its last words).

    Exit code 0: all done; 1: something failed; 3: a gate failed; 4: something is not done yet.
    """
    from vlmunl.cluster.scene import Lookout
    from vlmunl.cluster.standing import exit_code
    from vlmunl.commands.session import headline, open_session

    session = open_session(ctx, study, sets, write=False)
    out, lookout = session.out, Lookout(session.plan)
    rows = _watched(session, lookout, watch)
    causes: dict[str, Any] = {}
    if not rows or why:
        rows, causes = look(session, lookout, why=why)
    code = exit_code(rows)
    if watch is None or out.live:  # else it has been told line by line
        out.line(headline(session.plan))
        out.columns([shown(row) for row in rows])
    details(session, rows)
    out.line(tally(rows))
    cells = [row.to_json() | ({"why": causes[row.cell]} if why else {}) for row in rows]
    out.document({"schema": 1, "study": session.plan.study.name, "exit_code": code, "cells": cells})
    raise typer.Exit(code)


def _watched(session: Session, lookout: Lookout, every: float | None) -> list[Standing]:
    """How the cells stand when nothing moves any more; nothing if that is not to be waited for."""
    from vlmunl.commands.watch import follow

    try:
        return [] if every is None else follow(session, lookout, every)
    except KeyboardInterrupt:  # whoever leaves has interrupted nothing
        raise typer.Exit(130) from None


def look(session: Session, lookout: Lookout, *, why: bool = False) -> tuple[list[Standing], dict[str, Any]]:
    """Where every cell stands now; with `why` also the whole causes, by cell."""
    from vlmunl.cluster.standing import standings
    from vlmunl.manifests.states import Board

    session.store.refresh()
    board = Board(session.plan, session.store)
    rows = standings(board, lookout.look(board), session.workspace.study_name(session.plan.study.path))
    return _explained(board, rows) if why else (rows, {})


def _explained(board: Board, rows: list[Standing]) -> tuple[list[Standing], dict[str, Any]]:
    """With the cause in place of the reason, but where a process or a job is at the cell."""
    from dataclasses import replace

    from vlmunl.trail.why import reasons

    found = reasons(board)
    told = [row if row.job or row.state == "running" else replace(row, reason=str(found[row.cell])) for row in rows]
    return told, {name: why.to_json() for name, why in found.items()}


def shown(row: Standing, *, key: bool = True) -> list[tuple[str, str]]:
    """The columns of one cell."""
    first = [("  " + row.cell, ""), (row.state, STYLES.get(row.state, ""))]
    return [*first, *([((row.key or "")[:10], "dim")] if key else []), (" ".join(row.reason.split()), "")]


def details(session: Session, rows: Sequence[Standing]) -> None:
    """Of the first cells that failed: where the log is, its last lines, and what to type next."""
    from pathlib import Path

    out = session.out
    failed = [row for row in rows if row.next]
    for row in failed[:_DETAILED]:
        out.line()
        out.line(f"{row.cell}{f': {session.workspace.shown(Path(row.log))}' if row.tail else ''}")
        for line in row.tail:
            out.line(f"  | {line}")
        out.line(f"  next: {row.next}")
    if len(failed) > _DETAILED:
        out.line(f"and {len(failed) - _DETAILED} more like these: --json has the log, its end and what to type of each")
    if failed:
        out.line()


def tally(rows: Sequence[Standing]) -> str:
    """`12 verified, 2 running, 3 pending`."""
    from vlmunl.cluster.standing import ORDER

    counts = {state: sum(row.state == state for row in rows) for state in ORDER}
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number)
