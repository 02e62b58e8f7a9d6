"""`vlmunl status STUDY`: each cell, its state and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmunl.commands.options import Sets, StudyArg

if TYPE_CHECKING:
    from vlmunl.manifests.states import Board, CellState

EXAMPLES = (
    "vlmunl status quick",
    "vlmunl status quick --why",
    "vlmunl status quick --why --set methods.npo.lr=1e-3",
    "vlmunl status quick --json",
)

_STYLES = {"verified": "green", "failed-gate": "red", "failed": "red", "excluded": "dim", "running": "cyan"}


Because = Annotated[
    bool, typer.Option("--why", help="Say of every cell why it would run again, or which record makes that needless.")
]


def status(ctx: typer.Context, study: StudyArg, sets: Sets = None, why: Because = False) -> None:
    """Show each cell of a study, its state and why. Exit code 0: all done; 3: a gate failed; 4: something pending."""
    from vlmunl.commands.session import headline, open_session
    from vlmunl.engine.run import board_code
    from vlmunl.manifests.states import Board

    session = open_session(ctx, study, sets, write=False)
    board = Board(session.plan, session.store)
    rows = describe(board, why=why)
    code = board_code(board)
    session.out.line(headline(session.plan))
    session.out.columns([_shown(row) for row in rows])
    session.out.line(tally(rows))
    session.out.document({"schema": 1, "study": session.plan.study.name, "exit_code": code, "cells": rows})
    raise typer.Exit(code)


def describe(board: Board, *, why: bool = False) -> list[dict[str, Any]]:
    """Cell, state, reason, key and record of each cell, in the order of work; with `why` the whole cause."""
    running = board.running()
    rows = [_row(board, state, running) for state in board.states.values()]
    if why:
        from vlmunl.trail.why import reasons

        found = reasons(board)
        for row in rows:
            cause = found[row["cell"]]
            row["reason"] = row["reason"] if row["state"] == "running" else str(cause)
            row["why"] = cause.to_json()
    return rows


def _row(board: Board, state: CellState, running: dict[str, str]) -> dict[str, Any]:
    name = state.cell.name
    shown, reason = str(state.status), state.reason
    if name in running:
        shown, reason = "running", running[name]
    elif state.ready and not state.done:
        why = board.explain(name)
        if why is not None and state.status == "pending" and not state.cell.collects:
            reason = f"would run: {why}"
    elif state.gate is not None and state.status == "verified":
        reason = state.gate.reason
    if state.done and board.store.divergent(state.key or ""):
        reason = f"not deterministic: one key has given different results. {reason}".strip()
    record = state.record.name.file if state.done and state.record is not None else None
    return {"cell": name, "state": shown, "reason": reason, "key": state.key, "record": record}


def _shown(row: dict[str, Any]) -> list[tuple[str, str]]:
    style = _STYLES.get(row["state"], "")
    reason = " ".join(row["reason"].split())
    return [("  " + row["cell"], ""), (row["state"], style), ((row["key"] or "")[:10], "dim"), (reason, "")]


def tally(rows: list[dict[str, Any]]) -> str:
    """`12 verified, 3 pending`."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    return ", ".join(f"{number} {state}" for state, number in counts.items())
