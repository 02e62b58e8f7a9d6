"""The scheduler: gives ready cells to workers, the longest way first, until nothing more can be done."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vlmunl.engine.cores import usable_cores
from vlmunl.engine.launched import is_launched, plan_of
from vlmunl.engine.messages import Advance, Finished, Job
from vlmunl.engine.order import priorities
from vlmunl.errors import CellFailed, Stopped, VlmunlError
from vlmunl.keys import key_params
from vlmunl.manifests.plan import Cell, Plan
from vlmunl.manifests.states import Board, CellState, Inputs
from vlmunl.out import count
from vlmunl.stage import External, input_refs
from vlmunl.stage_execute import job_env
from vlmunl.store import Record, Store, partial

if TYPE_CHECKING:
    from vlmunl.engine.pool import Pool
    from vlmunl.engine.signals import Watch

TICK = 0.25
"""Seconds between two looks at the clock, the signals and what other processes did."""


class Reporter(Protocol):
    """Who is told what happens. All calls come from the scheduler's thread."""

    def begin(self, board: Board, todo: Collection[str], jobs: int) -> None: ...
    def started(self, cell: Cell, device: str) -> None: ...
    def advanced(self, step: Advance) -> None: ...
    def ended(self, state: CellState, error: VlmunlError | None) -> None: ...
    def changed(self, states: Iterable[CellState]) -> None: ...
    def elsewhere(self, cells: Collection[str]) -> None: ...
    def told(self, text: str) -> None: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...


@dataclass(kw_only=True)
class Outcome:
    """What a run did: cells run here, cells that another process did meanwhile, errors by cell
    (those of `stopped` ones too: a signal reached their worker).
    """

    board: Board
    ran: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    errors: dict[str, VlmunlError] = field(default_factory=dict)


def execute(
    plan: Plan,
    store: Store,
    reporter: Reporter,
    *,
    chosen: Callable[[Cell], bool] = lambda cell: True,
    jobs: int | None = None,
    force: bool = False,
    debug: bool = False,
) -> Outcome:
    """Run the chosen cells that are missing. With `force` every chosen one, whether it has a result or not.

    A cell that fails blocks only what needs it; a failed gate blocks the rest of its seed.

    Raises:
        KeyboardInterrupt, Stopped: a signal came; the workers have ended, finished cells are kept, and so is the state
            of those that were training or asking questions, if they could save it in time.
    """
    names = [cell.name for cell in plan.cells if chosen(cell)]
    board = Board(plan, store, forced=names if force else ())
    run = _Run(board, set(names), reporter)
    todo = run.todo()
    if not todo:
        return run.outcome
    from vlmunl.engine.pool import Pool  # what starts processes is not loaded to find that nothing is to be done
    from vlmunl.engine.signals import Watch
    from vlmunl.machine.accelerators import accelerators

    together = plan_of(plan.study.distributed.plan())
    alone = together.count == 1  # else one cell at a time has all the accelerators, unless `jobs` says otherwise
    devices = accelerators() if alone and not is_launched() else ()
    usual = len(devices) or (usable_cores() if alone else 1)
    size = 1 if is_launched() else max(1, min(jobs or usual, len(todo)))
    warm = tuple(dict.fromkeys(board.plan.by_name[n].stage.run.partition(":")[0] for n in todo))
    with Watch() as watch, Pool(store.root, size, warm, debug, together, devices) as pool:
        reporter.begin(board, todo, size)
        if devices and size > len(devices):
            reporter.told(f"{count(size, 'worker')} share {count(len(devices), 'accelerator')}")
        try:
            pool.start(size)
            run.loop(pool, watch)
        finally:
            reporter.close()
    return run.outcome


class _Run:
    """The state of one `execute`."""

    def __init__(self, board: Board, names: set[str], reporter: Reporter) -> None:
        self.board, self.names, self.reporter = board, names, reporter
        self.outcome = Outcome(board=board)
        self.priority = priorities(board.plan)
        self.tried: set[str] = set()
        self.before: dict[str, str] = {}
        self.forced = frozenset(board.forced)

    def todo(self) -> list[str]:
        """Chosen cells that are missing and not ruled out, in the plan's order: the most that may have to run."""
        reachable: list[str] = []
        for cell in self.board.plan.cells:
            state = self.board[cell.name]
            waits = any(name in reachable for name in cell.needs)
            late = cell.collects and bool(reachable)
            if cell.name in self.names and state.status != "excluded" and (self._missing(state) or waits or late):
                reachable.append(cell.name)
        return reachable

    @staticmethod
    def _missing(state: CellState) -> bool:
        return state.ready and not state.done

    def loop(self, pool: Pool, watch: Watch) -> None:
        """Until no cell is running, here or elsewhere, and none can start.

        Raises:
            KeyboardInterrupt, Stopped: a signal came, and there was more to do.
        """
        polled = time.monotonic()
        while True:
            if watch.came is not None:
                self._stop(pool, watch)
                return
            foreign = self._assign(pool)
            if not pool.busy and not foreign:
                return
            self.reporter.elsewhere(foreign)
            self._hear(pool)
            if foreign and time.monotonic() - polled >= 2 * TICK:
                polled = time.monotonic()
                self._look_elsewhere(foreign)
            self.reporter.tick()

    def _hear(self, pool: Pool) -> None:
        for message in pool.receive(TICK):
            if isinstance(message, Advance):
                self.reporter.advanced(message)
            else:
                self._end(message)

    def _stop(self, pool: Pool, watch: Watch) -> None:
        """Let running cells save their state or end, as long as the signal allows.

        A warning comes early enough for all of them; on other signals only those are waited for that will save.

        Raises:
            KeyboardInterrupt, Stopped: there was more to do.
        """
        pool.ask_to_stop()
        until, warned, busy = time.monotonic() + watch.grace, watch.came == signal.SIGUSR1, pool.busy
        if pool.busy if warned else pool.saving:
            self.reporter.told(f"{watch.name}: {count(len(busy), 'cell')} may save its state first; again to stop now")
        while (pool.busy if warned else pool.saving) and time.monotonic() < until and not watch.again:
            self._hear(pool)
            self.reporter.tick()
        if pool.busy or self.outcome.stopped or any(self._missing(self.board[n]) for n in self.names - self.tried):
            # a signal to all processes may have ended a cell before this one heard of it
            cells = dict.fromkeys([*busy, *self.outcome.stopped])
            left = {name: step for name in cells if (step := self._left_at(name))}
            told = ", ".join(f"{name} goes on from {step}" for name, step in left.items())
            further = bool(self.outcome.ran) or any(self.before[name] != step for name, step in left.items())
            raise watch.error(told or "what is finished is kept", further=further)

    def _left_at(self, name: str) -> str:
        """`31 of 60` steps (or questions) of a cell that can be taken up again there, else ""."""
        key = self.board[name].key
        listed = partial.read(self.board.store.root, key) if key is not None else None
        if listed is None or self.board[name].done:
            return ""
        return f"{listed.last.done} of {listed.last.total}"

    def _assign(self, pool: Pool) -> list[str]:
        """Hand out cells; returns those left alone because another process is at them."""
        if pool.free == 0:
            return []
        ready = [n for n in self._ready(pool) if n not in pool.busy]
        claims = self.board.store.running() if ready else {}
        foreign = [n for n in ready if self.board[n].key in claims]
        for name in ready:
            if pool.free and name not in foreign:
                self._start(pool, name)
        return foreign

    def _ready(self, pool: Pool) -> list[str]:
        """Cells that could start now; what reads the run manifest only when no evidence can come any more."""
        waiting, late = self.names - self.tried, self.board.late
        ready = [n for n in waiting - late if self._missing(self.board[n])]
        if not ready and not pool.busy:
            ready = [n for n in waiting & late if self._missing(self.board[n])]
        return sorted(ready, key=lambda n: (-self.priority[n], self.board.order[n]))

    def _start(self, pool: Pool, name: str) -> None:
        state = self.board[name]
        cell = state.cell
        assert state.inputs is not None, "a ready cell has its inputs"
        self.tried.add(name)
        if cell.collects and (error := self._put_manifest()) is not None:
            self.outcome.errors[name] = error
            self.reporter.started(cell, "")
            self.reporter.ended(state, error)
            return
        self.before[name] = self._left_at(name)
        forced = name in self.forced
        device = pool.submit(
            Job(cell=name, stage=cell.stage, config=cell.config, inputs=state.inputs, seed=cell.seed, force=forced)
        )
        self.reporter.started(cell, device)

    def _put_manifest(self) -> VlmunlError | None:
        """Store the run manifest, which the results are made from; the error if the store takes no more."""
        store = self.board.store
        try:
            store.put_bytes(self.board.manifest())
        except OSError as error:
            hint = "make room or mend the file system, then run again"
            return VlmunlError(f"the run manifest cannot be put into the store {store.root}: {error}", hint)
        return None

    def _end(self, message: Finished) -> None:
        name, error = message.cell, message.error
        if isinstance(error, Stopped):
            self.outcome.stopped.append(name)
        if error is None:
            self.outcome.ran.append(name)
        else:
            self.outcome.errors[name] = error
            self._note_death(self.board[name], error)
        changed = self.board.update(name)
        self.reporter.ended(self.board[name], error)
        self.reporter.changed(changed)

    def _note_death(self, state: CellState, error: VlmunlError) -> None:
        """A worker that was killed could not record why its cell failed; do it for it."""
        if not isinstance(error, CellFailed) or state.key is None or state.inputs is None:
            return
        self.board.store.refresh(state.key)
        if any(name.outcome == "error" for name in self.board.store.names(state.key)):
            return
        cell = state.cell
        record = Record(
            key=state.key,
            cell=cell.name,
            stage=cell.stage.name,
            stage_version=cell.stage.version,
            params=key_params(cell.config),
            inputs=input_refs(state.inputs),
            outcome="error",
            error=error.message,
            env={"external": _places(state.inputs)} | ({"hint": error.hint} if error.hint else {}) | job_env(),
        )
        try:
            self.board.store.write_record(record)
        except OSError as second:
            self.outcome.errors[cell.name] = CellFailed(error.message, f"and it could not be recorded: {second}")

    def _look_elsewhere(self, names: list[str]) -> None:
        """Take over what other processes finished in the meantime."""
        for name in names:
            changed = self.board.update(name) if name not in self.forced else []
            if self.board[name].done:
                self.outcome.taken.append(name)
                self.reporter.ended(self.board[name], None)
                self.reporter.changed(changed)


def _places(inputs: Inputs) -> dict[str, str]:
    """Where the inputs lie that are not in the store, as every record tells it."""
    return {name: str(given.path) for name, given in inputs.items() if isinstance(given, External)}


def exit_code(outcome: Outcome, chosen: Callable[[Cell], bool] = lambda cell: True) -> int:
    """0 done, 3 a gate failed, 4 something is pending, 1 (5 for a damaged store) something failed."""
    if outcome.errors:
        return max(error.exit_code for error in outcome.errors.values())
    return board_code(outcome.board, chosen)


def board_code(board: Board, chosen: Callable[[Cell], bool] = lambda cell: True) -> int:
    """The exit code of what the store holds of the chosen cells."""
    statuses = {state.status for state in board.states.values() if chosen(state.cell)}
    for status, code in (("failed", 1), ("failed-gate", 3), ("pending", 4)):
        if status in statuses:
            return code
    return 0
