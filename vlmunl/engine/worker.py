"""A worker process: takes cells one at a time over a pipe, and loads what the next will need while it waits."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from vlmunl.cluster.job import LOG, current
from vlmunl.engine.messages import Advance, Finished, Job
from vlmunl.engine.orders import Orders
from vlmunl.engine.ranks import Team
from vlmunl.errors import CellFailed, Stopped, VlmunlError
from vlmunl.processes import Processes
from vlmunl.stage import run_stage
from vlmunl.store import Store

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_EVERY = 0.1
"""Seconds between two progress messages of one cell."""


def work(
    pipe: Connection,
    heard: Connection,
    store: Path,
    log: Path | None,
    warm: tuple[str, ...],
    plan: Processes,
    environ: Mapping[str, str],
) -> None:
    """The main function of a worker. `warm` names modules to import while there is nothing else to do.

    `heard` is where the scheduler says to stop, `plan` is by how many processes a cell is done, and `environ` shows
    the worker its device.
    """
    orders = Orders(heard)
    orders.listen()
    _prepare(log, environ)
    opened = Store.open(store, create=False)
    modules = list(warm)
    with contextlib.suppress(EOFError, OSError), Team(plan) as team:  # the scheduler is gone
        while True:
            if modules and not pipe.poll():
                _import(modules.pop(0))
                continue
            job: Job | None = pipe.recv()
            if job is None:
                return
            pipe.send(_run(job, opened, pipe, team, orders))


def _prepare(log: Path | None, environ: Mapping[str, str]) -> None:
    os.environ.update(ENVIRONMENT)
    os.environ.update(environ)  # before anything looks for devices
    if (here := current()) is not None and here.log:
        os.environ[LOG] = here.log  # of the job, which standard output will not tell any more
    threading.Thread(target=_follow_parent, daemon=True).start()
    if log is not None:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)


def _follow_parent() -> None:
    """A worker whose scheduler was killed would hold its claim for hours: end with it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _import(module: str) -> None:
    """An import that fails is reported by the cell that needs it."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)
    _one_thread()


def _one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)


def _run(job: Job, store: Store, pipe: Connection, team: Team, orders: Orders) -> Finished:
    last, kept = 0.0, False
    stop = orders.next_cell()

    def progress(done: int, total: int, note: str) -> None:
        nonlocal last, kept
        now = time.monotonic()
        if now - last >= _EVERY or done >= total or kept is not stop.heeded:
            last, kept = now, stop.heeded
            pipe.send(Advance(cell=job.cell, done=done, total=total, note=note, keeps=kept))

    store.refresh()
    try:
        _import(job.stage.run.partition(":")[0])
        run_stage(
            job.stage,
            job.config,
            job.inputs,
            store,
            cell=job.cell,
            seed=job.seed,
            force=job.force,
            progress=progress,
            caller=team,
            stop=stop,
        )
    except VlmunlError as error:
        return Finished(cell=job.cell, error=error)
    except KeyboardInterrupt:
        return Finished(cell=job.cell, error=Stopped(f"{job.cell} was interrupted"))
    except Exception as error:  # the store itself gave way: a full disk, a lost mount
        return Finished(cell=job.cell, error=CellFailed(f"{job.cell} failed: {type(error).__name__}: {error}"))
    finally:
        stop.heeded = False
    return Finished(cell=job.cell)
