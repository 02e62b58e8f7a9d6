"""`vlmunl imprint STUDY`: teach the people."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Here, Jobs, Only, Seeds, Sets, StudyArg

EXAMPLES = (
    "vlmunl imprint quick",
    "vlmunl imprint quick --seed 0 --set imprint.steps=200",
)


def imprint(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    seed: Seeds = None,
    sets: Sets = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
    here: Here = False,
) -> None:
    """Teach the people to the base model: the roles imprint, gold and placebo of each seed."""
    from vlmunl.commands.stage_command import do_stage

    do_stage(
        ctx, "imprint", study, only=only, seeds=seed, sets=sets, jobs=jobs, dry_run=dry_run, force=force, here=here
    )
