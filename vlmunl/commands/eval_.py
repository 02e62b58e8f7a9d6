"""`vlmunl eval STUDY`: ask by every route."""

from __future__ import annotations

import typer

from vlmunl.commands.options import DryRun, Force, Here, Jobs, Methods, Only, Seeds, Sets, StudyArg

EXAMPLES = (
    "vlmunl eval quick",
    "vlmunl eval quick --method graddiff_wide",
    "vlmunl eval quick --method gold --seed 0",
)


def eval_(
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
    """Ask every model by every route of the study: roles and methods whose seed passed the gate, and the base.

    In a study that tunes, also ask each trial on the tuning people, and choose among them; in one that attacks the
    weights or searches for routes, do that too.
    """
    from vlmunl.commands.stage_command import do_stage

    do_stage(
        ctx,
        "eval",
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
