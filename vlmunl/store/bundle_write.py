"""Writing an export: what the chosen records reach, streamed into one file that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from vlmunl.errors import StoreDamaged, UsageError, VlmunlError
from vlmunl.keys import Digest, digest_bytes, digest_chunks, digest_file, read_chunks
from vlmunl.store.atomic import discard, sync_directory, written_through
from vlmunl.store.bundle import (
    BLOCK,
    END,
    FORMAT,
    HEAD,
    SUMS,
    header,
    object_path,
    padded,
    record_path,
    sums_line,
)
from vlmunl.store.layout import ADDRESS
from vlmunl.store.records import RecordName
from vlmunl.store.ref import Ref
from vlmunl.store.store import Store

ByteProgress = Callable[[int, int], None]
"""Called as progress(bytes done, bytes in all)."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of an export: its content, or where to read it."""

    path: str
    sha256: str
    size: int
    source: bytes | Path

    def chunks(self) -> Iterable[bytes | memoryview]:
        """Its bytes."""
        return [self.source] if isinstance(self.source, bytes) else read_chunks(self.source)


@dataclass(frozen=True, kw_only=True)
class Export:
    """All members of an export, in their order, and the numbers to tell."""

    members: tuple[Member, ...]
    objects: int
    records: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(BLOCK + padded(member.size) for member in self.members) + len(END)


def gather(
    store: Store, records: Iterable[RecordName], files: Mapping[str, bytes], about: Mapping[str, Any] | None = None
) -> Export:
    """The export of these records with all objects that they reach, and of some files (path -> bytes).

    `about` is told in `BUNDLE.json`. The same content gives the same export, whatever the order.

    Raises:
        StoreDamaged: a record is damaged, or an object that it needs is not there.
    """
    names = sorted(set(records))
    objects: dict[str, Ref] = {}
    members = [_bytes(path, data) for path, data in files.items()]
    for name in names:
        for ref in _reached(store, name):
            objects.setdefault(ref.xxh3, ref)
        members.append(_record(store, name))
    members += [_object(store, ref) for ref in objects.values()]
    members.sort(key=lambda member: member.path)
    counts = {"objects": len(objects), "records": len(names)}
    front = _front(members, {**(about or {}), **counts})
    return Export(members=(*front, *members), **counts)


def upstream(store: Store, names: Iterable[RecordName]) -> set[RecordName]:
    """These records, and those that made what they read, and so on. Of several that made the same, the first by name.

    Opens every record of the store once.
    """
    makers: dict[str, RecordName] = {}
    for name in store.records():
        for record in store.all_for(name.key):
            if record.outcome == "ok":
                for ref in record.outputs.values():
                    makers[ref.sha256] = min(makers.get(ref.sha256, record.name), record.name)
    found: set[RecordName] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            inputs = store.load(name).inputs.values()
            queue += [makers[ref.sha256] for ref in inputs if ref.sha256 in makers]
    return found


def write(export: Export, path: Path, progress: ByteProgress = lambda done, total: None) -> Digest:
    """Write the export to a new file; returns the digest of all of it.

    Raises:
        UsageError: there is a file of that name.
        VlmunlError: it could not be written.
        StoreDamaged: an object was altered. After this and the one before nothing is left at `path`.
    """
    if path.exists():
        raise UsageError(f"{path} is there already; an export does not overwrite", "remove it, or choose another name")
    temporary = path.parent / f".{path.name}.{uuid4().hex[:8]}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            digest = digest_chunks(_counted(written_through(fd, _stream(export)), export.size, progress))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError as error:
        raise VlmunlError(f"{path} could not be written: {error}", "nothing of it is left") from None
    finally:
        discard(temporary)
    sync_directory(path.parent)
    return digest


def _counted(chunks: Iterable[memoryview], total: int, progress: ByteProgress) -> Iterator[memoryview]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress(done, total)


def _stream(export: Export) -> Iterator[bytes | memoryview]:
    """The bytes of the file; each member is held against its sum while it passes."""
    for member in export.members:
        yield header(member.path, member.size)
        strong, size = hashlib.sha256(), 0
        for chunk in member.chunks():
            strong.update(chunk)
            size += len(chunk)
            yield chunk
        if (strong.hexdigest(), size) != (member.sha256, member.size):
            raise StoreDamaged(
                f"{member.path} in the store was altered; nothing was exported",
                "see what else is damaged: vlmunl store verify",
            )
        yield bytes(padded(member.size) - member.size)
    yield END


def _front(members: list[Member], about: Mapping[str, Any]) -> list[Member]:
    """`BUNDLE.json` and `SHA256SUMS`, which come first."""
    rest = sum(BLOCK + padded(member.size) for member in members) + len(END)
    document = {**about, "bundle": FORMAT, "addr": ADDRESS, "rest": rest}
    head = _bytes(HEAD, json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n")
    sums = "".join(sums_line(member.sha256, member.path) for member in [head, *members])
    return [head, _bytes(SUMS, sums.encode())]


def _reached(store: Store, name: RecordName) -> Iterator[Ref]:
    """The blobs that a record read or wrote, and that a store holds: all but base models."""
    record = store.load(name)
    outside = set(record.env.get("external", ()))
    for role, ref in (*record.inputs.items(), *record.outputs.items()):
        if store.has(ref):
            yield Ref(xxh3=ref.xxh3, sha256=ref.sha256, size=ref.size)
            yield from (entry.ref for entry in store.tree(ref)) if ref.kind == "tree" else ()
        elif record.outcome == "ok" and role not in outside:
            raise StoreDamaged(
                f"{record.cell} needs {role} ({ref}), which is missing or damaged in the store",
                "run the study again: what is missing is made anew",
            )


def _bytes(path: str, data: bytes) -> Member:
    digest = digest_bytes(data)
    return Member(path=path, sha256=digest.sha256, size=digest.size, source=data)


def _record(store: Store, name: RecordName) -> Member:
    source = store.root / record_path(name)
    digest = digest_file(source)
    return Member(path=record_path(name), sha256=digest.sha256, size=digest.size, source=source)


def _object(store: Store, ref: Ref) -> Member:
    path = object_path(ref.xxh3)
    return Member(path=path, sha256=ref.sha256, size=ref.size, source=store.root / path)
