"""Cancelling what was submitted for a study and is still waiting or running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlmunl.cluster import ledger, sbatch
from vlmunl.cluster.ledger import Job, Task
from vlmunl.cluster.queue import Queue
from vlmunl.errors import VlmunlError


@dataclass(frozen=True, kw_only=True)
class Found:
    """One cell's job or task that is in the queue; `running` tells it from one that waits."""

    job: Job
    task: Task
    running: bool

    @property
    def id(self) -> str:
        """As `scancel` spells it."""
        return self.job.slurm_id(self.task)


def cancellable(store: Path, study: str, chosen: Callable[[Job, Task], bool]) -> list[Found]:
    """What of the study's jobs is in the queue and chosen, the last submitted first.

    Raises:
        ToolMissing: there is no squeue.
        VlmunlError: Slurm cannot be asked.
    """
    jobs = [job for job in ledger.jobs(store, study) if any(chosen(job, task) for task in job.tasks)]
    if not jobs:
        return []
    sbatch.require("squeue")
    answer = Queue().ask({job.id for job in jobs})
    if answer.trouble:
        raise VlmunlError(f"Slurm cannot be asked what is queued: {answer.trouble}", "try again when squeue works")
    found = []
    for job in reversed(jobs):
        for task in job.tasks:
            stand = answer.of(job.slurm_id(task), job.name).stand
            if chosen(job, task) and stand in ("waiting", "running"):
                found.append(Found(job=job, task=task, running=stand == "running"))
    return found


def cancel(found: list[Found]) -> None:
    """`scancel` all of it: what waits for others before these, so that nothing starts on the way.

    Raises:
        ToolMissing: there is no scancel.
        VlmunlError: it fails.
    """
    sbatch.require("scancel")
    chosen = {each.id for each in found}
    whole = {each.job.id for each in found if all(each.job.slurm_id(task) in chosen for task in each.job.tasks)}
    sbatch.cancel(list(dict.fromkeys(each.job.id if each.job.id in whole else each.id for each in found)))
