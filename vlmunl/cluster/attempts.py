"""Every attempt at a cell that something is known of: jobs, a process that is at it now, and records of the others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlmunl.cluster import ledger
from vlmunl.store import Record, Store
from vlmunl.store import doing as progress


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt; `when` it was submitted, begun or (of a record) ended, ISO 8601 in UTC.

    `log` is where its output goes, empty if it was not kept. `lines` is what a record knows of it. `runs`: a process
    of which nothing is submitted works on it.
    """

    when: str
    study: str = ""
    job: str = ""
    name: str = ""
    log: str = ""
    where: str = ""
    outcome: str = ""
    runs: bool = False
    lines: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """All fields, and whether there is a log."""
        return asdict(self) | {"log_exists": bool(self.log) and Path(self.log).is_file()}

    def __str__(self) -> str:
        """`job 12_3, submitted 2026-01-02 03:04 UTC`."""
        when = self.when[:16].replace("T", " ")
        if self.name:
            return f"job {self.job} of {self.study}, submitted {when} UTC"
        by = f"in job {self.job}" if self.job else "without Slurm"
        if self.runs:
            return f"running {by} on {self.where} since {when} UTC"
        return f"run {by} on {self.where or 'a host that is not known'}, ended {when} UTC"


def attempts(store: Store, cell: str, *, study: str = "", key: str | None = None) -> list[Attempt]:
    """The attempts at a cell, the oldest first. Without a study those of every study that has a cell of this name.

    `key` is the cell's run key, if that is known: records of other keys then do not count.
    """
    jobs = list(_jobs(store, cell, study))
    submitted = {job.job for job in jobs}
    now = [attempt for attempt in _running(store, cell, key) if attempt.job not in submitted]
    records = store.all_for(key) if key is not None else () if study else _called(store, cell)
    told = [attempt for record in records if (attempt := _recorded(record)).job not in submitted]
    return sorted((*jobs, *now, *told), key=lambda attempt: (attempt.when, attempt.outcome == "ok"))


def _jobs(store: Store, cell: str, study: str) -> Iterator[Attempt]:
    folder = store.root / ledger.FOLDER
    names = [study] if study else sorted(path.name for path in folder.glob("*") if path.is_dir())
    for name in names:
        for job in ledger.jobs(store.root, name):
            for task in job.tasks:
                if task.cell == cell:
                    number, log = job.slurm_id(task), str(job.log_of(task))
                    yield Attempt(when=_utc(job.submitted), study=name, job=number, name=job.name, log=log)


def _running(store: Store, cell: str, key: str | None) -> Iterator[Attempt]:
    claims = store.running()
    for each in progress.read(store.root):
        if each.cell == cell and each.key in claims and key in (None, each.key):
            since = dt.datetime.fromtimestamp(each.since, dt.UTC).isoformat(timespec="seconds")
            yield Attempt(when=since, job=each.job, log=each.log, where=each.host, runs=True)


def _called(store: Store, cell: str) -> Iterable[Record]:
    """The sound records of all cells of this name, whatever their key."""
    keys = dict.fromkeys(name.key for name in store.records())
    return [record for key in keys for record in store.all_for(key) if record.cell == cell]


def _recorded(record: Record) -> Attempt:
    env = record.env
    if record.error:
        lines = (f"error: {record.error}", *map(str, env.get("traceback") or ()))
    else:
        lines = (f"done in {env.get('wall_s', '?')} s; what it printed was not kept",)
    return Attempt(
        when=_utc(str(env.get("ended") or "")),
        job=str(env.get("slurm_job") or ""),
        log=str(env.get("log") or ""),
        where=str(env.get("host") or ""),
        outcome=record.outcome,
        lines=lines,
    )


def _utc(text: str) -> str:
    """An ISO time in UTC, so that texts sort as times do."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    zoned = found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    return zoned.astimezone(dt.UTC).isoformat(timespec="seconds")
