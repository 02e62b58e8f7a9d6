"""`vlmunl cancel STUDY`: take its jobs out of the queue."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmunl.commands.options import Only, Seeds, Sets, StudyArg

EXAMPLES = ("vlmunl cancel quick", "vlmunl cancel quick --seed 0 --dry-run", "vlmunl cancel quick --only eval/npo")

Preview = Annotated[bool, typer.Option("--dry-run", help="Say what would be cancelled; cancel nothing.")]


def cancel(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    seed: Seeds = None,
    sets: Sets = None,
    dry_run: Preview = False,
) -> None:
    """Cancel the Slurm jobs of a study that wait or run. What is finished is kept; submit goes on from there."""
    from vlmunl.cluster.cancel import cancel as scancel
    from vlmunl.cluster.cancel import cancellable
    from vlmunl.commands.session import below, globals_of
    from vlmunl.manifests.load import load_study
    from vlmunl.out import count
    from vlmunl.workspace import find_workspace, open_store, study_path

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace, study)
    name = load_study(study_path(study, workspace), sets or ()).name
    store = open_store(options.store, workspace, create=False)
    found = cancellable(
        store.root,
        name,
        lambda job, task: (not only or any(below(task.cell, text) for text in only)) and (not seed or job.seed in seed),
    )
    if not dry_run and found:
        scancel(found)
    out, verb = options.out, "would be cancelled" if dry_run else "cancelled"
    for each in found:
        out.line(f"  {each.id:<12}  {'running' if each.running else 'waiting':<8}  {each.task.cell}")
    out.line(f"{count(len(found), 'cell')} {verb}" if found else "nothing to cancel: no job of this study is queued")
    cells = [{"cell": each.task.cell, "job": each.id, "running": each.running} for each in found]
    out.document({"schema": 1, "study": name, "dry_run": dry_run, "cancelled": cells})
