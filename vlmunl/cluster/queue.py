"""What Slurm says of jobs: `squeue` for those it remembers, `sacct`, where there is accounting, for those it does not.

Asked by text with an explicit format: the fields of their JSON change with the version, and give exit codes as raw wait
statuses. What neither knows is unknown; it is never taken for done.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

TIMEOUT = 10.0
"""Seconds that one program of Slurm may take: a controller that is down lets them wait for minutes."""
CHUNK = 400
"""Jobs asked about at once: what fits a command line, with room."""
_FOREIGN = ("SQUEUE_", "SACCT_", "SINFO_")
_WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_RUNNING = {
    *("RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING", "SUSPENDED", "STOPPED"),
    *("POWER_UP_NODE", "EXPEDITING", "UPDATE_DB"),
}
_SQUEUE = ("%i", "%A", "%T", "%N", "%S", "%L", "%E", "%r", "%j")
_SACCT = ("JobID", "JobIDRaw", "State", "NodeList", "Start", "End", "ExitCode", "JobName")
_INDICES = re.compile(r"(\d+)_\[([^\]]*)\]")
_ID = re.compile(r"\d+(_\d+)?")

Stand = Literal["waiting", "running", "ended", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One job, or one task of an array, as Slurm tells it. `id` is `1234` or `1234_5`.

    `state` is Slurm's word without what may follow it, empty if Slurm does not know the job; `start` when it started or
    is expected to, `left` the seconds until its time limit, `after` the jobs that it still waits for, `exit` its exit
    code and signal as `sacct` spells them (`1:0`).
    """

    id: str
    state: str = ""
    reason: str = ""
    node: str = ""
    start: dt.datetime | None = None
    left: float | None = None
    after: tuple[str, ...] = ()
    exit: str = ""
    name: str = ""

    @property
    def stand(self) -> Stand:
        """Does it wait, does it run, or has it ended?"""
        if not self.state:
            return "unknown"
        return "waiting" if self.state in _WAITING else "running" if self.state in _RUNNING else "ended"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was learned of some jobs. `trouble` says why Slurm could not be asked, or answered in part only.

    `absent`: it cannot be asked here at all, so that asking again is no use.
    """

    jobs: Mapping[str, Entry] = field(default_factory=dict)
    trouble: str = ""
    absent: bool = False

    def of(self, job: str, name: str = "") -> Entry:
        """One job; one of another name has the number of a job that was forgotten, and is not it."""
        found = self.jobs.get(job, Entry(id=job))
        return found if not name or found.name in ("", name) else Entry(id=job)


class Trouble(Exception):
    """A program of Slurm failed, or did not answer in time."""


class Queue:
    """Asks Slurm, and remembers whether there is accounting."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self._accounting = True

    def ask(self, jobs: Iterable[str]) -> Answer:
        """About these (`1234`, or `1234_5` of an array), all together. Never raises: what goes wrong is in the answer."""
        wanted = {job for job in jobs if _ID.fullmatch(job)}
        if not wanted:
            return Answer()
        if shutil.which("squeue") is None:
            return Answer(trouble="there is no squeue here", absent=True)
        found: dict[str, Entry] = {}
        try:
            for part in _chunks(wanted):
                found |= _squeue(self._run("squeue", "-h", "-r", "-t", "all", "-j", part, "-o", "|".join(_SQUEUE)))
        except Trouble as trouble:
            return Answer(jobs=found, trouble=str(trouble))
        if (gone := wanted - found.keys()) and self._accounting and shutil.which("sacct") is not None:
            found = {**self._ended(gone), **found}
        return Answer(jobs=found)

    def _ended(self, jobs: Collection[str]) -> dict[str, Entry]:
        """Those that accounting knows the end of; one that it takes for running has got lost."""
        found: dict[str, Entry] = {}
        try:
            for part in _chunks(jobs):
                found |= _sacct(self._run("sacct", "-n", "-X", "-P", "-j", part, "-o", ",".join(_SACCT)))
        except Trouble as trouble:
            self._accounting = "disabled" not in str(trouble)
        return {job: entry for job, entry in found.items() if entry.stand == "ended"}

    def _run(self, *command: str) -> str:
        return ask(*command, timeout=self.timeout)


def ask(*command: str, timeout: float = TIMEOUT) -> str:
    """What a program of Slurm prints; nothing if it knows none of the jobs.

    Raises:
        Trouble: it failed (its own words), could not be started, or did not answer in time.
    """
    program = command[0]
    env = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    env |= {"SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}  # the user's taste would change the output
    try:
        done = subprocess.run(
            command,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(f"{program} did not answer within {timeout:.0f} s") from None
    except OSError as error:
        raise Trouble(f"{program} cannot be started: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    said = next((line.strip() for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
    if "Invalid job id specified" in said:  # of one number alone; of several it leaves out those that it does not know
        return done.stdout
    raise Trouble(said if said.startswith(program) else f"{program}: {said}")


def _chunks(jobs: Collection[str]) -> Iterator[str]:
    """Comma lists of job numbers, without indices: an array is asked about as a whole."""
    numbers = sorted({job.partition("_")[0] for job in jobs}, key=int)
    for start in range(0, len(numbers), CHUNK):
        yield ",".join(numbers[start : start + CHUNK])


# ------------------------------------------------------------------------------------------ reading


def _squeue(text: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for row in _rows(text, len(_SQUEUE)):
        number, raw, state, node, start, left, after, reason, name = row
        entry = Entry(
            id=number,
            state=_word(state),
            reason="" if reason == "None" else reason,
            node=_given(node),
            start=_time(start),
            left=_seconds(left),
            after=tuple(dict.fromkeys(re.findall(r":(\d+(?:_\d+)?)", _given(after)))),
            name=name,
        )
        found |= _filed(entry, raw)
    return found


def _sacct(text: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for number, raw, state, node, start, _, code, name in _rows(text, len(_SACCT)):
        word = _word(state)
        by = state.partition(" ")[2]
        entry = Entry(id=number, state=word, reason=by, node=_given(node), start=_time(start), exit=code, name=name)
        found |= _filed(entry, raw)
    return found


def _rows(text: str, fields: int) -> Iterator[list[str]]:
    """The lines with that many fields; the last one, a name, may hold the separator."""
    for line in text.splitlines():
        parts = line.split("|", fields - 1)
        if len(parts) == fields and parts[0]:
            yield parts


def _filed(entry: Entry, raw: str) -> dict[str, Entry]:
    """By the job's name, or all names of an array's part that is told on one line (`1234_[5-9%2]`), and its number."""
    names = list(indices(entry.id))
    found = {name: replace(entry, id=name) for name in names}
    return found if raw in found or len(names) != 1 else {raw: found[names[0]], **found}


def indices(number: str) -> Iterator[str]:
    """`1234_5`, `1234_7`, ... of `1234_[5,7-9%2]`; a number of one job as it is."""
    match = _INDICES.fullmatch(number)
    if match is None:
        yield number
        return
    for part in match[2].partition("%")[0].split(","):
        span = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if span is not None:
            last = int(span[2] or span[1])
            for index in range(int(span[1]), last + 1, int(span[3] or 1) or 1):
                yield f"{match[1]}_{index}"


def _word(state: str) -> str:
    """`CANCELLED` of `CANCELLED by 0`, `TIMEOUT` of `TIMEOUT+`."""
    return (state.split() or [""])[0].rstrip("+").upper()


def _given(text: str) -> str:
    return "" if text in ("(null)", "N/A", "None assigned", "None") else text


def _time(text: str) -> dt.datetime | None:
    """Slurm's clients print local time."""
    try:
        return dt.datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    """`1-02:03:04`, `2:03:04`, `3:04`; None of `UNLIMITED`, `INVALID` and the like."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
