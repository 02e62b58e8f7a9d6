"""`vlmunl aggregate STUDY`: from verified cells to results."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Jobs, Only, Sets, StudyArg

EXAMPLES = ("vlmunl aggregate quick",)


def aggregate(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    sets: Sets = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
) -> None:
    """Write the run manifest, the verified results and the summary from what is verified now.

    In a study with [meta], first judge the measures.
    """
    from vlmunl.commands.stage_command import do_stage

    do_stage(ctx, "aggregate", study, only=only, sets=sets, jobs=jobs, dry_run=dry_run, force=force)
