"""A survey: every file that lies in a store just now, and what the records among them say. Writes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlmunl.errors import StoreDamaged
from vlmunl.store.atomic import patiently
from vlmunl.store.records import Record, RecordName, parse
from vlmunl.store.shelf import read_bounded
from vlmunl.store.store import Store

_OBJECT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file as listed: its path, size in bytes and time stamp (seconds since 1970, by the file system's clock)."""

    path: Path
    size: int
    when: float


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What lies in `objects/` and `records/`.

    Attributes:
        objects: address -> file.
        records: the sound records.
        files: the files of the sound records, by name.
        damaged: record file -> what is wrong with it.
        strays: files that are neither objects nor records.
    """

    objects: Mapping[str, Stored]
    records: Mapping[RecordName, Record]
    files: Mapping[RecordName, Stored]
    damaged: Mapping[Path, str]
    strays: tuple[Path, ...]


def survey(store: Store) -> Survey:
    """List and read. Records first: what they name was put before them, so it is in the later listing of objects."""
    records, files, damaged, strays = _records(store.root)
    objects: dict[str, Stored] = {}
    for prefix, entry in _entries(store.root / "objects"):
        stored = _stored(entry)
        if stored is None:
            continue
        if _OBJECT.fullmatch(entry.name) and entry.name[:2] == prefix:
            objects[entry.name] = stored
        else:
            strays.append(stored.path)
    return Survey(objects=objects, records=records, files=files, damaged=damaged, strays=tuple(sorted(strays)))


def read_record(path: Path) -> Record:
    """Read a record strictly: its place, its name, its content, and its last byte.

    Raises:
        StoreDamaged: something about it is wrong; the message is that alone.
    """
    name = RecordName.parse(path.name)
    if name is None or path.parent.name != path.name[:2]:
        raise StoreDamaged(f"filed under {path.parent.name} instead of {path.name[:2]}")
    try:
        data = patiently(lambda: read_bounded(path))
    except OSError as error:
        raise StoreDamaged(f"cannot be read: {error.strerror}") from None
    if not data.endswith(b"\n"):
        raise StoreDamaged("cut off, or added to: it does not end with a whole line")
    try:
        return parse(data, name, str(path))
    except StoreDamaged as error:
        raise StoreDamaged(error.message.rpartition(" is damaged: ")[2]) from None


def _records(
    root: Path,
) -> tuple[dict[RecordName, Record], dict[RecordName, Stored], dict[Path, str], list[Path]]:
    records: dict[RecordName, Record] = {}
    files: dict[RecordName, Stored] = {}
    damaged: dict[Path, str] = {}
    strays: list[Path] = []
    for _, entry in _entries(root / "records"):
        name, stored = RecordName.parse(entry.name), _stored(entry)
        if stored is None:
            continue
        if name is None:
            strays.append(stored.path)
            continue
        try:
            records[name], files[name] = read_record(stored.path), stored
        except StoreDamaged as error:
            if stored.path.exists():  # else moved away by another process since it was listed
                damaged[stored.path] = error.message
    return dict(sorted(records.items())), files, damaged, strays


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(folder, entry) of everything one level below `root`, in order; files beside the folders count as misplaced.

    Raises:
        StoreDamaged: a folder cannot be listed.
    """
    try:
        for folder in sorted(os.scandir(root), key=lambda e: e.name):
            if folder.is_dir(follow_symlinks=False):
                yield from ((folder.name, entry) for entry in sorted(os.scandir(folder.path), key=lambda e: e.name))
            else:
                yield "", folder
    except OSError as error:
        raise StoreDamaged(f"{error.filename or root} cannot be listed: {error.strerror}") from None


def _stored(entry: os.DirEntry[str]) -> Stored | None:
    """None if the file has gone since it was listed."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return Stored(path=Path(entry.path), size=status.st_size, when=status.st_mtime)
