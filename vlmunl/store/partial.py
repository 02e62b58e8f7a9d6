"""Checkpoints of cells that were stopped: `STORE/partial/RUNKEY/`, one file for each part of the work, and a list.

A part is written under a name of its own and flushed; then `parts.json`, which says what is there, is replaced by
rename. So a kill at any instant leaves the checkpoint before or the one after. Only the process that holds the claim
on the key writes. Nothing rests on these files: what is damaged, or from another version of the code, is not used, and
the folder goes when the cell's record is there (those of cells that nobody takes up again go by `store gc`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from vlmunl.keys import read_chunks
from vlmunl.store.atomic import discard, discard_tree, sync_directory
from vlmunl.store.owner import unique_name

FOLDER = "partial"
SCHEMA = 1
_LIST = "parts.json"


@dataclass(frozen=True, kw_only=True)
class Saved:
    """One part's file. `done` of `total` steps (or questions) are in it; `xxh3` is of its bytes."""

    file: str
    size: int
    xxh3: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a checkpoint is. `identity` is what must agree for it to be used, `parts` come in the order of saving.

    `spent` are the seconds that earlier attempts took up to the last saving.
    """

    identity: Mapping[str, Any]
    parts: Mapping[str, Saved]
    spent: float = 0.0
    attempts: int = 1

    @property
    def last(self) -> Saved:
        """The part that was saved last."""
        return list(self.parts.values())[-1]


def folder(store: Path, key: str) -> Path:
    """Where the checkpoint of a key is."""
    return store / FOLDER / key


def read(store: Path, key: str) -> Listed | None:
    """What the checkpoint's list says; None if there is none, or none that can be read."""
    try:
        document = json.loads((folder(store, key) / _LIST).read_bytes())
        parts = {name: Saved(**part) for name, part in document["parts"]}
        found = Listed(
            identity=document["identity"], parts=parts, spent=document["spent"], attempts=document["attempts"]
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if document.get("schema") == SCHEMA and parts else None


def is_sound(store: Path, key: str, part: Saved) -> bool:
    """Are the part's bytes those that were written?"""
    path = folder(store, key) / part.file
    try:
        return path.stat().st_size == part.size and _digest(path) == part.xxh3
    except OSError:
        return False


def put(
    store: Path, key: str, name: str, write: Callable[[Path], None], *, done: int, total: int, listed: Listed
) -> Listed:
    """Write one part, with `write(path)`, and make it count; the others stay. `listed` is what was there before.

    Raises:
        OSError: it cannot be written; what was there before still counts.
    """
    place = folder(store, key)
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}.{unique_name()}.pt"
    try:
        write(place / file)
        _flush(place / file)
        saved = Saved(file=file, size=(place / file).stat().st_size, xxh3=_digest(place / file), done=done, total=total)
        others = {n: part for n, part in listed.parts.items() if n != name}
        new = Listed(
            identity=listed.identity, parts={**others, name: saved}, spent=listed.spent, attempts=listed.attempts
        )
        _write_list(place, new)
    except BaseException:
        discard(place / file)
        raise
    for path in _unlisted(place, new):
        discard(path)
    return new


def remove(store: Path, key: str) -> None:
    """Forget the checkpoint, the list first: what is left of it by a kill in between does not count."""
    place = folder(store, key)
    discard(place / _LIST)
    discard_tree(place)


def _write_list(place: Path, listed: Listed) -> None:
    document = {
        "schema": SCHEMA,
        "identity": dict(listed.identity),
        "spent": round(listed.spent, 3),
        "attempts": listed.attempts,
        "parts": [(name, vars(part)) for name, part in listed.parts.items()],
    }
    temporary = place / f".t-{unique_name()}"
    try:
        temporary.write_bytes(json.dumps(document, indent=1).encode() + b"\n")
        _flush(temporary)
        os.replace(temporary, place / _LIST)
    except BaseException:
        discard(temporary)
        raise
    sync_directory(place)


def _unlisted(place: Path, listed: Listed) -> Iterator[Path]:
    """What earlier savings, or one that was killed, have left."""
    known = {_LIST, *(part.file for part in listed.parts.values())}
    with contextlib.suppress(OSError):
        yield from [path for path in place.iterdir() if path.name not in known]


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _digest(path: Path) -> str:
    hasher = xxhash.xxh3_128()
    for chunk in read_chunks(path):
        hasher.update(chunk)
    return hasher.hexdigest()
