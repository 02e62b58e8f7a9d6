"""`vlmunl` with the toy stages and its one worker in the same process: quick, and its clock can be bent.

As a script it is steered by TOY_CLOCK (seconds by which the wall clock jumps, forth and back from call to call) and
TOY_PATIENCE (seconds after which a silent claim of another host counts as dead).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from vlmunl.engine import worker
from vlmunl.engine.orders import Orders
from vlmunl.engine.ranks import Team
from vlmunl.processes import Processes
from vlmunl.store import Store

ONE = Processes()


class Inline:
    """Takes the place of the pool of worker processes."""

    saving: tuple[str, ...] = ()

    def __init__(self, store: Path, size: int, *options: object) -> None:
        self._store = Store.open(store, create=False)
        self._jobs: list[worker.Job] = []
        self._pipes = Pipe(duplex=False)
        self._orders = Orders(self._pipes[0])

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    @property
    def free(self) -> int:
        return 1 - len(self._jobs)

    @property
    def busy(self) -> list[str]:
        return [job.cell for job in self._jobs]

    def start(self, count: int) -> None:
        pass

    def submit(self, job: worker.Job) -> str:
        self._jobs.append(job)
        return ""

    def ask_to_stop(self) -> None:
        pass

    def receive(self, timeout: float) -> list[object]:
        if not self._jobs:
            time.sleep(min(timeout, 0.05))
            return []
        steps: list[object] = []
        pipe: Any = SimpleNamespace(send=steps.append)
        finished = worker._run(self._jobs[0], self._store, pipe, Team(ONE), self._orders)
        self._jobs.clear()
        return [*steps, finished]


def bend_the_clock(jump: float) -> None:
    """From now on every look at the wall clock is off by `jump` seconds more, or less."""
    import vlmunl.stage_env

    real, offsets = time.time, itertools.cycle((jump, -jump, 0.0))
    time.time = lambda: real() + next(offsets)
    time.time_ns = lambda: int(time.time() * 1e9)

    class Bent(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> dt.datetime:
            return dt.datetime.fromtimestamp(time.time(), tz)

    fake: Any = SimpleNamespace(datetime=Bent, UTC=dt.UTC)
    vlmunl.stage_env.dt = fake


def install() -> None:
    """Put the toy stages and the inline pool in place, in a process of its own."""
    import toy_stages

    import vlmunl.engine.pool
    from vlmunl.commands import carry_out
    from vlmunl.stages.declared import STAGES
    from vlmunl.store.claims import Claims

    STAGES.update(toy_stages.TOYS)
    carry_out.show_results = lambda *args: False  # type: ignore[assignment]
    carry_out.claims_left_out = lambda *args: ()  # type: ignore[assignment]
    vlmunl.engine.pool.Pool = Inline  # type: ignore[assignment,misc]
    if patience := os.environ.get("TOY_PATIENCE"):
        Claims.__init__.__defaults__ = (float(patience), *Claims.__init__.__defaults__[1:])  # type: ignore[index]
    if jump := os.environ.get("TOY_CLOCK"):
        bend_the_clock(float(jump))


if __name__ == "__main__":
    from vlmunl.__main__ import main

    install()
    main()
