"""`vlmunl run STUDY`: everything that is missing, up to the tables."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmunl.commands.options import DryRun, Here, Jobs, Only, Sets, StudyArg

EXAMPLES = ("vlmunl run quick", "vlmunl run quick --dry-run", "vlmunl run quick --only imprint --only gate --jobs 4")

Slurm = Annotated[bool, typer.Option("--slurm", help="Submit it as Slurm jobs instead, as `vlmunl submit` does.")]
Explain = Annotated[bool, typer.Option("--explain", help="First say of every cell why it runs, or does not.")]


def run(
    ctx: typer.Context,
    study: StudyArg,
    jobs: Jobs = None,
    only: Only = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    explain: Explain = False,
    slurm: Slurm = False,
    here: Here = False,
) -> None:
    """Do all that is missing of a study, and show the results.

    Finished cells are never run again. Two runs of one study at once share the work. Exit code 3: an imprint did
    not pass its gate; 4: something is pending; 75 or 130: stopped, run it again to go on.
    """
    from vlmunl.commands.carry_out import Request, carry_out
    from vlmunl.commands.session import chooser, open_session

    session = open_session(ctx, study, sets, write=not dry_run)
    chosen = chooser(session.plan, only=only)
    if slurm:
        from vlmunl.commands.submit import hand_over
        from vlmunl.errors import UsageError

        if jobs is not None or explain:
            raise UsageError("--slurm goes with neither --jobs nor --explain", "see: vlmunl submit --help")
        return hand_over(session, chosen, sets=sets or (), dry_run=dry_run)
    request = Request(chosen=chosen, jobs=jobs, dry_run=dry_run, explain=explain, here=here)
    raise typer.Exit(carry_out(session, request))
