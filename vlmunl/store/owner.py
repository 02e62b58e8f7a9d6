"""Who made a temporary file or a claim, and whether that process still lives."""

from __future__ import annotations

import functools
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import xxhash

_UNSAFE = re.compile(r"[^A-Za-z0-9.]")


@functools.cache
def machine() -> str:
    """Host name plus a token of this boot and of the process and time namespaces.

    Only where all agree may a process id be looked up: containers share host names, hosts reboot, and a
    time namespace shifts the start times that /proc tells its readers.
    """
    name = socket.gethostname()
    boot = _or_nothing(Path("/proc/sys/kernel/random/boot_id").read_text)
    pids, times = (_or_nothing(Path("/proc/self/ns", kind).readlink) for kind in ("pid", "time"))
    host = _UNSAFE.sub("", name.partition(".")[0])[:40] or "host"
    return f"{host}.{xxhash.xxh3_64_hexdigest(f'{name}|{boot}|{pids}|{times}'.encode())[:8]}"


def _or_nothing(read: Callable[[], object]) -> str:
    try:
        return str(read())
    except OSError:
        return ""


class Owner(NamedTuple):
    """The process that made a file; `start` is as of `process_start`, 0 if it is not known."""

    machine: str
    pid: int
    start: int = 0

    @property
    def dead(self) -> bool:
        """Is it known not to live? Of another machine's process nothing is known."""
        return self.machine == machine() and not alive(self.pid, self.start)


def unique_name() -> str:
    """A file name that no other process on any host makes: machine-pid-start.uuid."""
    return f"{machine()}-{os.getpid()}-{_own_start(os.getpid())}.{uuid4().hex}"


@functools.cache
def _own_start(pid: int) -> int:
    return process_start(pid)


def parse_name(name: str) -> Owner | None:
    """Who made the file of this `unique_name`; None if it is not one. Older names tell no start."""
    parts = name.rsplit("-", 2)
    if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > 9:
        return None
    start, dot, _ = parts[2].partition(".")
    return Owner(parts[0], int(parts[1]), int(start) if dot and start.isdecimal() else 0)


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 if it is gone, a zombie, or cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()  # the name before the bracket may hold spaces
    return 0 if fields[0] in "ZX" else int(fields[19])


def alive(pid: int, start: int = 0) -> bool:
    """Is that process of this machine running? With `start`, a later process under the same id is not it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's process, perhaps hidden from /proc
        return True
    seen = process_start(pid)
    return seen != 0 and start in (0, seen)
