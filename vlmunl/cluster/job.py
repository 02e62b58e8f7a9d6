"""The Slurm job that this process runs in, and what it does when its time is up: it asks to be run again.

Only Slurm's warning (SIGUSR1, `#SBATCH --signal=B:USR1@120`) is answered so. A job that gets SIGTERM was cancelled, and
stays so, or preempted, and then Slurm puts it back into the queue itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOG = "VLMUNL_LOG"
"""Where the job's log is, if standard output does not tell: workers write to a log of their own."""
REQUEUE, REQUEUES = "VLMUNL_REQUEUE", 20
"""How often a job may put itself back into the queue; 0: never."""
_PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """`id` is the job's own number; a task of an array also has the array's, and its index there.

    `restarts` is how often it was put back into the queue so far. `log` is the file of its output, "" if not known.
    """

    id: str
    array: str = ""
    index: int | None = None
    restarts: int = 0
    node: str = ""
    log: str = ""

    @property
    def name(self) -> str:
        """`1234`, or `1234_5` of an array: as `squeue --array`, `scontrol` and the ledger spell it."""
        return self.id if self.index is None else f"{self.array}_{self.index}"


def current(environ: Mapping[str, str] | None = None, stdout: Path = Path("/proc/self/fd/1")) -> SlurmJob | None:
    """The job of this process; None outside of one."""
    told = os.environ if environ is None else environ
    number = told.get("SLURM_JOB_ID", "")
    if not number:
        return None
    array, index = told.get("SLURM_ARRAY_JOB_ID", ""), told.get("SLURM_ARRAY_TASK_ID", "")
    restarts = told.get("SLURM_RESTART_COUNT", "")
    return SlurmJob(
        id=number,
        array=array,
        index=int(index) if array and index.isdecimal() else None,
        restarts=int(restarts) if restarts.isdecimal() else 0,
        node=told.get("SLURMD_NODENAME", ""),
        log=told.get(LOG) or _file(stdout),
    )


def _file(stdout: Path) -> str:
    """The regular file that an open descriptor writes to, else ""."""
    try:
        return str(stdout.readlink()) if stat.S_ISREG(stdout.stat().st_mode) else ""
    except OSError:
        return ""


def may_requeue(job: SlurmJob, environ: Mapping[str, str] | None = None) -> str:
    """Why the job is not to be put back into the queue; "" if it may be."""
    told = (os.environ if environ is None else environ).get(REQUEUE, str(REQUEUES))
    if not told.isdecimal():
        return f"{REQUEUE}={told} is no number"
    if int(told) == 0:
        return f"{REQUEUE}=0"
    if job.restarts >= int(told):
        return f"it has been restarted {job.restarts} times already, and {REQUEUE} allows {told}"
    return ""


def requeue(job: SlurmJob) -> str:
    """Put the job back into the queue, after which Slurm ends this process; why that failed, or ""."""
    import subprocess

    try:
        done = subprocess.run(
            ["scontrol", "requeue", job.name], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"scontrol requeue {job.name}: {error}"
    if done.returncode == 0:
        return ""
    words = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
    return f"scontrol requeue {job.name}: {words}"


def queue_again(say: Callable[[str], None], *, further: bool) -> None:
    """What a command does at last that Slurm has warned of its time limit; nothing outside of a job.

    `further`: is more finished or saved than when the job began? One that gets nowhere is not tried for ever.
    """
    here = current()
    if here is None:
        return
    why = may_requeue(here)
    if not why and not further:
        why = "it got no further than where it began; give it more time"
    if why:
        say(f"job {here.name} is not put back into the queue: {why}")
        return
    say(f"job {here.name} goes back into the queue (restart {here.restarts + 1})")  # first: Slurm ends this process
    if problem := requeue(here):
        say(f"it did not: {problem}")
