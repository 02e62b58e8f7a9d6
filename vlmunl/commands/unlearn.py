"""`vlmunl unlearn STUDY`: apply the methods."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Here, Jobs, Methods, Only, Seeds, Sets, StudyArg

EXAMPLES = (
    "vlmunl unlearn quick",
    "vlmunl unlearn quick --method npo --seed 0",
)


def unlearn(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    seed: Seeds = None,
    method: Methods = None,
    sets: Sets = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
    here: Here = False,
) -> None:
    """Apply the study's unlearning methods to the imprints that passed their gate."""
    from vlmunl.commands.stage_command import do_stage

    do_stage(
        ctx,
        "unlearn",
        study,
        only=only,
        seeds=seed,
        rows=method,
        sets=sets,
        jobs=jobs,
        dry_run=dry_run,
        force=force,
        here=here,
    )
