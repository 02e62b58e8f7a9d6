"""What processes left behind in `tmp/`, `claims/`, `doing/`, `partial/` and among objects, and what was set aside."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmunl.store import doing, partial
from vlmunl.store.claims import Entry
from vlmunl.store.owner import machine, parse_name
from vlmunl.store.scratch import abandoned
from vlmunl.store.survey import Stored

SILENT = 86400.0
"""Seconds without a heartbeat after which another machine's claim is not believed (it beats every few seconds)."""
Where = Literal["tmp", "claim", "doing", "partial", "quarantine"]


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder. `dead`: its maker is known not to live; `busy`: its maker lives, or may well do."""

    what: Where
    stored: Stored
    dead: bool = False
    busy: bool = False


def leftovers(root: Path, running: Mapping[str, Entry], now: float, *, quarantine: bool = False) -> list[Leftover]:
    """All of them, by path; with `quarantine` also what was set aside there. `now`: the file system's time.

    Whether another machine's process lives is not known: it may, if it holds a claim or wrote within the last hour.
    """
    found = [*_below(root / "tmp", "", running, now), *_claims(root / "claims", now)]
    found += [*_doing(root / doing.FOLDER), *_checkpoints(root, {name.partition(".")[0] for name in running})]
    for folder in sorted((root / "objects").glob("[0-9a-f][0-9a-f]")):
        found += _below(folder, ".t-", running, now)
    if quarantine and (root / "quarantine").is_dir():
        paths = sorted((root / "quarantine").iterdir())
        found += [Leftover(what="quarantine", stored=stored) for path in paths if (stored := _measured(path))]
    return found


def believed(root: Path, running: Mapping[str, Entry], now: float) -> dict[str, Entry]:
    """The claims among these whose owners may live: those of this machine, and those that were heard of lately."""
    silent = {left.stored.path.name for left in _claims(root / "claims", now)}
    return {name: entry for name, entry in running.items() if name not in silent}


def _below(folder: Path, prefix: str, running: Mapping[str, Entry], now: float) -> Iterator[Leftover]:
    owners = {(entry.machine, entry.pid) for entry in running.values()}
    names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
    for name in names:
        stored = _measured(folder / name) if name.startswith(prefix) else None
        if stored is None:
            continue
        plain = name.removeprefix(prefix)
        owner, dead = parse_name(plain), abandoned(plain)
        here = owner is not None and owner.machine == machine()
        heard = owner is not None and (owner[:2] in owners or now - stored.when < 3600)
        busy = not dead and (here or heard)
        yield Leftover(what="tmp", stored=stored, dead=dead, busy=busy)


def _claims(folder: Path, now: float) -> Iterator[Leftover]:
    """Claims of other machines that nobody has kept up for long."""
    names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
    for name in names:
        owner, stored = parse_name(name.partition(".")[2]), _measured(folder / name)
        if owner and owner.machine != machine() and stored is not None and now - stored.when > SILENT:
            yield Leftover(what="claim", stored=stored)


def _doing(folder: Path) -> Iterator[Leftover]:
    """What dead processes were doing; of another machine's nothing is known but its age."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name, stored = doing.owner_of(path), _measured(path)
        owner = parse_name(name)
        if stored is not None and (owner is None or owner.machine != machine() or owner.dead):
            yield Leftover(what="doing", stored=stored, dead=abandoned(name))


def _checkpoints(root: Path, running: Collection[str]) -> Iterator[Leftover]:
    """Those that nobody is at; one whose cell is done is of no more use."""
    folder = root / partial.FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        stored = _measured(path)
        if stored is not None and path.name not in running:
            done = any((root / "records" / path.name[:2]).glob(f"{glob.escape(path.name)}.ok.*"))
            yield Leftover(what="partial", stored=stored, dead=done)


def _measured(path: Path) -> Stored | None:
    """Size and the latest change of a file or of anything in a folder; None if it has gone."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    size, when = (0 if path.is_dir() else status.st_size), max(status.st_mtime, status.st_ctime)
    for folder, _, files in os.walk(path):
        for name in (".", *files):
            with contextlib.suppress(OSError):
                status = os.stat(os.path.join(folder, name), follow_symlinks=False)
                size += status.st_size if name != "." else 0
                when = max(when, status.st_mtime, status.st_ctime)
    return Stored(path=path, size=size, when=when)
