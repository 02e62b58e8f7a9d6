"""Several processes for one cell: the worker that got it is rank 0, and starts the others or finds them started.

Rank 0 alone has the scratch folder whose outputs are stored, and alone records. The others run the same function with
the same config, inputs and random streams, in folders that are thrown away. All meet at a `torch.distributed` store on
a port of rank 0's; through it come the tasks, and the word how each ended. Ranks stay for the worker's next cell, and
are ended where a cell fails: the processes of a broken group do not find together again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlmunl.engine import launched
from vlmunl.errors import VlmunlError
from vlmunl.keys import key_params
from vlmunl.processes import Processes
from vlmunl.rng import isolated
from vlmunl.stage_execute import streams_of
from vlmunl.stage_types import NOT_KEPT, Context, Stage, StageFunction

_LOOK = 0.1
"""Seconds between two looks after the other ranks."""
_STUCK = 60.0
"""Seconds after which a rank 0 that still waits for a dead one is ended; the gloo backend notices it at once."""
_AFTERWARDS = 2.0
"""Seconds that the word of a process may take after its connection broke."""
_END = b""
_CODE = "import sys; sys.path[:] = {path!r}; from vlmunl.engine.ranks import serve; serve({port}, {rank})"


class RankFailed(VlmunlError):
    """A process that worked on the cell with others failed or died."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a rank needs to do its part of a cell."""

    stage: Stage
    config: Any
    context: Mapping[str, Any]
    folder: Path
    plan: Processes


@dataclass
class Team:
    """The processes of one worker. Use in a `with` block: leaving it ends them."""

    plan: Processes
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _store: Any = None

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *exc: object) -> None:
        self.disband()

    def env(self, stage: Stage) -> dict[str, object]:
        """What the record of a cell tells of it."""
        return self.plan.of(stage.name).told()

    def call(self, stage: Stage, function: StageFunction, config: Any, context: Context) -> Mapping[str, Any]:
        """The stage's function, by all processes where it has work for them. Several keep no state for a next attempt:
        each has a part of it, and they would have to stop at one step, so a stopped cell begins at the beginning.

        Raises:
            RankFailed: another process failed or died.
        """
        plan = self.plan.of(stage.name)
        if plan.count == 1:
            return function(config, context)
        launched.forget_accelerate()
        self._gather()
        given = {name: getattr(context, name) for name in ("inputs", "paths")}
        folder = context.scratch.parent / "ranks"
        task = Task(stage=stage, config=config, context=given, folder=folder, plan=plan)
        number = self._store.add("tasks", 1)
        self._store.set(f"task/{number}", pickle.dumps(task))
        watch = _Watch(self._started, self._client(), number, plan.count)
        try:
            with watch, _member(self._store, number, 0, plan):
                try:
                    metrics = function(config, replace(context, keep=NOT_KEPT))
                except BaseException as error:  # before the group is left, which the others would take for a fault
                    watch.stop(error)
                    raise
                watch.wait()
        except BaseException as error:
            self.disband()
            if watch.fault and isinstance(error, Exception) and not isinstance(error, VlmunlError):
                raise RankFailed(watch.fault) from None
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return metrics

    def disband(self) -> None:
        """End the processes."""
        for process in self._started:
            with contextlib.suppress(OSError):
                process.kill()  # what they wrote is in a folder of rank 0's, and nobody reads it
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._started, self._store = [], None

    # --------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        if any(process.poll() is not None for process in self._started):
            self.disband()
        if self._store is not None:
            return
        if launched.is_launched():
            self._store = launched.store()
            return
        self._store = _store(0, master=True)
        self._started = [_start(self._store.port, rank) for rank in range(1, self.plan.count)]

    def _client(self) -> Any:
        return launched.store() if launched.is_launched() else _store(self._store.port, master=False)


def _store(port: int, *, master: bool) -> Any:
    """A meeting place on this machine's loopback; of a master with port 0 on any free one."""
    import datetime as dt

    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    return TCPStore(
        "127.0.0.1", port, is_master=master, wait_for_workers=False, timeout=dt.timedelta(days=7), use_libuv=True
    )


def _start(port: int, rank: int) -> subprocess.Popen[bytes]:
    """A rank that ends when its standard input does, and so whatever ends this process."""
    code = _CODE.format(path=sys.path, port=port, rank=rank)
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def _member(store: Any, number: int, rank: int, plan: Processes) -> Iterator[None]:
    """Inside, this process is one of the group that does task `number`."""
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    from vlmunl.models.ranks import joined_by

    names = () if launched.is_launched() else ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict(zip(names, map(str, (rank, rank, plan.count, plan.count)), strict=False)))
    try:
        with joined_by(PrefixStore(f"group/{number}", store), rank, plan):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@dataclass
class _Watch:
    """Looks after the other ranks while rank 0 is at work; the first that fails ends them all."""

    started: list[subprocess.Popen[bytes]]
    store: Any
    number: int
    count: int
    fault: str = ""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _done: set[int] = field(default_factory=set)

    def __enter__(self) -> _Watch:
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.stop(error)

    def stop(self, error: BaseException | None) -> None:
        """Look no longer; after an error that may be a broken connection only when it is known who is gone."""
        if self._over.is_set():
            return
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        until = time.monotonic() + _AFTERWARDS
        while isinstance(error, RuntimeError) and not self.fault and time.monotonic() < until:
            self._look()

    def wait(self) -> None:
        """Until every other rank is done too.

        Raises:
            RankFailed: one failed.
        """
        while len(self._done) < self.count - 1 and not self.fault:
            time.sleep(_LOOK / 10)
        if self.fault:
            raise RankFailed(self.fault)

    def _follow(self) -> None:
        while not self._over.wait(_LOOK / 10):
            self._look()
            if self.fault:
                for process in self.started:
                    process.kill()
                if not self._over.wait(_STUCK):
                    print(self.fault, file=sys.stderr, flush=True)  # noqa: T201  the pool quotes it
                    os._exit(1)
                return

    def _look(self) -> None:
        for rank in range(1, self.count):
            if rank in self._done or self.fault:
                continue
            dead = self.started[rank - 1].poll() if self.started else None
            if self.store.check([f"end/{self.number}/{rank}"]):
                word = self.store.get(f"end/{self.number}/{rank}").decode()
                self._done.add(rank)
                self.fault = f"in process {rank} of {self.count}: {word}" if word else ""
            elif dead is not None:
                self.fault = f"process {rank} of {self.count} {_cause(dead)}"


def _cause(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


# ---------------------------------------------------------------------------------- the other ranks


def serve(port: int, rank: int) -> None:
    """The main function of a rank other than the first: do its part of cell after cell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 ends this one in order
    threading.Thread(target=_follow_leader, daemon=True).start()
    follow(_store(port, master=False), rank)


def _follow_leader() -> None:
    with contextlib.suppress(OSError):
        sys.stdin.buffer.read()
    os._exit(1)


def follow(store: Any, rank: int, *, to_the_end: bool = True) -> bool:
    """Do tasks until there are no more. After a failed one rank 0 ends this process; if it cannot, return False."""
    number = 0
    while True:
        number += 1
        given = store.get(f"task/{number}")
        if given == _END:
            return True
        task: Task = pickle.loads(given)
        function = task.stage.function()
        _one_thread()
        with _member(store, number, rank, task.plan):  # what went wrong is told before the others see it
            word = _done(function, task, rank)
            store.set(f"end/{number}/{rank}", word.encode())
        if word and not to_the_end:
            return False


def _done(function: StageFunction, task: Task, rank: int) -> str:
    """Do this rank's part; says what went wrong, or nothing."""
    folder = task.folder / str(rank)
    out, work = folder / "out", folder / "work"
    try:
        out.mkdir(parents=True)
        work.mkdir()
        rng = streams_of(task.stage.name, key_params(task.config))
        with isolated(rng.child("ambient")):
            function(task.config, Context(out=out, scratch=work, rng=rng, **task.context))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _one_thread() -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
