"""Logs of jobs: their last lines, and what Slurm has written into them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_MARKS = (
    ("DUE TO TIME LIMIT", "TIMEOUT"),
    ("DUE TO NODE FAILURE", "NODE_FAIL"),
    ("DUE TO PREEMPTION", "PREEMPTED"),
    ("DUE TO JOB REQUEUE", ""),  # it was put back into the queue, and goes on below
    ("oom_kill event", "OUT_OF_MEMORY"),
    ("oom-kill event", "OUT_OF_MEMORY"),
    ("exceeded memory limit", "OUT_OF_MEMORY"),
    ("CANCELLED AT", "CANCELLED"),
)
_PIECE = 1 << 20
_OFTEN = 40
"""Lines from the end among which Slurm's own are looked for: a program that is told to end may go on for a while."""


def told_by_log(log: Path) -> str:
    """How a job ended, in Slurm's word, by what `slurmstepd` has written into its log; empty if it has not."""
    for line in reversed(last_lines(log, _OFTEN)):
        if line.startswith(("slurmstepd", "srun")):
            for mark, state in _MARKS:
                if mark in line:
                    return state
    return ""


def last_lines(log: Path, number: int, *, most: int = 1 << 16) -> list[str]:
    """The last lines of a log that say something, without what a terminal would do with them; none if there is no log.

    At most `most` bytes from the end are read.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            text = file.read(most).decode(errors="replace")
    except OSError:
        return []
    return [line for line in map(plain, text.split("\n")) if line.strip()][-number:]


def plain(line: str) -> str:
    """A log's line without colours and control characters; of what was drawn over, the last."""
    line = line.rstrip("\r\n").rpartition("\r")[2]
    line = re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", "", line)
    return "".join(c for c in line if c == "\t" or c.isprintable()).rstrip()


def follow(log: Path, start: int, over: Callable[[], bool], pause: float = 0.5) -> Iterator[str]:
    """What is appended to a log from the byte `start` on, line by line, until `over` says that nothing more comes.

    The log need not be there yet. One that has become shorter is read from its beginning.
    """
    place, rest = start, b""
    while True:
        ended = over()  # asked first: what was written before that is still read
        try:
            with log.open("rb") as file:
                if file.seek(0, 2) < place:
                    place, rest = 0, b""
                file.seek(place)
                data = file.read(_PIECE)
        except OSError:
            data = b""
        place += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
        if ended and not data:
            if rest:
                yield rest.decode(errors="replace")
            return
        if not data:
            time.sleep(pause)


def tail(log: Path, lines: int) -> tuple[list[str], int]:
    """The last lines (0: all) and the size up to which they were read.

    Raises:
        OSError: the log cannot be read.
    """
    with log.open("rb") as file:
        size = file.seek(0, 2)
        place, data = size, b""
        while place > 0 and (lines == 0 or data.count(b"\n") <= lines):
            step = min(_PIECE, place)
            place -= step
            file.seek(place)
            data = file.read(step) + data
    texts = data.decode(errors="replace").split("\n")
    whole = texts[:-1] if texts[-1] == "" else texts
    return (whole[-lines:] if lines else whole), size
