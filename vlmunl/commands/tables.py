"""`vlmunl tables STUDY`: tables, figures, number macros, claims and the paper."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmunl.commands.options import DryRun, Force, Jobs, Only, Sets, StudyArg

EXAMPLES = ("vlmunl tables quick", "vlmunl tables quick --pdf")

Pdf = Annotated[
    bool,
    typer.Option("--pdf", help="Also compile latex/paper.tex and supplement.tex, or a document of the tables."),
]
RequirePdf = Annotated[bool, typer.Option("--require-pdf", help="Like --pdf, but fail with 69 where there is no TeX.")]


def tables(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    sets: Sets = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
    pdf: Pdf = False,
    require_pdf: RequirePdf = False,
) -> None:
    """Write tables, figures and number macros from the verified results, and check the claims.

    A paper that takes in several studies gets those too, as far as their results are in the store.
    """
    from vlmunl.commands.carry_out import Request, carry_out
    from vlmunl.commands.paper import make_pdf, stages_of
    from vlmunl.commands.session import chooser, open_session

    session = open_session(ctx, study, sets, write=not dry_run)
    wanted = pdf or require_pdf
    chosen = chooser(session.plan, only=only, stages=stages_of(session) if wanted else ("tables",))
    code = carry_out(session, Request(chosen=chosen, stage="tables", jobs=jobs, dry_run=dry_run, force=force))
    if wanted and not dry_run and code == 0:
        code = make_pdf(ctx, session, required=require_pdf)
    raise typer.Exit(code)
