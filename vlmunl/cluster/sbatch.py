"""Calling `sbatch` and `scancel`: their errors are shown as they are, with what was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlmunl.cluster.script import shown
from vlmunl.errors import ToolMissing, UsageError, VlmunlError
from vlmunl.manifests.slurm import own_option

TIMEOUT = 300.0
"""Seconds that `sbatch` may take: a busy controller answers late, and a job it took must not be lost."""
_OURS = ("ARRAY_INX", "COMMENT", "DEPENDENCY", "ERROR", "JOB_NAME", "OPEN_MODE", "OUTPUT", "SIGNAL", "WAIT")
_OF_THE_JOB = ("SLURM_ARRAY_", "SLURM_RESTART_COUNT", "SLURM_STEP", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")


def require(program: str) -> None:
    """Raise unless the program is on PATH.

    Raises:
        ToolMissing: it is not, and there is no Slurm to ask then.
    """
    if shutil.which(program) is None:
        hint = "go to a login node of the cluster, or load its module; without Slurm: vlmunl run STUDY"
        raise ToolMissing(f"there is no {program} on PATH, so this machine cannot submit to Slurm", hint)


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise for a `--sbatch-arg` that would set what submitting sets itself.

    Raises:
        UsageError: it names the option.
    """
    for text in arguments:
        if not text.startswith("-"):
            raise UsageError(
                f"--sbatch-arg {text!r} is no option of sbatch", "for example: --sbatch-arg=--exclude=node7"
            )
        if (option := own_option(text)) is not None:
            raise UsageError(f"--sbatch-arg {text!r}: --{option} is set by vlmunl submit", "leave it out")


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of this process, less what would override the script or tell a job that it is another one."""
    given = os.environ if environ is None else environ
    ours = {f"SBATCH_{name}" for name in _OURS}
    return {k: v for k, v in given.items() if k not in ours and not k.startswith(_OF_THE_JOB)}


def submit(line: Sequence[str], asked: Sequence[str]) -> str:
    """Run `sbatch`; returns the job's number. `asked` are the options in the script, for the error.

    Raises:
        VlmunlError: Slurm refuses; its words, and what was asked.
    """
    try:
        done = subprocess.run(
            line, env=environment(), capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VlmunlError(f"{shown(line)}: {error}", "submit again: what was submitted is known") from None
    number = done.stdout.strip().split(";")[0]
    if done.returncode == 0 and number.isdecimal():
        return number
    said = (done.stderr or done.stdout).strip() or f"sbatch ended with exit code {done.returncode}"
    raise VlmunlError(
        f"{said}\n  asked for: {' '.join(asked)}\n  by: {shown(line)}",
        "mend [slurm] in the study (vlmunl submit STUDY --dry-run shows the scripts), then submit again",
    )


def cancel(jobs: Sequence[str]) -> None:
    """`scancel` these jobs and tasks, in this order.

    Raises:
        VlmunlError: it fails; its words.
    """
    for start in range(0, len(jobs), 200):
        line = ["scancel", *jobs[start : start + 200]]
        try:
            done = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VlmunlError(f"{shown(line[:3])} ...: {error}", "try again, or use scancel yourself") from None
        said = done.stderr.strip()
        if done.returncode != 0 and "already completing or completed" not in said and "Invalid job id" not in said:
            raise VlmunlError(said or f"scancel ended with exit code {done.returncode}")


def wrapper(command: str, workspace: Path) -> Path:
    """The workspace's own wrapper of a command, or the one of the package."""
    own = workspace / "commands" / f"{command}.sbatch"
    return own if own.is_file() else Path(__file__).parent / "wrappers" / f"{command}.sbatch"
