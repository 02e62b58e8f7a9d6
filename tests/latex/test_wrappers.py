"""The sbatch wrappers: they pass study, options, threads and signals on to the stage."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "commands"
STAGES = ("imprint", "gate", "unlearn", "eval", "aggregate", "tables")


def call(stage: str, tmp_path: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    fake = tmp_path / ".venv" / "bin" / "vlmunl"
    fake.parent.mkdir(parents=True, exist_ok=True)
    fake.write_text('#!/bin/bash\nprintf "%s|" $$ "$PWD" "$OMP_NUM_THREADS" "$@"\nexit ${CODE:-0}\n')
    fake.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "SLURM_SUBMIT_DIR": str(tmp_path), **extra}
    command = ["bash", str(FOLDER / f"{stage}.sbatch"), *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def test_one_wrapper_for_each_stage() -> None:
    assert {path.stem for path in FOLDER.glob("*.sbatch")} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_it_passes_everything_on(stage: str, tmp_path: Path) -> None:
    done = call(stage, tmp_path, "a study", "--seed", "1", SLURM_CPUS_PER_TASK="3", CODE="3")
    _, folder, threads, *arguments = done.stdout.rstrip("|").split("|")
    assert (folder, threads, arguments) == (str(tmp_path), "3", [stage, "a study", "--seed", "1"])
    assert done.returncode == 3


@pytest.mark.parametrize("stage", STAGES)
def test_without_a_study_it_says_how(stage: str, tmp_path: Path) -> None:
    done = call(stage, tmp_path)
    assert done.returncode == 2
    assert f"commands/{stage}.sbatch STUDY" in done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_the_program_takes_the_place_of_the_script(stage: str) -> None:
    """Slurm signals the batch shell alone: only with `exec` is that the program."""
    last = (FOLDER / f"{stage}.sbatch").read_text().rstrip().split("\n")[-1]
    assert last == f'exec vlmunl {stage} "$@"'
