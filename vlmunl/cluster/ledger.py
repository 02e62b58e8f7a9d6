"""What was submitted: one small file per Slurm job, written as soon as `sbatch` has returned its number.

`STORE/slurm/STUDY/SUBMISSION/JOB.json`. Whether a job still waits or runs is asked of Slurm, what it achieved of the
store: the ledger only says which cells a job was meant for, and where its log is. A lost ledger loses no result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlmunl.workspace import write_file

FOLDER = "slurm"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One cell of a job. `spec` is the digest of what the cell was when it was submitted; `index` that in the array."""

    cell: str
    spec: str
    index: int | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One Slurm job, an array if its tasks have indices. `log` has `{index}` where the array's index belongs."""

    id: str
    name: str
    study: str
    submission: str
    stage: str
    seed: int | None
    tasks: tuple[Task, ...]
    log: str
    script: str
    submitted: str
    """Time of submission, ISO 8601 in UTC."""
    after: tuple[str, ...] = ()
    """The dependencies given to `sbatch`."""

    def slurm_id(self, task: Task) -> str:
        """`1234`, or `1234_5` of an array, as `squeue --array` and `scancel` spell it."""
        return self.id if task.index is None else f"{self.id}_{task.index}"

    def log_of(self, task: Task) -> Path:
        """Where the task's output goes."""
        return Path(self.log.replace("{index}", "" if task.index is None else str(task.index)))


def folder(store: Path, study: str) -> Path:
    """Where the submissions of a study are kept."""
    return store / FOLDER / study


def write(store: Path, job: Job) -> Path:
    """Record a submitted job."""
    path = folder(store, job.study) / job.submission / f"{job.id}.json"
    write_file(path, json.dumps(asdict(job), sort_keys=True, indent=1).encode() + b"\n")
    return path


def jobs(store: Path, study: str) -> list[Job]:
    """Every recorded job of a study, the oldest first. Unreadable files are left out: nothing rests on them."""
    return sorted(_read(folder(store, study)), key=lambda job: (job.submitted, _number(job.id)))


def latest(store: Path, study: str) -> Mapping[str, tuple[Job, Task]]:
    """Cell -> the last job that was submitted for it."""
    return {task.cell: (job, task) for job in jobs(store, study) for task in job.tasks}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _read(directory: Path) -> Iterator[Job]:
    for path in sorted(directory.glob("*/*.json")):
        try:
            yield _job(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue


def _job(document: dict[str, Any]) -> Job:
    tasks = tuple(Task(**task) for task in document.pop("tasks"))
    return Job(**document | {"tasks": tasks, "after": tuple(document["after"])})
