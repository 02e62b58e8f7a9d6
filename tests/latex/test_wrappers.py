"""The sbatch wrappers: they pass study, options, threads and signals on to the stage."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "commands"
STAGES = ("imprint", "gate", "unlearn", "eval", "aggregate", "tables", "sync")
PACKAGED = Path(__file__).parents[2] / "vlmunl" / "cluster" / "wrappers"


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
    assert last == f'exec "$program" {stage} "$@"'


@pytest.mark.parametrize("stage", STAGES)
def test_an_installed_package_has_the_same_wrappers(stage: str) -> None:
    assert (PACKAGED / f"{stage}.sbatch").read_bytes() == (FOLDER / f"{stage}.sbatch").read_bytes()


def test_the_program_may_be_named_and_cores_be_asked_for_in_another_way(tmp_path: Path) -> None:
    named = tmp_path / "an other vlmunl"
    named.write_text('#!/bin/bash\nprintf "%s|" named "$OMP_NUM_THREADS"\n')
    named.chmod(0o755)
    done = call("gate", tmp_path, "quick", VLMUNL=str(named), SLURM_CPUS_ON_NODE="5")
    assert done.stdout == "named|5|"


@pytest.mark.parametrize("stage", STAGES)
def test_what_it_asks_slurm_for(stage: str) -> None:
    asked = [line for line in (FOLDER / f"{stage}.sbatch").read_text().splitlines() if line.startswith("#SBATCH ")]
    wanted = {"--requeue", "--open-mode=append", "--signal=B:USR1@120", "--kill-on-invalid-dep=yes"}
    assert wanted <= {line.split()[1] for line in asked}
