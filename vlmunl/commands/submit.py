"""`vlmunl submit STUDY`: what is missing, as Slurm jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vlmunl.commands.options import Methods, Only, Seeds, Sets, StudyArg

if TYPE_CHECKING:
    from vlmunl.commands.session import Chosen, Session
    from vlmunl.out import Out

EXAMPLES = (
    "vlmunl submit quick --dry-run",
    "vlmunl submit quick",
    "vlmunl submit quick --seed 0 --sbatch-arg=--nice=100",
)

SbatchArgs = Annotated[
    list[str] | None,
    typer.Option("--sbatch-arg", metavar="OPTION", help="Pass an option on to sbatch, e.g. --nice=100. Repeatable."),
]
Sync = Annotated[bool, typer.Option("--sync", help="Publish at the end, as `vlmunl sync STUDY` does.")]
Preview = Annotated[bool, typer.Option("--dry-run", help="Show the scripts and the command lines; submit nothing.")]


def submit(
    ctx: typer.Context,
    study: StudyArg,
    only: Only = None,
    seed: Seeds = None,
    method: Methods = None,
    sets: Sets = None,
    sbatch_arg: SbatchArgs = None,
    sync: Sync = False,
    dry_run: Preview = False,
) -> None:
    """Submit all that is missing of a study as Slurm jobs that depend on each other.

    What is done, queued or running already is not submitted again. Partition, GPUs, memory and time are in the
    study's [slurm] table. The jobs run the study as it is now. A seed whose gate fails ends there and costs no more.
    """
    from vlmunl.commands.session import chooser, open_session

    session = open_session(ctx, study, sets, write=not dry_run)
    chosen = chooser(session.plan, only=only, seeds=seed, rows=method)
    hand_over(session, chosen, sets=sets or (), arguments=sbatch_arg or (), sync=sync, dry_run=dry_run)


def hand_over(
    session: Session,
    chosen: Chosen,
    *,
    sets: Sequence[str],
    arguments: Sequence[str] = (),
    sync: bool = False,
    dry_run: bool,
) -> None:
    """Submit the chosen cells of a study, or with `dry_run` show how; and tell."""
    from vlmunl.cluster import shown
    from vlmunl.cluster import submit as cluster
    from vlmunl.cluster.program import program
    from vlmunl.commands.session import headline

    request = cluster.Request(
        plan=session.plan,
        store=session.store,
        workspace=session.workspace.root,
        chosen=chosen,
        sets=tuple(sets),
        arguments=tuple(arguments),
        program=program(),
        sync=sync,
        tell=session.out.note,
    )
    submission = cluster.preview(request) if dry_run else cluster.submit(request)
    out = session.out
    _show(out, headline(session.plan), list(shown.branches(submission)))
    for line in shown.scripts(submission) if dry_run else ():
        out.line(line)
    for line in ("", *shown.summary(submission, dry_run=dry_run)):
        out.line(line)
    if submission.jobs and not dry_run:
        out.line(f"scripts and logs: {session.workspace.shown(submission.setting.folder)}")
    out.document(shown.document(submission, dry_run=dry_run))


def _show(out: Out, head: str, branches: Sequence[tuple[str, list[str]]]) -> None:
    """A tree on a terminal, indented lines elsewhere."""
    if not out.live:
        for line in (head, *(line for name, jobs in branches for line in (f"  {name}", *(f"    {j}" for j in jobs)))):
            out.line(line)
        return
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(head))
    for name, jobs in branches:
        branch = tree.add(Text(name))
        for job in jobs:
            branch.add(Text(job))
    out.show(tree)
