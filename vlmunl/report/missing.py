"""What a study without (all) results lacks, and what to type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from vlmunl.errors import MissingInput
from vlmunl.report.page import document

if TYPE_CHECKING:
    from pathlib import Path

    from vlmunl.store import Store
    from vlmunl.workspace import Workspace

OPEN = ("pending", "failed")
_NAMED = 40


def open_cells(cells: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(cell, status, reason) of the cells of a run manifest that are still to come."""
    return [
        (name, str(cell["status"]), str(cell["reason"] or "")) for name, cell in cells.items() if cell["status"] in OPEN
    ]


def planned_cells(path: Path, workspace: Workspace, store: Store) -> list[tuple[str, str, str]] | None:
    """The same of a study that has no results, from its plan; None where it cannot be planned on this machine.

    Raises:
        StudyError: the study is not valid.
    """
    from vlmunl.manifests.external import base_model, outside
    from vlmunl.manifests.load import load_study
    from vlmunl.manifests.plan import plan
    from vlmunl.manifests.states import Board

    study = load_study(path)
    try:
        planned = plan(study, base_model(study, workspace.root), outside=outside(study, workspace.root))
    except MissingInput:
        return None
    board = Board(planned, store)
    return [(name, state.status, state.reason) for name, state in board.states.items() if state.status in OPEN]


def commands(study: str, *, results: bool) -> list[tuple[str, str]]:
    """What to type, and what for."""
    again = [] if results else [(f"vlmunl status {study}", "which cells are done")]
    return [
        (f"vlmunl run {study}", "does what is missing, and only that"),
        (f"vlmunl status {study} --why", "why each cell stands as it does"),
        *again,
        (f"vlmunl report {study}", "this page again"),
    ]


def notice(study: str, cells: Sequence[tuple[str, str, str]] | None, *, results: bool) -> str:
    """What is missing, and what to type, as HTML."""
    typed = "".join(
        f"<li><code>{escape(line)}</code> <span class='dim'>{escape(what)}</span></li>"
        for line, what in commands(study, results=results)
    )
    head = _head(cells)
    if results:
        head += " The numbers below are those of the cells that are done."
    cells = cells or ()
    listed = "".join(
        f"<li><code>{escape(name)}</code> {escape(status)}{f': {escape(reason)}' if reason else ''}</li>"
        for name, status, reason in cells[:_NAMED]
    )
    rest = f"<li>and {len(cells) - _NAMED} more</li>" if len(cells) > _NAMED else ""
    more = f"<details><summary>the cells</summary><ul>{listed}{rest}</ul></details>" if cells else ""
    return f'<div class="missing" role="note"><p><b>{head}</b></p>{more}<p>Type next:</p><ul>{typed}</ul></div>'


def _head(cells: Sequence[tuple[str, str, str]] | None) -> str:
    if cells is None:
        return "What is done cannot be told on this machine: the study's model or data are not here."
    if not cells:
        return "All cells are done, and their results were not written to this workspace."
    counts = Counter((status, name.partition("/")[0]) for name, status, _ in cells)
    said = ", ".join(f"{count} {escape(stage)} {escape(status)}" for (status, stage), count in counts.items())
    return f"Not complete: {said}."


def page(study: str, cells: Sequence[tuple[str, str, str]] | None) -> str:
    """The report of a study that has no results."""
    body = (
        f'<header><p class="dim">vlmunl report</p><h1>{escape(study)}</h1>'
        f"<p>The study <b>{escape(study)}</b> has no results yet, so there is nothing to report.</p>"
        f"{notice(study, cells, results=False)}</header>"
    )
    return document(f"{study}: no results yet", body)
