"""A workspace whose study is submitted to the real Slurm, with stages that cost nothing, and what happened there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.slurm.cluster import Cluster
from vlmunl.cluster import ledger

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "engine" / "toy_main.py"
STUDY = """
[study]
name = "toy"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.npo]
[slurm]
cpus = 1
memory = "100M"
time = "00:05:00"
warning = 60
[slurm.aggregate]
memory = "100M"
cpus = 1
"""


@dataclass
class World:
    """`root` is a workspace with the study `toy`; `env` what its commands and jobs get beside Slurm's own."""

    root: Path
    cluster: Cluster
    env: dict[str, str] = field(default_factory=dict)
    main: tuple[str, ...] = (str(TOYS),)

    def vlmunl(self, *arguments: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """`vlmunl ARGUMENTS` in the workspace."""
        done = self.cluster.run(
            sys.executable, *self.main, *arguments, env={**self.env, **env}, cwd=self.root, check=False
        )
        assert code is None or done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `vlmunl ARGUMENTS`."""
        return subprocess.Popen(
            [sys.executable, *self.main, *arguments],
            env={**self.cluster.env, **self.env},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, holds: Callable[[], object], timeout: float = 60.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.05)

    def json(self, *arguments: str, code: int = 0, **env: str) -> dict:
        """The document of a command."""
        return json.loads(self.vlmunl(*arguments, "--json", code=code, **env).stdout)

    def submit(self, *arguments: str, study: str = "toy", **env: str) -> dict[str, str]:
        """Submit the study; returns cell -> job or task."""
        jobs = self.json("submit", study, *arguments, **env)["jobs"]
        return {
            task["cell"]: job["id"] if task["index"] is None else f"{job['id']}_{task['index']}"
            for job in jobs
            for task in job["tasks"]
        }

    def states(self, study: str = "toy") -> dict[str, str]:
        """Cell -> its state."""
        done = self.vlmunl("status", study, "--json", code=None)
        return {row["cell"]: row["state"] for row in json.loads(done.stdout)["cells"]}

    def log(self, cell: str) -> Path:
        """The output of the last job that was submitted for a cell."""
        job, task = ledger.latest(self.root / "store", "toy")[cell]
        return job.log_of(task)

    def calls(self) -> list[str]:
        """What the stages were called for, sorted."""
        path = Path(self.env["TOY_LOG"])
        return sorted(path.read_text().splitlines()) if path.exists() else []

    def logs(self) -> str:
        """The output of every job."""
        logs = sorted(self.root.glob("store/slurm/*/*/logs/*"))
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in logs)


def toy_world(root: Path, cluster: Cluster) -> World:
    """A workspace with the study `toy`."""
    (root / "manifests").mkdir(parents=True)
    (root / "manifests" / "toy.toml").write_text(STUDY)
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text("{}")
    program = root / "vlmunl-toy"
    program.write_text(f'#!/bin/bash\nexec {shlex.quote(sys.executable)} {shlex.quote(str(TOYS))} "$@"\n')
    program.chmod(0o755)
    env = {"VLMUNL": str(program), "TOY_LOG": str(root / "calls"), "TOY_ONCE": str(root / "once")}
    return World(root, cluster, env | paths())


def paths() -> dict[str, str]:
    """So that jobs import this checkout, with one thread each."""
    here = os.pathsep.join([str(ROOT), str(TOYS.parent)])
    return {"PYTHONPATH": here, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
