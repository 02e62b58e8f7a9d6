"""The body of the commands that do one stage's cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import typer


def do_stage(
    ctx: typer.Context,
    stage: str,
    study: str,
    *,
    only: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    rows: Sequence[str] | None = None,
    sets: Sequence[str] | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    here: bool = False,
) -> NoReturn:
    """Run the missing cells of one stage and exit with the code that says what came of it."""
    from vlmunl.commands.carry_out import Request, carry_out
    from vlmunl.commands.session import chooser, open_session
    from vlmunl.manifests.cells import STAGES_OF

    session = open_session(ctx, study, sets, write=not dry_run)
    chosen = chooser(session.plan, only=only, stages=STAGES_OF[stage], seeds=seeds, rows=rows)
    request = Request(chosen=chosen, stage=stage, jobs=jobs, dry_run=dry_run, force=force, here=here)
    raise typer.Exit(carry_out(session, request))
