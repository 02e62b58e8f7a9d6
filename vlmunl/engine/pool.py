"""A few persistent worker processes, started when they are needed and replaced when they die."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from vlmunl.engine.messages import Advance, Finished, Job
from vlmunl.engine.orders import NOW, STOP, UNHEARD
from vlmunl.engine.worker import work
from vlmunl.errors import CellFailed
from vlmunl.machine.accelerators import Accelerator
from vlmunl.processes import Processes

Message = Advance | Finished
_GRACE = 5.0
"""Seconds that a worker has to clean up after SIGTERM; torch kernels do not listen before they return."""
_LEAVING = 1.0
"""Seconds that an idle worker has to leave by itself."""


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    orders: Connection
    log: Path | None
    slot: int
    job: Job | None = None
    keeps: bool = False

    def order(self, word: bytes) -> None:
        """Tell a busy worker something (`vlmunl.engine.orders`)."""
        with contextlib.suppress(OSError):  # it is gone
            os.write(self.orders.fileno(), word)


@dataclass
class Pool:
    """At most `size` workers on one store. Use in a `with` block: leaving it ends them all.

    A cell that trains or scores is done by as many processes as `plan` says. Of `devices` each worker sees one, in
    turn; without any it sees what there is. What workers print goes to a private log,
    whose tail is quoted when one dies; with `debug` to the terminal.
    """

    store: Path
    size: int
    warm: tuple[str, ...] = ()
    debug: bool = False
    plan: Processes = Processes()
    devices: tuple[Accelerator, ...] = ()
    _workers: list[_Worker] = field(default_factory=list)
    _logs: Path | None = None

    def __enter__(self) -> Pool:
        if not self.debug:
            self._logs = Path(tempfile.mkdtemp(prefix="vlmunl-"))
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()
        if self._logs is not None:
            shutil.rmtree(self._logs, ignore_errors=True)

    @property
    def free(self) -> int:
        """How many more cells can be taken now."""
        return self.size - len(self.busy)

    @property
    def busy(self) -> list[str]:
        """The cells being worked on."""
        return [worker.job.cell for worker in self._workers if worker.job is not None]

    def start(self, count: int) -> None:
        """Start workers up to `count`, so that they load their libraries early."""
        while len(self._workers) < min(count, self.size):
            self._spawn()

    def submit(self, job: Job) -> str:
        """Give a cell to an idle worker, a new one if all are busy; returns the name of its device, or ""."""
        worker = next((w for w in self._workers if w.job is None and w.process.is_alive()), None) or self._spawn()
        worker.job, worker.keeps = job, False
        with contextlib.suppress(OSError):  # it died just now; `receive` will see that
            worker.pipe.send(job)
        device = self._device(worker.slot)
        return device.name if device is not None else ""

    def ask_to_stop(self) -> None:
        """Have busy workers save what their cells can take up again, and end these cells."""
        for worker in self._workers:
            if worker.job is not None:
                worker.order(STOP)

    @property
    def saving(self) -> list[str]:
        """The cells whose state will be kept at their next step if a stop is asked for."""
        return [worker.job.cell for worker in self._workers if worker.job is not None and worker.keeps]

    def _device(self, slot: int) -> Accelerator | None:
        return self.devices[slot % len(self.devices)] if self.devices else None

    def receive(self, timeout: float) -> list[Message]:
        """What workers report within `timeout` seconds; the cell of one that died counts as failed."""
        handles: list[Connection | int] = [w.pipe for w in self._workers]
        handles += [w.process.sentinel for w in self._workers]
        if not handles:
            time.sleep(timeout)
            return []
        ready = wait(handles, timeout)
        messages: list[Message] = []
        for worker in list(self._workers):
            if worker.pipe in ready or worker.process.sentinel in ready:
                messages += self._drain(worker)
        return messages

    def _spawn(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        heard, orders = context.Pipe(duplex=False)
        log = None if self._logs is None else self._logs / f"{time.monotonic_ns()}.log"
        taken = {worker.slot for worker in self._workers}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        device = self._device(slot)
        given = (theirs, heard, self.store, log, self.warm, self.plan, dict(device.environ) if device else {})
        process = context.Process(target=work, args=given, daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()
        heard.close()
        worker = _Worker(process, mine, orders, log, slot)
        self._workers.append(worker)
        return worker

    def _drain(self, worker: _Worker) -> list[Message]:
        messages: list[Message] = []
        try:
            while worker.pipe.poll():
                message: Message = worker.pipe.recv()
                messages.append(message)
                if isinstance(message, Finished):
                    worker.job = None
                else:
                    worker.keeps = message.keeps
        except (EOFError, OSError):
            messages += self._bury(worker)
        return messages

    def _bury(self, worker: _Worker) -> list[Message]:
        worker.process.join(_GRACE)
        self._workers.remove(worker)
        worker.pipe.close()
        worker.orders.close()
        if worker.job is None:
            return []
        cell = worker.job.cell
        error = CellFailed(f"{cell} failed: its worker {_cause(worker.process.exitcode)}", _last_words(worker.log))
        return [Finished(cell=cell, error=error)]

    def _end(self) -> None:
        """Ask idle workers to leave, stop busy ones, and kill what is still there after a grace period."""
        for worker in self._workers:
            if worker.job is None:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
            else:
                worker.order(NOW)
                worker.process.terminate()
        leaving = time.monotonic() + _LEAVING  # a signal while it cleans up would leave semaphores behind
        for worker in self._workers:
            worker.process.join(max(0.0, leaving - time.monotonic()))
            if worker.process.is_alive() and worker.job is None:
                worker.process.terminate()  # in the middle of an import
        deadline = time.monotonic() + _GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
            worker.orders.close()
        self._workers.clear()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started inside hears of no SIGINT or SIGUSR1 until it is ready to: they go to whole process groups."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


def _last_words(log: Path | None) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines() if log is not None else []
    except OSError:
        return ""
    return "its last lines: " + " | ".join(line.strip() for line in lines[-3:]) if lines else ""
