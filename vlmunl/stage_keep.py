"""What a running cell keeps for its next attempt, on this node or another: `context.keep` of `run_stage`.

A state is saved when a stop is asked for, and every `EVERY` seconds (VLMUNL_CHECKPOINT seconds if that is set; it is
in no key), less often where saving takes long. It is taken up only by the same run key, code and libraries; then the
cell ends with the same bytes as if it had never been stopped (on the same kind of device; between kinds arithmetic
differs, as it does for whole cells). Anything else is left aside with a note in the record's `env`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from vlmunl.errors import Stopped
from vlmunl.stage_env import code_digest, note
from vlmunl.stage_types import NOT_KEPT, Part, Stop
from vlmunl.store import partial
from vlmunl.store.partial import Listed, Saved

EVERY = 600.0
"""Seconds between two savings of a cell's state."""
SECONDS = "VLMUNL_CHECKPOINT"
_SHARE = 20.0
"""A saving that took s seconds is followed by at least so many times s of work."""
_WORTH = 60.0
"""Seconds of work that are worth a saving when a part is over and others may follow."""
_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "numpy", "bitsandbytes")
State = Mapping[str, Any]


def interval(environ: Mapping[str, str] | None = None) -> float:
    """Seconds between two savings."""
    told = (os.environ if environ is None else environ).get(SECONDS, "")
    try:
        return max(0.0, float(told))
    except ValueError:
        return EVERY


def identity_of(key: str) -> dict[str, Any] | None:
    """What two attempts must share for one to go on from the other's state; None if that cannot be told."""
    code = code_digest()
    return None if code is None else {"key": key, "code": code, "libraries": _installed()}


def _installed() -> dict[str, str]:
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Keeping:
    """The checkpoint of one attempt at a cell, used by whoever holds the claim on its key.

    `resumed` is told of the steps that an earlier attempt had done, when they are taken up.
    """

    store: Path
    key: str
    cell: str
    stop: Stop
    resumed: Callable[[int], None] = lambda done: None
    every: float = field(default_factory=interval)
    taken_up: bool = False
    _listed: Listed | None = None
    _counts: dict[str, int] = field(default_factory=dict)
    _pending: dict[str, tuple[int, State]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _earlier: float = 0.0
    _saved: float = field(default_factory=time.monotonic)
    _took: float = 0.0

    def part(self, kind: str) -> Part:
        """The next part of this kind."""
        if self._listed is None:
            mine = identity_of(self.key)
            if mine is None:
                return NOT_KEPT
            self._listed = self._found(mine)
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        self.stop.heeded = True
        return _Part(self, f"{kind}{number}")

    def forget(self) -> None:
        """The cell is done, or what was taken up led to an error: the next attempt begins at the beginning."""
        partial.remove(self.store, self.key)

    # -------------------------------------------------------------------------------- for the parts

    def load(self, name: str) -> State | None:
        """The state of a part, if a sound one is there."""
        assert self._listed is not None, "a part was made"
        saved = self._listed.parts.get(name)
        if saved is None:
            return None
        state = self._read(saved)
        if state is None:
            self._listed = replace(self._listed, parts={n: p for n, p in self._listed.parts.items() if n != name})
            note("checkpoint_ignored", "it is damaged")
            return None
        self.taken_up = True
        told = {"part": name, "done": saved.done, "total": saved.total, "attempt": self._listed.attempts}
        note("resumed", told | {"earlier_wall_s": round(self._earlier, 3)})
        self.resumed(saved.done)
        return state

    def due(self) -> bool:
        """Is it time?"""
        return self.stop.asked() or time.monotonic() - self._saved >= max(self.every, _SHARE * self._took)

    def save(self, name: str, done: int, total: int, state: State) -> None:
        """Write it; what cannot be written is lost, and the cell goes on, or stops, without."""
        problem = self._written(name, done, total, state)
        if self.stop.asked():
            raise Stopped(f"{self.cell} was stopped at {done} of {total}{problem}")

    def end(self, name: str, steps: int, state: State) -> None:
        """Remember how a part ended: on disk if it took long, else there with what is saved next."""
        self.stop.heeded = False
        self._pending[name] = (steps, state)
        if time.monotonic() - self._saved >= min(_WORTH, self.every):
            self._pending.pop(name)
            self._written(name, steps, steps, state)

    # --------------------------------------------------------------------------------------------

    def _found(self, mine: Mapping[str, Any]) -> Listed:
        """What an earlier attempt left, if it is of use to this one."""
        found = partial.read(self.store, self.key)
        if found is not None and found.identity == mine:
            self._earlier = found.spent
            return replace(found, attempts=found.attempts + 1)
        if found is not None:
            note("checkpoint_ignored", "it is of another version of the code or its libraries")
        return Listed(identity=mine, parts={})

    def _read(self, saved: Saved) -> State | None:
        import pickle

        import torch

        path = partial.folder(self.store, self.key) / saved.file
        if not partial.is_sound(self.store, self.key, saved):
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
            return None
        return state if isinstance(state, dict) else None

    def _written(self, name: str, done: int, total: int, state: State) -> str:
        """Write what waits and this; says what went wrong."""
        began, problem = time.monotonic(), ""
        try:
            for earlier, (steps, ended) in self._pending.items():
                self._write(earlier, steps, steps, ended)
            self._pending.clear()
            self._write(name, done, total, state)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's of a full disk
            problem = f", and its state could not be saved: {error}"
            note("checkpoint_lost", str(error)[:200])
        self._saved = time.monotonic()
        self._took = self._saved - began
        return problem

    def _write(self, name: str, done: int, total: int, state: State) -> None:
        import torch

        assert self._listed is not None, "a part was made"
        self._listed = partial.put(
            self.store,
            self.key,
            name,
            lambda path: torch.save(dict(state), path),
            done=done,
            total=total,
            listed=replace(self._listed, spent=self._earlier + time.monotonic() - self._began),
        )


@dataclass(frozen=True)
class _Part:
    """One part of a `Keeping`, by its name."""

    keeping: Keeping
    name: str

    def load(self) -> State | None:
        return self.keeping.load(self.name)

    def due(self) -> bool:
        return self.keeping.due()

    def save(self, done: int, total: int, state: State) -> None:
        self.keeping.save(self.name, done, total, state)

    def end(self, steps: int, state: Callable[[], State]) -> None:
        self.keeping.end(self.name, steps, state())
