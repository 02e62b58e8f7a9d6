"""Slurm's words for why a job waits and how one ended, in plain ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from vlmunl.cluster.queue import Entry
from vlmunl.out import duration

_WAITING = {
    "Resources": "waits for free resources",
    "Priority": "waits: jobs of higher priority come first",
    "BeginTime": "waits for its time to begin",
    "JobArrayTaskLimit": "waits: as many tasks of its array run as may at once",
    "JobHeldUser": "held by its user: scontrol release {id}",
    "JobHeldAdmin": "held by an administrator",
    "Licenses": "waits for a licence",
    "Reservation": "waits for its reservation to begin",
    "PartitionDown": "waits: its partition is down",
    "PartitionInactive": "waits: its partition takes no jobs just now",
    "PartitionTimeLimit": "cannot start: it asks for more time than its partition gives",
    "PartitionNodeLimit": "cannot start: it asks for more nodes than its partition gives",
    "PartitionConfig": "cannot start: it asks for what its partition does not give",
    "BadConstraints": "cannot start: no node is as it asks for",
    "NodeDown": "waits for a node that is down",
    "DependencyNeverSatisfied": "can never start: a job that it needs did not succeed",
    "JobHoldMaxRequeue": "held: it was put back into the queue too often; scontrol release {id}",
    "Prolog": "starting: its node is being prepared",
    "Cleaning": "waits for what is left of its earlier run",
    "": "just submitted",
}
_STARTING = (
    ("ReqNodeNotAvail", "waits: nodes that it needs are down, drained or reserved"),
    ("Nodes_required", "waits: nodes that it needs are down, drained or reserved"),
    ("QOS", "waits: a limit of its quality of service is reached"),
    ("MaxJobsPer", "waits: a limit on jobs is reached"),
    ("Assoc", "waits: a limit of its account is reached"),
    ("launch failed", "held: it could not be started; scontrol release {id}"),
    ("job requeued in held state", "held after it was put back into the queue; scontrol release {id}"),
)
_ENDED = {
    "COMPLETED": "ended without an error, and left no result of this cell",
    "CANCELLED": "was cancelled",
    "TIMEOUT": "reached its time limit",
    "DEADLINE": "reached its deadline",
    "OUT_OF_MEMORY": "ran out of memory",
    "NODE_FAIL": "was lost with its node",
    "BOOT_FAIL": "was lost: its node did not start",
    "LAUNCH_FAILED": "could not be started",
    "PREEMPTED": "made room for another job",
    "FAILED": "failed",
    "REVOKED": "was taken over by another cluster",
}
_TOLD = (
    ("DUE TO TIME LIMIT", "TIMEOUT"),
    ("DUE TO NODE FAILURE", "NODE_FAIL"),
    ("DUE TO PREEMPTION", "PREEMPTED"),
    ("oom_kill event", "OUT_OF_MEMORY"),
    ("oom-kill event", "OUT_OF_MEMORY"),
    ("Out Of Memory", "OUT_OF_MEMORY"),
    ("*** JOB", "CANCELLED"),
    ("*** STEP", "CANCELLED"),
)
"""What `slurmstepd` writes into a job's log when it ends it."""


def waiting(entry: Entry, name: Callable[[str], str]) -> str:
    """Why a job waits. `name` gives a job that it waits for a name: `job 12 (imprint/gold/seed0)`."""
    if entry.reason == "Dependency":
        after = [name(job) for job in entry.after[:3]]
        more = f" and {len(entry.after) - 3} more" if len(entry.after) > 3 else ""
        return f"waits for {', '.join(after)}{more}" if after else "waits for another job"
    text = _WAITING.get(entry.reason)
    if text is None:
        known = next((plain for start, plain in _STARTING if entry.reason.startswith(start)), None)
        text = f"{known} ({entry.reason})" if known is not None else f"waits ({entry.reason})"
    expected = f", expected to start {entry.start:%d %b %H:%M}" if entry.start is not None else ""
    return text.format(id=entry.id) + expected


def running(entry: Entry) -> str:
    """What a job that has left the queue does, where its state is another than to run."""
    words = {"SUSPENDED": "suspended", "STOPPED": "stopped", "COMPLETING": "ending", "CONFIGURING": "its node starts"}
    return words.get(entry.state, "")


def limit(entry: Entry) -> str:
    """`the job may run 1h 20m more`, or nothing where it has no limit that matters."""
    return "" if entry.left is None or entry.left > 30 * 86400 else f"its job may run {duration(entry.left)} more"


def ended(entry: Entry) -> str:
    """How a job ended: `failed with exit code 3`, `was killed by signal 9`, `reached its time limit`."""
    code, _, number = entry.exit.partition(":")
    if entry.state == "FAILED" and number not in ("", "0"):
        return f"was killed by signal {number}"
    if entry.state == "FAILED" and code not in ("", "0"):
        return f"failed with exit code {code}"
    return _ENDED.get(entry.state, f"ended as {entry.state}") + (
        f" ({entry.reason})" if entry.reason[:3] == "by " else ""
    )


def told_by_log(tail: list[str]) -> str:
    """The state that the last lines of a log tell of, in Slurm's word; empty if they do not."""
    for line in reversed(tail):
        for mark, state in _TOLD:
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
