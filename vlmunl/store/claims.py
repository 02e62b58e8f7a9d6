"""Claims: who is working on a key just now. Advisory: they save work twice done, and nothing rests on them.

The order among claims is Lamport's bakery: a claim is placed with ticket 0 (choosing), then takes a ticket
above all it sees; the lowest (ticket, name) may work, the others wait. No clock of another host is read.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from vlmunl.store.atomic import discard
from vlmunl.store.owner import alive, machine, parse_name, process_start, unique_name

HEARTBEAT = 5.0
PATIENCE = 90.0
"""Seconds without a new counter after which a claim of another host counts as dead (attribute caches: 60 s)."""
_WIDTH = 120


class Entry(NamedTuple):
    """A claim as read from its file."""

    machine: str
    pid: int
    start: int
    ticket: int
    counter: int


@dataclass
class Claims:
    """The claims in one directory, with what was seen of other hosts' counters so far."""

    directory: Path
    patience: float = PATIENCE
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def live(self, key: str | None = None) -> dict[str, Entry]:
        """File name -> entry of each claim (on `key`) whose owner seems to live. Dead ones are removed."""
        found: dict[str, Entry] = {}
        try:
            names = os.listdir(self.directory)
        except OSError:
            return found
        for name in names:
            if key is not None and not name.startswith(f"{key}."):
                continue
            entry = _read(self.directory / name)
            if entry is None:
                dead = _left_unwritten(name)
            elif self._alive(name, entry):
                found[name], dead = entry, False
            else:
                dead = True
            if dead:
                discard(self.directory / name)
        return found

    def _alive(self, name: str, entry: Entry) -> bool:
        if entry.machine == machine():
            return alive(entry.pid, entry.start)
        now = time.monotonic()
        counter, since = self._seen.get(name, (-1, now))
        if counter != entry.counter:
            self._seen[name] = (entry.counter, now)
            return True
        return now - since < self.patience


def _left_unwritten(name: str) -> bool:
    """Was the process that made this file killed before it wrote its claim?"""
    owner = parse_name(name.partition(".")[2])
    return owner is not None and owner.dead


def _read(path: Path) -> Entry | None:
    try:
        value = json.loads(path.read_bytes())
        entry = Entry(*value)
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # being written, gone, or not a claim
    numbers = (entry.pid, entry.start, entry.ticket, entry.counter)
    return entry if isinstance(entry.machine, str) and all(type(n) is int for n in numbers) else None


class Claim:
    """A claim on one key, held from `with` to the end of its block, with a heartbeat in a thread."""

    def __init__(self, claims: Claims, key: str, heartbeat: float = HEARTBEAT) -> None:
        self._claims = claims
        self._key = key
        self._heartbeat = heartbeat
        self._name = f"{key}.{unique_name()}"
        self._ticket = 0
        self._counter = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"claim {key[:8]}", daemon=True)

    def __enter__(self) -> Claim:
        self._write(create=True)
        others = self._claims.live(self._key)
        self._ticket = 1 + max((entry.ticket for entry in others.values()), default=0)
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        discard(self._claims.directory / self._name)

    def first(self) -> bool:
        """May this claim's owner work now? Ask again after a pause while it is False."""
        mine = (self._ticket, self._name)
        others = self._claims.live(self._key)
        return all((entry.ticket, name) >= mine for name, entry in others.items())

    def _beat(self) -> None:
        while not self._ended.wait(self._heartbeat):
            self._write()

    def _write(self, *, create: bool = False) -> None:
        """Write the file in place, at a fixed width so that a shorter line leaves no rest of a longer one."""
        with self._lock:
            self._counter += 1
            entry = Entry(machine(), os.getpid(), process_start(os.getpid()), self._ticket, self._counter)
            line = json.dumps(entry).ljust(_WIDTH).encode() + b"\n"
            try:
                flags = os.O_WRONLY | (os.O_CREAT if create else 0)
                fd = os.open(self._claims.directory / self._name, flags, 0o644)
                try:
                    os.pwrite(fd, line, 0)
                finally:
                    os.close(fd)
            except OSError:
                pass  # a claim that cannot be written saves no work, and harms nothing
