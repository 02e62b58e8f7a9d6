"""Importing an export: a set union with what a store holds. First everything is checked, then it becomes visible.

What comes is judged by sha256 alone; xxh3 is the address, and two contents that share one are refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmunl.errors import StoreDamaged
from vlmunl.keys import Digest, digest_bytes, digest_chunks, digest_file
from vlmunl.store import tree
from vlmunl.store.atomic import discard, place, size_of, write_temporary
from vlmunl.store.bundle import Listed, object_path
from vlmunl.store.bundle_read import Reader, opened
from vlmunl.store.bundle_write import ByteProgress
from vlmunl.store.records import RecordName, parse
from vlmunl.store.ref import Ref
from vlmunl.store.store import Store


@dataclass(kw_only=True)
class Checked:
    """An export of which every byte was checked, and what of it a store lacks."""

    about: Mapping[str, Any]
    digest_of: dict[str, Digest] = field(default_factory=dict)
    """Address -> digest of each object in the export."""
    studies: dict[str, bytes] = field(default_factory=dict)
    """Name -> bytes of each study file."""
    cells: dict[RecordName, str] = field(default_factory=dict)
    """Name -> cell of each record."""
    new_objects: list[str] = field(default_factory=list)
    new_records: list[RecordName] = field(default_factory=list)

    @property
    def new_bytes(self) -> int:
        """Size of the objects that the store lacks."""
        return sum(self.digest_of[xxh3].size for xxh3 in self.new_objects)


def check(path: Path, store: Store | None, staging: Path | None, progress: ByteProgress) -> Checked:
    """Read all of an export and check it; what `store` lacks is kept below `staging`, if that is given.

    Raises:
        MissingInput: there is no such file.
        UsageError: it is no export, or one of another version.
        StoreDamaged: it was cut or altered, or contradicts itself or the store; the message is one line.
    """
    reader = opened(path, progress)
    with reader.file:
        about, members = reader.front()
        arrival = _Arrival(reader, store, staging, Checked(about=about))
        reader.rest(members, arrival.receive)
    return arrival.checked


def settle(checked: Checked, store: Store, staging: Path) -> None:
    """Put what `check` kept below `staging` into the store: objects first, records last.

    Raises:
        OSError: the store could not be written; what is there is whole, and importing again goes on.
    """
    for xxh3, digest in checked.digest_of.items():
        target = store.root / object_path(xxh3)
        if (staging / xxh3).exists():
            place(staging / xxh3, target, good=lambda t=target, d=digest: same(t, d))  # type: ignore[misc]
        else:
            with contextlib.suppress(OSError):  # guards it from gc until its records are there
                os.utime(target)
    for name in checked.new_records:
        data = (staging / name.file).read_bytes()
        discard(staging / name.file)  # on a disk that is nearly full, not both at once
        store.write_record(parse(data, name, name.file))


def same(path: Path, digest: Digest) -> bool:
    """Has the file exactly this content, by both hashes?"""
    try:
        return size_of(path) == digest.size and digest_file(path) == digest
    except OSError:
        return False


@dataclass
class _Arrival:
    """Takes the members of one export as they come."""

    reader: Reader
    store: Store | None
    staging: Path | None
    checked: Checked

    def receive(self, member: Listed, size: int, chunks: Iterator[memoryview]) -> Digest:
        if member.kind == "object":
            return self._object(member, size, chunks)
        if member.kind == "result":
            return digest_chunks(chunks)
        data = b"".join(bytes(chunk) for chunk in chunks)
        if digest_bytes(data).sha256 == member.sha256:  # else the reader refuses it
            if member.kind == "study":
                self.checked.studies[member.name] = data
            else:
                self._record(member, data)
        return digest_bytes(data)

    def _object(self, member: Listed, size: int, chunks: Iterator[memoryview]) -> Digest:
        expected = Digest(xxh3=member.name, sha256=member.sha256, size=size)
        known = self._known(expected)
        if known or self.staging is None:
            digest = digest_chunks(chunks)
        else:
            _, digest = write_temporary(self.staging, chunks, member.name)
        if digest.sha256 == expected.sha256 and digest.xxh3 != member.name:
            raise self.reader.damaged(f"{member.path} does not have its address")
        self.checked.digest_of[member.name] = expected
        self.checked.new_objects += [] if known else [member.name]
        return digest

    def _known(self, digest: Digest) -> bool:
        """Does the store hold this object, sound? A damaged one is replaced."""
        if self.store is None or (size := size_of(path := self.store.root / object_path(digest.xxh3))) is None:
            return False
        there = digest_file(path)
        if there.xxh3 == digest.xxh3 and there != digest:
            raise self.reader.damaged(f"its object {digest.xxh3} has another content than the store's ({size} bytes)")
        return there == digest

    def _record(self, member: Listed, data: bytes) -> None:
        name = RecordName.parse(member.name)
        assert name is not None, "the list of sums holds well-formed names only"
        try:
            record = parse(data, name, member.path)
        except StoreDamaged as error:
            raise self.reader.damaged(error.message) from None
        for output, ref in record.outputs.items():
            self._require(ref, f"{output} of {record.cell}")
            for entry in self._entries(ref) if ref.kind == "tree" else ():
                self._require(entry.ref, f"{entry.path} in {output} of {record.cell}")
        self.checked.cells[name] = record.cell
        if self.store is None or name not in [r.name for r in self.store.all_for(name.key)]:
            self.checked.new_records.append(name)
            if self.staging is not None:
                write_temporary(self.staging, [data], name.file)

    def _require(self, ref: Ref, what: str) -> None:
        held = self.checked.digest_of.get(ref.xxh3)
        if held is None or (held.sha256, held.size) != (ref.sha256, ref.size):
            raise self.reader.damaged(f"{what} ({ref}) is not in it")

    def _entries(self, ref: Ref) -> tuple[tree.TreeEntry, ...]:
        listing = self.reader.again(object_path(ref.xxh3), ref.size)
        try:
            if Ref.of(digest_bytes(listing), "tree") != ref:
                raise ValueError("it changes while it is read")
            return tree.decode(listing)
        except ValueError as error:
            raise self.reader.damaged(f"object {ref.xxh3}: {error}") from None
