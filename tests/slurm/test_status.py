"""`status`, `logs` and `--watch` over a study that a real Slurm works on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
MAIN = Path(__file__).parents[1] / "engine" / "toy_main.py"
STUDY = """
[study]
name = "toy"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[slurm]
cpus = 1
memory = "300M"
time = "10"
setup = ["export VLMUNL={program} {steered}"]
[slurm.imprint]
setup = ["export VLMUNL={program} {steered} TOY_SLEEP={sleep}"]
[slurm.aggregate]
cpus = 1
memory = "300M"
"""


class Site:
    """The toy study in a workspace on the cluster, and `vlmunl` on its login node."""

    def __init__(self, slurm: Cluster, root: Path) -> None:
        self.slurm, self.root = slurm, root
        (root / "manifests").mkdir()
        (root / "base").mkdir()
        (root / "base" / "config.json").write_text("{}")
        self.program = root / "toy"
        self.program.write_text(f'#!/bin/bash\nexec {sys.executable} {MAIN} "$@"\n')
        self.program.chmod(0o755)

    def study(self, sleep: int, **steered: str) -> None:
        """Write it; imprints take `sleep` seconds."""
        told = " ".join(f"{name}={value}" for name, value in steered.items())
        text = STUDY.format(program=self.program, steered=told, sleep=sleep)
        (self.root / "manifests" / "toy.toml").write_text(text)

    def type(self, *args: str, code: int | None = 0) -> str:
        done = self.slurm.run(self.program, *args, check=False, cwd=self.root)
        assert code is None or done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.program, *args], cwd=self.root, env=self.slurm.env, stdout=subprocess.PIPE, text=True
        )

    def cells(self) -> dict[str, dict[str, Any]]:
        return {row["cell"]: row for row in json.loads(self.type("status", "toy", "--json", code=None))["cells"]}

    def until(
        self, holds: Callable[[dict[str, dict[str, Any]]], bool], seconds: float = 90
    ) -> dict[str, dict[str, Any]]:
        end = time.monotonic() + seconds
        while not holds(rows := self.cells()):
            assert time.monotonic() < end, {name: (row["state"], row["reason"]) for name, row in rows.items()}
            time.sleep(0.3)
        return rows


@pytest.fixture
def site(slurm: Cluster, tmp_path: Path) -> Iterator[Site]:
    yield Site(slurm, tmp_path)
    slurm.clear()


def test_a_study_from_the_queue_to_its_end(site):
    site.study(25, TOY_WEAK="1", TOY_FAIL="imprint/placebo/0")
    chosen = [part for name in ("data", "imprint", "gate", "unlearn/ga") for part in ("--only", name)]
    assert "jobs submitted for" in site.type("submit", "toy", *chosen)
    watch = site.start("status", "toy", "--watch", "1")
    rows = site.until(lambda rows: rows["imprint/gold/seed0"]["done"] > 0)
    gold, gate = rows["imprint/gold/seed0"], rows["gate/seed0"]
    assert (gold["state"], gold["queue"], gold["total"], gold["note"]) == ("running", "RUNNING", 4, "toy")
    assert gold["where"]
    assert gold["limit"] > 400
    assert f" in job {gold['job']} for " in gold["reason"]
    assert Path(gold["log"]).is_file()
    assert (gate["state"], gate["queue"]) == ("queued", "PENDING")
    assert "waits for imprint/" in gate["reason"]

    begun = time.monotonic()
    followed = site.type("logs", "imprint/gold/seed0", "--follow")
    assert "imprint/gold/seed0  done in" in followed
    assert time.monotonic() - begun > 1, "it was there before the end"

    said, _ = watch.communicate(timeout=150)
    assert watch.returncode == 1
    rows = site.cells()
    placebo = rows["imprint/placebo/seed0"]
    assert (placebo["state"], placebo["reason"]) == ("failed", "RuntimeError: imprint/placebo/0 is told to fail")
    assert any("told to fail" in line for line in placebo["tail"])
    assert placebo["next"] == "vlmunl logs toy imprint/placebo/seed0, then vlmunl submit toy"
    assert rows["eval/placebo/seed0"]["reason"] == "needs imprint/placebo/seed0, which failed"
    assert (rows["unlearn/ga/seed0"]["state"], rows["unlearn/ga/seed1"]["state"]) == ("verified", "failed-gate")
    assert not any(row["unsettled"] for row in rows.values())
    assert " imprint/gold/seed0  running  " in said
    assert " imprint/gold/seed0  verified" in said
    assert " unlearn/ga/seed1  failed-gate" in said
    assert said.splitlines()[-1].startswith("8 verified, 1 failed, ")
    assert "told to fail" in site.type("logs", "toy", "imprint/placebo/seed0")


def test_jobs_that_were_held_cancelled_and_killed(site):
    site.study(60)
    site.type("run", "toy", "--only", "data", "--jobs", "1", code=0)
    site.type("submit", "toy", "--only", "imprint/gold", "--sbatch-arg=--hold")
    rows = site.cells()
    held = rows["imprint/gold/seed0"]
    assert held["state"] == "queued"
    assert f"job {held['job']} held by its user: scontrol release {held['job']}" in held["reason"]
    site.slurm.cancel(held["job"])
    lost = site.until(lambda rows: rows["imprint/gold/seed0"]["state"] == "pending")["imprint/gold/seed0"]
    assert lost["reason"] == f"job {held['job']} was cancelled"
    assert lost["next"] == "vlmunl submit toy"

    site.type("submit", "toy", "--only", "imprint/gold/seed0")
    job = site.until(lambda rows: rows["imprint/gold/seed0"]["state"] == "running")["imprint/gold/seed0"]["job"]
    site.until(lambda rows: rows["imprint/gold/seed0"]["since"] is not None)
    for process in site.slurm.pids(job):
        os.kill(process, signal.SIGKILL)
    dead = site.until(lambda rows: rows["imprint/gold/seed0"]["state"] == "failed")["imprint/gold/seed0"]
    assert dead["reason"] in (f"job {job} failed", f"job {job} was killed by signal 9"), "as this Slurm tells it"
    assert dead["next"] == "vlmunl logs toy imprint/gold/seed0, vlmunl submit toy"
    assert site.type("logs", "imprint/gold/seed0", "--path").strip() == dead["log"]
