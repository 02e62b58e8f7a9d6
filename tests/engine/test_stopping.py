"""A stopped run: its cells save their state, go on from there, and no process is left, whatever ends the scheduler."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from vlmunl.store import Store, partial

ONE = ("run", "toy", "--only", "data", "--jobs", "1")


@pytest.fixture
def steps(space, monkeypatch):
    """Cells work in 40 steps of 0.05 s; returns (worker, first step) of every attempt so far."""
    monkeypatch.setenv("TOY_STEPS", "40")
    monkeypatch.setenv("TOY_PIDS", str(space / "pids"))

    def read():
        path = space / "pids"
        return [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []

    return read


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def at_work(space, steps):
    """Wait until a cell has made some steps."""
    until(lambda: steps() and [json.loads(p.read_bytes())["done"] for p in (space / "store" / "doing").glob("*.json")])
    time.sleep(0.5)


@pytest.mark.model
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, 75, marks=pytest.mark.slow),
    ],
)
def test_a_signal_has_the_cell_save_its_state(number, code, start, space, steps):
    process = start(*ONE)
    at_work(space, steps)
    process.send_signal(number)
    out, err = process.communicate(timeout=40)
    assert process.returncode == code, out + err
    assert "data goes on from" in err
    (key,) = os.listdir(space / "store" / "partial")
    left = partial.read(space / "store", key).last
    assert 0 < left.done < left.total == 40
    assert not list((space / "store" / "doing").iterdir())
    assert not Store.open(space / "store").running()
    assert all(gone(pid) for pid, _ in steps())
    again = start(*ONE)
    out, err = again.communicate(timeout=40)
    assert again.returncode == 0, out + err
    assert steps()[-1][1] == left.done, "it went on where it was"
    assert not (space / "store" / "partial" / key).exists()
    (record,) = Store.open(space / "store").all_for(key)
    assert (record.env["resumed"]["done"], record.env["resumed"]["attempt"]) == (left.done, 2)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_nothing_outlives_the_scheduler(number, start, space, steps, monkeypatch):
    """Cells that keep nothing are not waited for, but for a warning of a time limit."""
    monkeypatch.setenv("TOY_SLEEP", "60")
    monkeypatch.setenv("VLMUNL_GRACE", "1")
    process = start("run", "toy", "--jobs", "2", TOY_STEPS="0")
    until(lambda: (space / "calls").exists() and list((space / "store" / "claims").iterdir()))
    workers = [int(text) for text in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(workers) >= 2
    process.send_signal(number)
    process.communicate(timeout=30)
    until(lambda: all(gone(pid) for pid in workers), 10)
    until(lambda: not Store.open(space / "store").running(), 10)


@pytest.mark.model
@pytest.mark.slow
def test_a_second_signal_waits_for_nothing(start, space, steps, monkeypatch):
    monkeypatch.setenv("TOY_STEP", "30")
    process = start(*ONE, VLMUNL_GRACE="60")
    until(steps)
    time.sleep(1.0)
    process.send_signal(signal.SIGUSR1)
    time.sleep(1.0)
    assert process.poll() is None, "it waits for the cell"
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert time.monotonic() - began < 10
    assert all(gone(pid) for pid, _ in steps())


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("at_once", [True, False])
def test_all_processes_signalled_save_too(at_once, start, space, steps):
    """As `scancel` and a time limit do it; the cell may have ended before the scheduler hears its own signal."""
    process = start(*ONE)
    at_work(space, steps)
    os.kill(process.pid, signal.SIGSTOP)
    workers = {pid for pid, _ in steps()}
    for pid in [*workers, process.pid] if at_once else workers:
        os.kill(pid, signal.SIGTERM)
    if not at_once:
        until(lambda: not list((space / "store" / "doing").iterdir()))
        os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 75, err
    assert "data goes on from" in err


# ------------------------------------------------------------------------------------ in a Slurm job


@pytest.fixture
def scontrol(space, monkeypatch):
    """A pretended `scontrol` that writes down how it was called; what it was called with so far."""
    folder = space / "bin"
    folder.mkdir()
    tool = folder / "scontrol"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {space}/scontrol\n[ -z "$NO_QUEUE" ] || {{ echo "$NO_QUEUE" >&2; exit 1; }}\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: (space / "scontrol").read_text().splitlines() if (space / "scontrol").exists() else []


JOB = {"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "10", "SLURM_ARRAY_TASK_ID": "3"}


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "env", "calls", "said"),
    [
        (signal.SIGUSR1, {}, ["requeue 10_3"], "job 10_3 goes back into the queue (restart 1)"),
        (signal.SIGUSR1, {"NO_QUEUE": "is  held"}, ["requeue 10_3"], "it did not: scontrol requeue 10_3: is held"),
        (signal.SIGUSR1, {"VLMUNL_REQUEUE": "0"}, [], "job 10_3 is not put back into the queue: VLMUNL_REQUEUE=0"),
        (signal.SIGUSR1, {"VLMUNL_REQUEUE": "2", "SLURM_RESTART_COUNT": "2"}, [], "restarted 2 times already"),
        (signal.SIGUSR1, {"TOY_STEPS": "0", "TOY_SLEEP": "60", "VLMUNL_GRACE": "0"}, [], "it got no further"),
        (signal.SIGTERM, {}, [], "data goes on from"),
    ],
)  # fmt: skip
def test_a_warned_job_goes_back_into_the_queue(number, env, calls, said, start, space, steps, scontrol):
    process = start(*ONE, **JOB, **env)
    if "TOY_SLEEP" in env:
        until(lambda: (space / "calls").exists())
    else:
        at_work(space, steps)
    process.send_signal(number)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 75, err
    assert scontrol() == calls
    assert said in err


@pytest.mark.slow
def test_a_failed_cell_says_where_its_job_wrote(start, space, monkeypatch):
    log = space / "slurm-12.out"
    with log.open("w") as file:
        process = start(*ONE, **JOB, TOY_FAIL="data", stdout=file)
        process.wait(40)
    (error,) = Store.open(space / "store").history("data")
    assert error.outcome == "error"
    assert (error.env["slurm_job"], error.env["log"]) == ("10_3", str(log))
