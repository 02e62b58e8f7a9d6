"""`vlmunl logs [STUDY] CELL`: what a cell's job has printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from vlmunl.cluster.attempts import Attempt
    from vlmunl.cluster.queue import Queue
    from vlmunl.commands.session import Globals
    from vlmunl.out import Out

EXAMPLES = (
    "vlmunl logs unlearn/npo/seed0",
    "vlmunl logs quick unlearn/npo/seed0 --follow",
    "vlmunl logs unlearn/npo/seed0 --attempt 1 --lines 0",
    'less "$(vlmunl logs unlearn/npo/seed0 --path)"',
)
_ASKED = 5.0
"""Seconds between two questions to Slurm while a log is followed."""

Names = Annotated[
    list[str],
    typer.Argument(metavar="[STUDY] CELL", help="A cell; of a name that several studies have, the one run last."),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on printing until the job has ended.")]
Lines = Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="The last N lines; 0: all.")]
PathOnly = Annotated[bool, typer.Option("--path", help="Print where the log is, and nothing else.")]
Number = Annotated[
    int | None, typer.Option("--attempt", min=1, metavar="N", help="The Nth attempt; default: the newest.")
]


def logs(
    ctx: typer.Context,
    names: Names,
    follow: Follow = False,
    lines: Lines = 100,
    path: PathOnly = False,
    attempt: Number = None,
) -> None:
    """Show the log of the newest job of a cell; of one that ran without Slurm, what its record knows.

    A cell of Slurm's array has a log of its own; cells that share a job share its log.
    """
    from vlmunl.commands.session import globals_of

    options = globals_of(ctx)
    cell, known = _known(ctx, options, names)
    number = attempt or len(known)
    chosen = _choose(cell, known, number)
    if path:
        _only_path(options.out, cell, chosen)
        return
    options.out.note(f"attempt {number} of {len(known)}: {chosen}")
    try:
        shown = _show(options.out, chosen, lines, follow=follow)
    except KeyboardInterrupt:  # whoever leaves has interrupted nothing
        raise typer.Exit(130) from None
    told = {"attempt": number, "attempts": [each.to_json() for each in known], "lines": shown}
    options.out.document({"schema": 1, "cell": cell, **told})


def _known(ctx: typer.Context, options: Globals, names: list[str]) -> tuple[str, list[Attempt]]:
    """The cell, and the attempts at it.

    Raises:
        UsageError: the study has no such cell, or there are more than two names.
        MissingInput: nothing was ever run or submitted for it.
    """
    from vlmunl.cluster.attempts import attempts
    from vlmunl.commands.session import no_cell, open_session
    from vlmunl.errors import MissingInput, UsageError
    from vlmunl.workspace import find_workspace, open_store

    if len(names) > 2:
        raise UsageError(f"logs takes a cell, or a study and a cell; there is also {names[2]!r}")
    cell = names[-1]
    if len(names) == 1:
        store = open_store(options.store, find_workspace(options.workspace), create=False)
        found = attempts(store, cell)
    else:
        from vlmunl.manifests.states import Board

        session = open_session(ctx, names[0], write=False)
        if cell not in session.plan.by_name:
            raise no_cell("cell", cell, session.plan.by_name)
        key = Board(session.plan, session.store)[cell].key
        store, found = session.store, attempts(session.store, cell, study=session.plan.study.name, key=key)
    if not found:
        hint = f"how it stands, and why: vlmunl status {names[0] if len(names) == 2 else 'STUDY'}"
        raise MissingInput(f"there is no log of {cell}: no job and no run of it is known in {store.root}", hint)
    return cell, found


def _choose(cell: str, known: list[Attempt], number: int) -> Attempt:
    from vlmunl.errors import UsageError

    if number > len(known):
        raise UsageError(f"--attempt {number}: there were {len(known)} at {cell}")
    return known[number - 1]


def _only_path(out: Out, cell: str, chosen: Attempt) -> None:
    from vlmunl.errors import MissingInput

    if not chosen.log:
        raise MissingInput(f"no log was kept of {cell}, {chosen}", f"what its record knows: vlmunl logs {cell}")
    out.line(chosen.log)
    out.document({"schema": 1, "cell": cell, "path": chosen.log})


def _show(out: Out, chosen: Attempt, lines: int, *, follow: bool) -> list[str]:
    """Print it; returns the lines, but of a log that is followed on a terminal none."""
    from pathlib import Path

    from vlmunl.cluster.logs import tail
    from vlmunl.cluster.queue import Queue
    from vlmunl.cluster.words import standing

    if not chosen.log:
        return _say(out, chosen.lines or ("it has no log: what it prints is not kept",))
    log, queue = Path(chosen.log), Queue()
    try:
        found, size = tail(log, lines)
    except OSError as error:
        if chosen.lines:
            out.note(f"the log is gone ({log}); the record says:")
            return _say(out, chosen.lines)
        how = standing(queue.ask([chosen.job]).of(chosen.job, chosen.name)) if chosen.job else ""
        out.note(f"no log yet at {log}: {how or error.strerror}")
        found, size = [], 0
    shown = _say(out, found)
    if follow:
        shown += _follow(out, log, size, _over(chosen, queue))
    return shown


def _say(out: Out, lines: list[str] | tuple[str, ...]) -> list[str]:
    for line in lines:
        out.line(line)
    return list(lines)


def _follow(out: Out, log: Path, size: int, over: Callable[[], bool]) -> list[str]:
    from vlmunl.cluster.logs import follow

    found = []
    for line in follow(log, size, over):
        out.line(line)
        if out.as_json:
            found.append(line)
    return found


def _over(chosen: Attempt, queue: Queue) -> Callable[[], bool]:
    """Has the attempt's job ended, or its process? Asked of Slurm every few seconds; what cannot be asked goes on."""
    asked, known = -_ASKED, False

    def over() -> bool:
        nonlocal asked, known
        if time.monotonic() - asked >= _ASKED:
            asked = time.monotonic()
            answer = queue.ask([chosen.job]) if chosen.job else None
            if answer is not None and not answer.trouble:
                known = answer.of(chosen.job, chosen.name).stand in ("ended", "unknown")
        return known

    return over
