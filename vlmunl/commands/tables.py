"""`vlmunl tables STUDY`: tables, figures and number macros."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Jobs, Only, Sets, StudyArg

EXAMPLES = ("vlmunl tables quick",)


def tables(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    sets: Sets = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
) -> None:
    """Write tables, figures and number macros from the verified results."""
    from vlmunl.commands.stage_command import do_stage

    do_stage(ctx, "tables", study, only=only, sets=sets, jobs=jobs, dry_run=dry_run, force=force)
