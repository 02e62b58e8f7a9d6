"""Which cells of a study are to be submitted: those that are missing and that no job in the queue is going to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vlmunl.cluster.groups import Upstream
from vlmunl.cluster.ledger import Job, Task
from vlmunl.cluster.queue import Queue
from vlmunl.errors import VlmunlError
from vlmunl.manifests.cells import Cell
from vlmunl.manifests.states import Board

SYNC = "sync"
"""Publishing at the end, which is no cell of the study."""
Live = Mapping[str, tuple[Job, Task]]
"""Cell -> the job in the queue that does it as it is now."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is to be submitted, what is queued already, and what can be neither, with the reason."""

    wanted: tuple[str, ...]
    queued: Live
    left: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, Upstream]:
        """Queued cell -> its job, for those that are to wait for it."""
        return {name: Upstream(job.id, task.index) for name, (job, task) in self.queued.items()}


def live(jobs: Iterable[Job], board: Board, specs: Mapping[str, str], queue: Queue | None = None) -> Live:
    """The cells that are missing, that Slurm has a job for which waits or runs, and that are still what they were.

    Raises:
        VlmunlError: Slurm cannot be asked, so that a cell could be submitted twice.
    """
    candidates = [
        (job, task)
        for job in jobs
        for task in job.tasks
        if specs.get(task.cell) == task.spec and _missing(task.cell, board)
    ]
    if not candidates:
        return {}
    answer = (queue or Queue()).ask({job.id for job, _ in candidates})
    if answer.trouble and not answer.absent:  # without Slurm nothing can be queued twice
        hint = "try again when squeue works: nothing is submitted while it is not known what is queued"
        raise VlmunlError(f"Slurm cannot be asked what is queued: {answer.trouble}", hint)
    found: dict[str, tuple[Job, Task]] = {}
    for job, task in candidates:
        entry = answer.of(job.slurm_id(task), job.name)
        if entry.stand in ("waiting", "running") and entry.reason != "DependencyNeverSatisfied":
            found[task.cell] = job, task
    return found


def _missing(cell: str, board: Board) -> bool:
    """What reads the run manifest, and publishing, is never done for good."""
    return cell == SYNC or cell in board.late or not board[cell].done


def survey(board: Board, chosen: Callable[[Cell], bool], queued: Live) -> Survey:
    """Of the chosen cells: those to be submitted, each with all it needs done, queued or submitted too."""
    wanted: dict[str, None] = {}
    left: dict[str, str] = {}
    for cell in board.plan.cells:
        if not chosen(cell) or cell.name in board.late:
            continue
        state = board[cell.name]
        if state.done or state.status in ("excluded", "failed-gate") or cell.name in queued:
            continue
        lacking = [n for n in cell.needs if not (board[n].status == "verified" or n in queued or n in wanted)]
        if lacking:
            left[cell.name] = f"needs {lacking[0]}, which is neither done nor queued nor chosen"
        else:
            wanted[cell.name] = None
    late, waiting = _late(board, chosen, queued, bool(wanted))
    still = {name: place for name, place in queued.items() if name not in board.late or name in waiting}
    return Survey(wanted=(*wanted, *late), queued=still, left=left)


def _late(board: Board, chosen: Callable[[Cell], bool], queued: Live, anything: bool) -> tuple[list[str], set[str]]:
    """What reads the run manifest, and is to be submitted or in the queue already.

    A job that does it counts only if it waits for all evidence that is still to come.
    """
    evidence = {job.id for name, (job, _) in queued.items() if name not in board.late}
    wanted: list[str] = []
    waiting: set[str] = set()
    for cell in board.plan.cells:
        if cell.name not in board.late:
            continue
        above = [name for name in cell.needs if name in board.late]
        renewed = anything or bool(evidence) or any(n in wanted or n in waiting for n in above)
        state = None if renewed else board[cell.name]
        if state is not None and (state.done or not state.ready):
            continue
        if not anything and cell.name in queued and not set(above) & set(wanted):
            job = queued[cell.name][0]
            all_come = set(above) & waiting or evidence <= set(":".join(job.after).split(":"))
            if not cell.collects or all_come:
                waiting.add(cell.name)
                continue
        if chosen(cell) and all(n in wanted or n in waiting or board[n].done for n in above):
            wanted.append(cell.name)
    return wanted, waiting
