"""What is looked at to say where the cells of a study stand: claims, progress files, the ledger and the queue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vlmunl.cluster import ledger
from vlmunl.cluster.queue import Answer, Entry, Queue
from vlmunl.cluster.specs import specs
from vlmunl.manifests.cells import Plan
from vlmunl.manifests.states import Board, CellState
from vlmunl.store import doing as progress
from vlmunl.store.doing import Doing


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What was looked at beside the store: live claims and what runs, by key; the last job of each cell; the queue.

    `others` are the cells whose job is for what they were before the study was changed.
    """

    claims: Mapping[str, str] = field(default_factory=dict)
    doing: Mapping[str, Doing] = field(default_factory=dict)
    jobs: Mapping[str, tuple[ledger.Job, ledger.Task]] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    answer: Answer = field(default_factory=Answer)
    now: float = 0.0

    def name_of(self, job: str) -> str:
        """`imprint/gold/seed0 (job 12)`, with the number of further cells if it has some."""
        number, _, index = job.partition("_")
        cells = [
            task.cell
            for mine, task in self.jobs.values()
            if mine.id == number and (not index or str(task.index) == index)
        ]
        if not cells:
            return f"job {job}"
        return f"{cells[0]}{f' and {len(cells) - 1} more' if len(cells) > 1 else ''} (job {job})"


class Lookout:
    """Looks at a study again and again. `queue` is asked once for each look, about all its jobs together."""

    def __init__(self, plan: Plan, queue: Queue | None = None) -> None:
        self.plan = plan
        self.queue = queue or Queue()
        self._specs: Mapping[str, str] | None = None
        self._ended: dict[str, Entry] = {}

    def look(self, board: Board, claims: Mapping[str, str] | None = None) -> Scene:
        """Read claims, progress and ledger, and ask about every job that matters.

        `claims` are those from before the board was made: who has none any more by now has a record on it.
        """
        store = board.store
        claims = store.running() if claims is None else claims
        doing: dict[str, Doing] = {}
        for each in progress.read(store.root):
            if each.key in claims and (each.key not in doing or each.updated > doing[each.key].updated):
                doing[each.key] = each
        jobs, others = self._jobs(board)
        asked = [job.slurm_id(task) for job, task in jobs.values()]
        asked += [each.job for each in doing.values() if each.job]
        answer = self._remembered(self.queue.ask(asked))
        return Scene(claims=claims, doing=doing, jobs=jobs, others=others, answer=answer, now=time.time())

    def _jobs(self, board: Board) -> tuple[dict[str, tuple[ledger.Job, ledger.Task]], frozenset[str]]:
        """Open cell -> its last job, rather one for what the cell is now; and the cells that have none such."""
        found: dict[str, tuple[ledger.Job, ledger.Task]] = {}
        others: set[str] = set()
        for job in ledger.jobs(board.store.root, self.plan.study.name):
            for task in job.tasks:
                if task.cell not in board.order or not is_open(board[task.cell]):
                    continue
                if task.spec == self._spec(task.cell):
                    others.discard(task.cell)
                elif task.cell in found and task.cell not in others:
                    continue
                else:
                    others.add(task.cell)
                found[task.cell] = job, task
        return found, frozenset(others)

    def _remembered(self, answer: Answer) -> Answer:
        """With the ends that were told before: Slurm forgets them after a few minutes."""
        jobs = {**self._ended, **answer.jobs}
        self._ended = {job: entry for job, entry in jobs.items() if entry.stand == "ended"}
        return replace(answer, jobs=jobs)

    def _spec(self, name: str) -> str:
        if self._specs is None:
            self._specs = specs(self.plan)
        return self._specs[name]


def is_open(state: CellState) -> bool:
    """May a process or a job be at this cell: has it no result, and does nothing rule it out?"""
    return not state.done and state.status in ("pending", "failed")
