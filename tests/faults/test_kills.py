"""`kill -9` at random instants during a study, and many processes on one study: it ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

from tests.faults.ground import INLINE, SMALL_CELLS, apart, assert_clean, assert_like, content, rounds, said
from vlmunl.store import Store

CROWD = 16


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(text) for text in file.read().split()]
    except OSError:
        return []


def victims(process: subprocess.Popen, rng: random.Random) -> list[int]:
    """The scheduler and all its workers, the scheduler alone, or one worker."""
    workers = children(process.pid)
    kind = rng.choice(["all", "scheduler", "worker"])
    if kind == "worker" and workers:
        return [rng.choice(workers)]
    return [process.pid, *(workers if kind == "all" else [])]


def begun(space, process) -> bool:
    """Wait until the process has begun its first cell, or has ended."""
    while not (space / "calls").exists():
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


def gone(space) -> None:
    """Wait until no killed scheduler's worker holds a claim any more."""
    deadline = time.monotonic() + 100
    while (space / "store").exists() and Store.open(space / "store").running():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_kill_9_at_random_instants(small, start, undisturbed_small):
    """All of one round go into one store, so that later ones meet what earlier ones left."""
    rng, wanted, killed, ends = random.Random(9), rounds(10), 0, 0
    while killed < wanted:
        (small / "calls").unlink(missing_ok=True)
        process = start("run", "toy", "--jobs", "2", TOY_SLEEP="0.03")
        if begun(small, process):
            time.sleep(rng.uniform(0, 0.6))
            if process.poll() is None:
                killed += 1
                for pid in victims(process, rng):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        text = said(process)
        assert process.returncode in (0, 1, -signal.SIGKILL), text  # 1: the cell of a killed worker failed
        gone(small)
        if (small / "store" / "LAYOUT.json").exists():
            assert_clean(small)
        if process.returncode == 0 or killed == wanted:
            process = start("run", "toy")
            assert (said(process), process.returncode)[1] == 0
            assert_like(small, undisturbed_small)  # and perhaps results made without the cell of a killed worker
            ends += 1
            os.rename(small / "store", small / f"store{ends}")
    assert ends


def test_sixteen_processes_on_one_study(small, calls, undisturbed_small):
    for _ in range(rounds(1)):
        crowd = [apart((), "true", INLINE, "run", "toy", TOY_SLEEP="0.02") for _ in range(CROWD)]
        texts = [said(process) for process in crowd]
        assert [process.returncode for process in crowd] == [0] * CROWD, texts
        assert_like(small, undisturbed_small)
        assert content(small) == content(undisturbed_small)
        assert len(calls()) == SMALL_CELLS, "no cell was run twice"
        os.rename(small / "store", small / f"store-{time.monotonic_ns()}")
