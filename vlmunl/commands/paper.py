"""What `vlmunl tables --pdf` does after the tables: make what else the paper takes in, and compile it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmunl.errors import ToolMissing, VlmunlError

if TYPE_CHECKING:
    import typer

    from vlmunl.commands.session import Session


def make_pdf(ctx: typer.Context, session: Session, *, required: bool) -> int:
    """Compile the documents that show a study; the exit code. Without TeX it only says what to install.

    Raises:
        ToolMissing: there is no TeX, and a PDF is `required`.
        VlmunlError: LaTeX stopped.
    """
    from vlmunl.latex import pdf

    study, out = session.plan.study.name, session.out
    folder = session.workspace.root / "latex"
    try:
        pdf.require()
    except ToolMissing as error:
        if required:
            raise
        out.line(f"{error.message}; {error.hint}")
        return 0
    sources = pdf.documents(folder, study)
    if any(source.name in pdf.PAPERS for source in sources):
        for other in pdf.studies_of(folder):
            if other != study:
                renew(ctx, session, other)
    for source in sources:
        out.line(f"pdf       {session.workspace.shown(pdf.compile_pdf(source, folder))}")
    return 0


def stages_of(session: Session) -> tuple[str, ...]:
    """The stages that a paper may redo: the tables, and the results too where no other cell is left to run."""
    from vlmunl.manifests.states import Board

    board = Board(session.plan, session.store)
    waiting = any(board[cell.name].status == "pending" for cell in session.plan.evidence)
    return ("tables",) if waiting else ("aggregate", "tables")


def renew(ctx: typer.Context, session: Session, name: str) -> None:
    """Bring the tables of another study up to date, where its results are in the store; else say what is missing."""
    from vlmunl.commands.carry_out import Request, refuse_if_nothing_can_run
    from vlmunl.commands.progress import reporter
    from vlmunl.commands.publish import publish
    from vlmunl.commands.session import chooser, open_session
    from vlmunl.engine.run import execute

    try:
        other = open_session(ctx, name, write=True)
        chosen = chooser(other.plan, stages=stages_of(other))
        refuse_if_nothing_can_run(other, Request(chosen=chosen, stage="tables"))
        outcome = execute(other.plan, other.store, reporter(session.out), chosen=chosen)
        publish(other, outcome.board, chosen)
        problem = "; ".join(error.message for error in outcome.errors.values())
    except VlmunlError as error:
        problem = error.message
    if problem:
        session.out.line(f"study {name} is not in the paper as it should be: {problem}; make it: vlmunl run {name}")
