"""Jobs whose time is up: they save their state, put themselves back into the queue, and end as if nothing had been."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlmunl.store import Store, doing, partial

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.model]
ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "engine" / "toy_main.py"
STUDY = """
[study]
name = "small"
seeds = [0]
[model]
id = "tiny"
[benchmark]
people = 8
forget = 3
[imprint]
steps = 48
image_samples = 4
text_samples = 2
replay = 2
[gate]
min_identities = 2
[methods.npo]
"""
CELLS = ("data", "imprint/imprint", "imprint/gold", "gate")


@pytest.fixture
def space(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "small.toml").write_text(STUDY)
    return tmp_path


def command(space, store="store"):
    only = [word for cell in CELLS for word in ("--only", cell)]
    return [sys.executable, "-m", "vlmunl", "--store", str(space / store), "run", "small", "--jobs", "1", *only]


def submit(slurm, space, words, *options, **env):
    environ = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **env}
    return slurm.submit(
        "--requeue", "--open-mode=append", f"--output={space}/log", "--cpus-per-task=2", *options,
        "--wrap", f"exec {shlex.join(words)}", env=environ, cwd=space,
    )  # fmt: skip


def working(space, cell, done, seconds=120.0):
    """Wait until a cell has done so much; returns the steps it was first taken up with."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for now in doing.read(space / "store"):
            if now.cell.startswith(cell) and now.done - now.first >= done:
                return now
        time.sleep(0.05)
    raise AssertionError(f"{cell} does not get on: {(space / 'log').read_text()}")


def again(slurm, job, restarts):
    """Wait until a job has been put back into the queue so often."""
    until = time.monotonic() + 120
    while slurm.show(job).get("Restarts") != str(restarts):
        assert time.monotonic() < until, slurm.show(job)
        time.sleep(0.1)


def content(root):
    return {p.name for p in (*root.glob("objects/*/*"), *root.glob("records/*/*.ok.*"))}


def test_a_warned_job_goes_on_and_gives_the_same_addresses(slurm, space):
    whole = subprocess.run(command(space, "whole"), cwd=space, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert whole.returncode in (0, 3, 4)
    job = submit(slurm, space, command(space), VLMUNL_CHECKPOINT="600")
    for restarts, cell in enumerate(("imprint/imprint", "imprint/gold"), 1):
        now = working(space, cell, 2)
        assert (now.job, now.log) == (job, str(space / "log"))
        slurm.run("scancel", "--signal=USR1", "--batch", job)
        again(slurm, job, restarts)
    (ended,) = slurm.wait(job).values()
    log = (space / "log").read_text()
    assert ended.state == ("COMPLETED" if whole.returncode == 0 else "FAILED"), log
    assert log.count("goes back into the queue") == 2, log
    assert content(space / "store") == content(space / "whole")
    assert not list((space / "store" / "partial").iterdir())
    store = Store.open(space / "store")
    resumed = [r.env["resumed"] for r in store.history("imprint") if "resumed" in r.env]
    assert len(resumed) == 2
    assert all(2 <= told["done"] < 48 for told in resumed)


@pytest.fixture
def toy(space, monkeypatch):
    from tests.engine import toy_space

    (space / "manifests" / "toy.toml").write_text(toy_space.STUDY)
    (space / "base").mkdir()
    (space / "base" / "config.json").write_text("{}")
    words = [sys.executable, str(TOY), "--store", str(space / "store"), "run", "toy", "--only", "data", "--jobs", "1"]
    return words, {"TOY_PIDS": str(space / "pids"), "TOY_STEPS": "300", "TOY_STEP": "0.3"}


def test_a_time_limit(slurm, space, toy):
    """Slurm looks at limits once a minute and warns up to a minute early: each attempt has some seconds here."""
    words, env = toy
    job = submit(
        slurm, space, words, "--time=1", "--signal=B:USR1@20", **env | {"TOY_STEPS": "150"}
    )  # 45 s: warned at least once
    again(slurm, job, 1)
    (ended,) = slurm.wait(job, timeout=400).values()
    log = (space / "log").read_text()
    assert ended.state == "COMPLETED", log
    firsts = [int(line.split()[1]) for line in (space / "pids").read_text().splitlines()]
    assert firsts[0] == 0
    assert 0 < firsts[1] < 150
    (record,) = Store.open(space / "store").history("data")
    assert record.env["resumed"]["attempt"] == len(firsts)


def test_a_cancelled_job_saves_and_stays_cancelled(slurm, space, toy):
    words, env = toy
    job = submit(slurm, space, words, **env)
    working(space, "data", 3)
    slurm.cancel(job)
    (ended,) = slurm.wait(job).values()
    assert ended.state == "CANCELLED"
    (key,) = os.listdir(space / "store" / "partial")
    left = partial.read(space / "store", key)
    assert left.last.done >= 3
    log = (space / "log").read_text()
    assert "queue" not in log
    assert f"data goes on from {left.last.done} of 300" in log


def test_a_preempted_job_is_put_back_by_slurm_and_goes_on(slurm, space, toy):
    words, env = toy
    job = submit(slurm, space, words, "--partition=low", "--cpus-per-task=4", **env | {"TOY_STEPS": "200"})
    working(space, "data", 3)
    other = slurm.submit("--partition=high", "--cpus-per-task=4", "--output=/dev/null", "--wrap", "sleep 2")
    slurm.wait(other, job, timeout=300)
    assert "queue" not in (space / "log").read_text().replace("DUE TO PREEMPTION", "")
    (record,) = Store.open(space / "store").history("data")
    assert record.env["resumed"]["done"] >= 3
