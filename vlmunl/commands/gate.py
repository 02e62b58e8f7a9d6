"""`vlmunl gate STUDY`: was it really learned?."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Here, Jobs, Only, Seeds, Sets, StudyArg

EXAMPLES = (
    "vlmunl gate quick",
    "vlmunl gate quick --seed 0",
)


def gate(
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
    """Measure whether each imprint learned its people. Exit code 3 if one did not."""
    from vlmunl.commands.stage_command import do_stage

    do_stage(ctx, "gate", study, only=only, seeds=seed, sets=sets, jobs=jobs, dry_run=dry_run, force=force, here=here)
