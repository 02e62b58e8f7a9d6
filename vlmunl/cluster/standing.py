"""Where each cell of a study stands: the store's word joined with claims, progress files, the ledger and the queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vlmunl.cluster import ledger, words
from vlmunl.cluster.logs import last_lines, told_by_log
from vlmunl.cluster.queue import Entry
from vlmunl.cluster.scene import Scene, is_open
from vlmunl.manifests.states import Board, CellState
from vlmunl.out import clock, duration
from vlmunl.store.doing import Doing

State = Literal["verified", "running", "queued", "failed", "pending", "failed-gate", "excluded"]
ORDER: tuple[State, ...] = ("verified", "running", "queued", "failed", "pending", "failed-gate", "excluded")
TAIL = 5
"""Last lines of a log that are shown of a cell that failed."""
_STALE = 300.0
"""Seconds without a step after which a running cell is said to be silent."""
_ALIVE = ("waiting", "running")
_LOST = ("CANCELLED", "COMPLETED")
"""Ends of a job that say nothing against its cells: whoever wants them submits them again."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One cell. `job` is what it was submitted as, or runs in, `queue` Slurm's state of that.

    `where`, `since` (seconds since the epoch), `done` of `total`, `note` and `left` (seconds) are those of an attempt
    that runs; `limit` the seconds until its job's time limit; `log` and `tail` the job's log and, of a failed cell, its
    last lines; `next` what to type. `unsettled`: it may change without anybody's doing.
    """

    cell: str
    state: State
    reason: str = ""
    key: str | None = None
    record: str | None = None
    job: str = ""
    queue: str = ""
    where: str = ""
    since: float | None = None
    done: int = 0
    total: int = 0
    note: str = ""
    left: float | None = None
    limit: float | None = None
    log: str = ""
    tail: tuple[str, ...] = ()
    next: str = ""
    unsettled: bool = False

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def standings(board: Board, scene: Scene, typed: str) -> list[Standing]:
    """Every cell, in the order of work. `typed` is how the study is named on the command line."""
    return [_standing(board, state, scene, typed) for state in board.states.values()]


def exit_code(rows: Sequence[Standing]) -> int:
    """1 something failed, 3 a gate failed, 4 something is not done, 0 all is."""
    states = {row.state for row in rows}
    for state, code in (("failed", 1), ("failed-gate", 3), ("running", 4), ("queued", 4), ("pending", 4)):
        if state in states:
            return code
    return 0


def _standing(board: Board, state: CellState, scene: Scene, typed: str) -> Standing:
    row = _by_store(board, state)
    if not is_open(state):
        return row
    if (running := _running(row, scene)) is not None:
        return running
    if state.cell.name in scene.jobs:
        return _submitted(row, state, scene, typed)
    if state.status == "failed":
        log = str(state.record.env.get("log") or "") if state.record is not None else ""
        tail = tuple(last_lines(Path(log), TAIL)) if log else ()
        return replace(row, log=log, tail=tail, next=f"vlmunl logs {typed} {row.cell}")
    return row


def _by_store(board: Board, state: CellState) -> Standing:
    reason = state.reason
    if state.ready and not state.done:
        why = board.explain(state.cell.name)
        if why is not None and state.status == "pending" and not state.cell.collects:
            reason = f"would run: {why}"
    elif state.gate is not None and state.status == "verified":
        reason = state.gate.reason
    if state.done and board.store.divergent(state.key or ""):
        reason = f"not deterministic: one key has given different results. {reason}".strip()
    record = state.record.name.file if state.done and state.record is not None else None
    return Standing(cell=state.cell.name, state=state.status, reason=reason, key=state.key, record=record)


# -------------------------------------------------------------------------------------- what runs


def _running(row: Standing, scene: Scene) -> Standing | None:
    """The row of a cell that some process works on; None if none does, or if its job has ended."""
    if row.key is None or row.key not in scene.claims:
        return None
    doing = scene.doing.get(row.key)
    if doing is None:
        machine, _, pid = scene.claims[row.key].partition(" ")
        host = machine.rpartition(".")[0] or machine
        return replace(row, state="running", where=host, reason=f"on {host}, process {pid}", unsettled=True)
    entry = scene.answer.of(doing.job) if doing.job else Entry(id="")
    if entry.stand == "ended":
        return None  # its node went down with it: nobody was left to clear its claim away
    number = entry.id if doing.job else ""
    left = None if doing.left is None else max(0.0, doing.left - (scene.now - doing.updated))
    row = replace(
        row,
        state="running",
        where=doing.host,
        job=number,
        queue=entry.state,
        since=doing.since,
        done=doing.done,
        total=doing.total,
        note=doing.note,
        left=left,
        limit=entry.left,
        log=doing.log,
        unsettled=True,
    )
    return replace(row, reason=_what_runs(row, entry, doing, scene.now))


def _what_runs(row: Standing, entry: Entry, doing: Doing, now: float) -> str:
    """`31/60 loss 2.13, 0:07 left, on node7 in job 12_3 for 3m 20s, its job may run 1h 20m more`."""
    place = f"on {doing.host}" + (f" in job {row.job}" if row.job else f", process {doing.pid}")
    steps = " ".join(part for part in (f"{row.done}/{row.total}" if row.total > 1 else "", row.note) if part)
    silent = max(0.0, now - doing.updated)
    parts = (
        steps or "starting",
        "" if row.left is None or row.done >= row.total else f"{clock(row.left)} left",
        f"{place} for {duration(max(0.0, now - doing.since))}",
        f"no step for {duration(silent)}" if silent > _STALE else "",
        words.running(entry),
        words.limit(entry),
    )
    return ", ".join(part for part in parts if part)


# ------------------------------------------------------------------------------ what was submitted


def _submitted(row: Standing, state: CellState, scene: Scene, typed: str) -> Standing:
    job, task = scene.jobs[row.cell]
    entry = scene.answer.of(job.slurm_id(task), job.name)
    if row.cell in scene.others:
        still = f"; job {entry.id} is in the queue for it as it was before" if entry.stand in _ALIVE else ""
        return replace(row, reason=f"{row.reason}{still}")
    row = replace(row, job=entry.id, queue=entry.state, log=str(job.log_of(task)))
    before = " (it failed before)" if state.status == "failed" else ""
    if entry.stand == "waiting":
        reason = f"job {entry.id} {words.waiting(entry, scene.name_of)}{before}"
        return replace(row, state="queued", reason=reason, unsettled=True)
    if entry.stand == "running":
        alone = task.index is not None or len(job.tasks) == 1
        where, limit = entry.node, entry.left
        if not alone:
            reason = f"its turn comes in job {entry.id}, which runs on {where or 'a node'}{before}"
            return replace(row, state="queued", reason=reason, where=where, limit=limit, unsettled=True)
        since = entry.start.timestamp() if entry.start is not None else None
        does = words.running(entry) or "starting"
        reason = f"{does} on {where or 'a node'} in job {entry.id}{before}"
        return replace(row, state="running", reason=reason, where=where, since=since, limit=limit, unsettled=True)
    if _newer(state, job):
        tail = tuple(last_lines(Path(row.log), TAIL))
        return replace(row, tail=tail, next=f"vlmunl logs {typed} {row.cell}, then vlmunl submit {typed}")
    if scene.answer.trouble and entry.stand == "unknown":
        reason = f"submitted as job {entry.id}; {scene.answer.trouble}"
        return replace(row, reason=f"{reason}{before}", unsettled=not scene.answer.absent)
    return _ended(row, state, entry, typed)


def _newer(state: CellState, job: ledger.Job) -> bool:
    """Is the error on record one of this job or a later attempt, and not of an earlier one?"""
    if state.status != "failed" or state.record is None:
        return False
    ended, submitted = (_time(text) for text in (str(state.record.env.get("ended", "")), job.submitted))
    return ended is None or submitted is None or ended >= submitted


def _time(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


def _ended(row: Standing, state: CellState, entry: Entry, typed: str) -> Standing:
    """Its job is over, or forgotten, and there is no result."""
    if not state.ready:  # what it needs is not there: its job was cancelled for that, or found nothing to do
        return replace(row, queue=entry.state)
    log = Path(row.log)
    tail = tuple(last_lines(log, TAIL))
    entry = entry if entry.state else replace(entry, state=told_by_log(log))
    if entry.state:
        how = f"job {entry.id} {words.ended(entry)}"
    elif log.exists():
        how = f"job {entry.id} is gone from the queue, and Slurm does not know any more how it ended"
    else:
        how = f"job {entry.id} is gone from the queue, and left no log: it never started"
    lost = entry.state in _LOST or not (entry.state or log.exists())
    remedy = {"OUT_OF_MEMORY": "give it more memory ([slurm] in the study), then ", "TIMEOUT": ""}.get(entry.state, "")
    logs = "" if lost or entry.state == "TIMEOUT" else f"vlmunl logs {typed} {row.cell}, "
    next_ = f"{logs}{remedy}vlmunl submit {typed}"
    return replace(row, state="pending" if lost else "failed", reason=how, tail=() if lost else tail, next=next_)
