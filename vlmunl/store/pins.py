"""Pins: names for records that are to be kept. `refs/<name>/<number>-<address>.json`, immutable, newest wins.

Each file names those that it comes after. What none comes after counts; of one process that is the newest, and of
several that wrote at once it is all of theirs together, so that no pin is lost and no lock is needed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import xxhash

from vlmunl.errors import StoreDamaged, UsageError, VlmunlError
from vlmunl.keys import canonical
from vlmunl.store.atomic import place, sync_directory, write_temporary
from vlmunl.store.records import RecordName
from vlmunl.store.store import Store

SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE = re.compile(r"(\d{6})-([0-9a-f]{16})\.json")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """What a name stands for now: files of records. None of them: the name has been given up. `files` say so."""

    name: str
    number: int
    records: tuple[str, ...]
    files: tuple[str, ...] = ()


def pins(store: Store) -> dict[str, Pin]:
    """Name -> pin, of the names that stand for something.

    Raises:
        StoreDamaged: a pin cannot be read; the message names the file.
    """
    root = store.root / "refs"
    names = sorted(entry.name for entry in os.scandir(root)) if root.is_dir() else []
    found = {name: pin for name in names if (pin := _newest(root / name)) is not None}
    return {name: pin for name, pin in found.items() if pin.records}


def pin(store: Store, name: str, records: Collection[RecordName]) -> Pin:
    """Add records to a name.

    Raises:
        UsageError: the name is not allowed, or the store is read-only.
        StoreDamaged: what the name stood for cannot be read.
    """
    wanted = {record.file for record in records}
    old = _current(store, name)
    if old is not None and wanted <= set(old.records):
        return old
    return _write(store, name, old, wanted.union(old.records if old else ()))


def unpin(store: Store, name: str, records: Collection[RecordName] | None = None) -> Pin:
    """Take records from a name, or give it up altogether. The records themselves stay.

    Raises:
        UsageError: there is no such pin, or it does not hold one of the records.
        StoreDamaged: what the name stood for cannot be read.
    """
    old = _current(store, name)
    if old is None or not old.records:
        raise UsageError(f"there is no pin {name!r}", f"pins: {', '.join(pins(store)) or 'none'}")
    gone = set(old.records) if records is None else {record.file for record in records}
    if foreign := sorted(gone - set(old.records)):
        raise UsageError(f"the pin {name!r} does not hold {foreign[0]}", f"see it: vlmunl store pin {name}")
    return _write(store, name, old, set(old.records) - gone)


def _current(store: Store, name: str) -> Pin | None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a pin", "letters, digits, and . _ - after the first; at most 64")
    if store.read_only:
        raise UsageError(f"the store {store.root} was opened read-only")
    return _newest(store.root / "refs" / name)


def _newest(folder: Path) -> Pin | None:
    try:
        files = os.listdir(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreDamaged(f"the pin {folder} cannot be read: {error.strerror}") from None
    found = {file: _read(folder / file) for file in sorted(files) if _FILE.fullmatch(file)}
    if not found:
        return None
    earlier = {file for _, after in found.values() for file in after}
    now = tuple(file for file in found if file not in earlier)
    records = {record for file in now for record in found[file][0]}
    last = max(int(file.partition("-")[0]) for file in found)
    return Pin(name=folder.name, number=last, records=tuple(sorted(records)), files=now)


def _read(path: Path) -> tuple[list[str], list[str]]:
    """The records that a file names, and the files that it comes after."""
    hint = "restore the file from a copy, or delete it and pin again"
    try:
        data = path.read_bytes()
        if xxhash.xxh3_64_hexdigest(data) != path.stem.partition("-")[2]:
            raise ValueError("its content does not match its name")
        document = json.loads(data)
        records, after = document["records"], document["after"]
        if document["schema"] != SCHEMA or not all(RecordName.parse(record) for record in records):
            raise ValueError("it is not a pin of this version")
    except OSError as error:
        raise StoreDamaged(f"the pin {path} cannot be read: {error.strerror}", hint) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreDamaged(f"the pin {path} is damaged: {error}", hint) from None
    return list(records), list(after)


def _write(store: Store, name: str, old: Pin | None, records: Collection[str]) -> Pin:
    after = list(old.files) if old else []
    new = Pin(name=name, number=old.number + 1 if old else 1, records=tuple(sorted(records)))
    document = {
        "schema": SCHEMA,
        "name": name,
        "number": new.number,
        "records": list(new.records),
        "after": after,
    }
    data = canonical(document) + b"\n"
    target = store.root / "refs" / name / f"{new.number:06d}-{xxhash.xxh3_64_hexdigest(data)}.json"
    try:
        temporary, _ = write_temporary(store.root / "tmp", [data])
        place(temporary, target, good=lambda: target.exists() and target.read_bytes() == data)
    except OSError as error:
        raise VlmunlError(f"the pin {target.parent} cannot be written: {error.strerror}") from None
    sync_directory(target.parent)
    return new
