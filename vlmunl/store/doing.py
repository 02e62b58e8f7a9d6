"""What running cells are doing just now: one small file per attempt, beside its claim.

`STORE/doing/KEY.OWNER.json`, written by the one process that works on the cell, at most every few seconds, and removed
when the cell ends. Like claims they are advisory: nothing rests on them, and those of dead processes are cleared away.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from vlmunl.store.atomic import discard
from vlmunl.store.owner import parse_name, unique_name

FOLDER = "doing"
EVERY = 3.0
"""Seconds between two writings of one file."""


@dataclass(frozen=True, kw_only=True)
class Doing:
    """One attempt at a cell. Times are seconds since the epoch; `job` and `log` are those of a Slurm job."""

    key: str
    cell: str
    host: str
    pid: int
    since: float
    updated: float
    done: int = 0
    total: int = 0
    note: str = ""
    job: str = ""
    log: str = ""
    first: int = 0
    """Where this attempt took up what an earlier one had done."""

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take if it goes on as it went; None if nothing can be said."""
        if not self.first < self.done <= self.total:
            return None
        return (self.updated - self.since) * (self.total - self.done) / (self.done - self.first)


def to_bytes(doing: Doing) -> bytes:
    """As it stands in its file."""
    return json.dumps(asdict(doing), sort_keys=True).encode() + b"\n"


def read(store: Path) -> Iterator[Doing]:
    """What the files say, those that cannot be read left out. Their owners may have died since."""
    for path in sorted((store / FOLDER).glob("*.json")):
        try:
            yield Doing(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            continue


def owner_of(path: Path) -> str:
    """The `unique_name` of whoever wrote the file."""
    return path.name.removeprefix(".t-").partition(".")[2].removesuffix(".json")


def clear(store: Path) -> None:
    """Remove the files of processes of this machine that are dead."""
    folder = store / FOLDER
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            owner = parse_name(owner_of(path))
            if owner is not None and owner.dead:
                discard(path)


class Telling:
    """Writes what one attempt does, from `with` to the end of its block. A file that cannot be written does no harm."""

    def __init__(self, store: Path, doing: Doing, every: float = EVERY) -> None:
        self._store, self._doing, self._every = store, doing, every
        self._path = store / FOLDER / f"{doing.key}.{unique_name()}.json"
        self._written = 0.0

    def __enter__(self) -> Telling:
        clear(self._store)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        discard(self._path)

    def progress(self, done: int, total: int, note: str) -> None:
        """The cell got on; written if the last writing is long enough ago."""
        first = self._doing.first if done >= self._doing.first else 0  # less: another part of the cell has begun
        self._doing = replace(self._doing, done=done, total=total, note=note, updated=time.time(), first=first)
        if time.monotonic() - self._written >= self._every:
            self._write()

    def resumed(self, done: int) -> None:
        """So many steps were done by an earlier attempt."""
        self._doing = replace(self._doing, first=done)

    def _write(self) -> None:
        self._written = time.monotonic()
        temporary = self._path.with_name(f".t-{self._path.name}")
        with contextlib.suppress(OSError):
            temporary.write_bytes(to_bytes(self._doing))
            os.replace(temporary, self._path)
