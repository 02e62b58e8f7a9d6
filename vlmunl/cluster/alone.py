"""One submission of a study at a time, and what a submitter that died has left behind."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from vlmunl.cluster import ledger
from vlmunl.cluster.ledger import Job, Task
from vlmunl.cluster.queue import Trouble, ask
from vlmunl.errors import VlmunlError
from vlmunl.store.claims import Claim, Claims

INTENT = ".intent"
"""Ends the name of the file that says that a job is just being submitted."""


@contextlib.contextmanager
def alone(store: Path, study: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process submits this study. A submitter that died is passed over (`vlmunl.store.claims`).

    Raises:
        VlmunlError: the store cannot be written.
    """
    folder = ledger.folder(store, study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VlmunlError(f"the submission cannot be written to {folder}: {error}", "make room there") from error
    claims = Claims(folder)
    with Claim(claims, "submitting") as claim:
        if not claim.first():
            others = ", ".join(sorted(f"{e.machine} {e.pid}" for e in claims.live("submitting").values()))
            tell(f"waiting: this study is just being submitted by another process ({others})")
        while not claim.first():
            time.sleep(0.1)
        yield


def record(store: Path, job: Job, number: str, intent: Path) -> None:
    """Put a job that Slurm took into the ledger, and take its intent away."""
    ledger.write(store, replace(job, id=number, log=job.log.replace("{job}", number)))
    intent.unlink(missing_ok=True)


def mark(submission: str, group: str) -> str:
    """The comment by which a job is found again."""
    return f"vlmunl:{submission}:{group}"


def recover(store: Path, study: str) -> None:
    """Record jobs that Slurm took from a submitter that died before it could.

    Raises:
        VlmunlError: Slurm cannot be asked.
    """
    for intent in sorted(ledger.folder(store, study).glob(f"*/*{INTENT}")):
        try:
            document = json.loads(intent.read_bytes())
            tasks = tuple(Task(**task) for task in document["tasks"])
            job = Job(**document | {"tasks": tasks, "after": tuple(document["after"])})
        except (OSError, ValueError, TypeError, KeyError):
            intent.unlink(missing_ok=True)
            continue
        wanted = mark(job.submission, intent.name.removesuffix(INTENT))
        try:
            listed = ask("squeue", "-h", "-a", "-t", "all", "-n", job.name, "-o", "%F|%k").splitlines()
        except Trouble as trouble:
            raise VlmunlError(f"Slurm cannot be asked what is queued: {trouble}", "try again when it works") from None
        number = next((line.partition("|")[0] for line in listed if line.partition("|")[2].strip() == wanted), None)
        if number is None:
            intent.unlink(missing_ok=True)
        else:
            record(store, job, number, intent)
