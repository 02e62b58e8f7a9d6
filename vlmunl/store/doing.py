"""What running cells are doing just now: one small file per attempt, beside its claim.

`STORE/doing/KEY.OWNER.json`, written by the one process that works on the cell, at most every few seconds, and removed
when the cell ends. Like claims they are advisory: nothing rests on them, and those of dead processes are cleared away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "doing"


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

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take if it goes on as it went; None if nothing can be said."""
        if not 0 < self.done <= self.total:
            return None
        return (self.updated - self.since) * (self.total - self.done) / self.done


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
