"""Directories as objects: a sorted listing of (path, address, size), stored like any other bytes."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from vlmunl.errors import MissingInput, VlmunlError
from vlmunl.keys import canonical, digest_bytes
from vlmunl.store.known_digests import known_digest
from vlmunl.store.ref import Ref, checked_hashes

FORMAT = "tree/1"
NOT_CONTENT = frozenset({".cache", ".git", "__pycache__"})
"""Names left out when a directory outside the store is addressed: download bookkeeping differs per copy."""


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """One file of a tree: its relative POSIX path and its content."""

    path: str
    xxh3: str
    sha256: str
    size: int

    @property
    def ref(self) -> Ref:
        """The file's own reference."""
        return Ref(xxh3=self.xxh3, sha256=self.sha256, size=self.size)


def encode(entries: Iterable[TreeEntry]) -> bytes:
    """The listing's bytes: equal for equal content, whatever order the entries come in."""
    rows = [
        {"path": e.path, "sha256": e.sha256, "size": e.size, "xxh3": e.xxh3}
        for e in sorted(entries, key=lambda e: e.path)
    ]
    return canonical({"t": FORMAT, "entries": rows})


def decode(listing: bytes) -> tuple[TreeEntry, ...]:
    """Read a listing from untrusted bytes.

    Raises:
        ValueError: it is not a listing, or a path in it would lead out of the tree.
    """
    try:
        document = orjson.loads(listing)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not a tree listing: {error}") from None
    if not isinstance(document, dict) or document.get("t") != FORMAT or not isinstance(document.get("entries"), list):
        raise ValueError(f"not a {FORMAT} listing")
    entries = tuple(_entry(row) for row in document["entries"])
    paths = [entry.path for entry in entries]
    if paths != sorted(set(paths)):
        raise ValueError("tree listing is not sorted, or names a path twice")
    return entries


def _entry(row: object) -> TreeEntry:
    if not isinstance(row, dict):
        raise ValueError("tree entry is not an object")
    path = row.get("path")
    if not isinstance(path, str) or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"tree entry has a bad path {str(path)[:80]!r}")
    xxh3, sha256, size = checked_hashes(row.get("xxh3"), row.get("sha256"), row.get("size"))
    return TreeEntry(path=path, xxh3=xxh3, sha256=sha256, size=size)


def walk(directory: Path, skip: Collection[str] = ()) -> Iterator[tuple[str, Path]]:
    """(relative path, path) of every file below `directory`, sorted within each folder.

    Links to files count as the files; links to folders and special files are refused.

    Raises:
        VlmunlError: something below the directory cannot be part of a tree.
    """
    for entry in sorted(os.scandir(directory), key=lambda e: e.name):
        if entry.name in skip:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from ((f"{entry.name}/{below}", path) for below, path in walk(Path(entry.path), skip))
        else:
            _check_file(entry)
            yield entry.name, Path(entry.path)


def _check_file(entry: os.DirEntry[str]) -> None:
    try:
        regular = stat.S_ISREG(entry.stat().st_mode)
    except OSError as error:
        raise MissingInput(f"cannot read {entry.path}: {error.strerror}") from None
    if not regular:
        raise VlmunlError(f"{entry.path} is neither a file nor a folder; a tree cannot hold it")
    if not unicodedata.is_normalized("NFC", entry.name) or not entry.name.isprintable():
        raise VlmunlError(
            f"the file name {entry.name!r} in {Path(entry.path).parent} is not plain Unicode (NFC); rename it"
        )


def tree_ref_of_directory(path: Path, *, skip: Collection[str] = NOT_CONTENT) -> Ref:
    """Content address of a directory as it lies on disk, without storing it: for base models.

    Reads every byte, but for large files that are as they were when they were last read (`known_digests`). Files and
    folders named in `skip` do not count.

    Raises:
        MissingInput: there is no such directory, or a file in it cannot be read.
    """
    if not path.is_dir():
        raise MissingInput(f"no directory {path}")
    entries = []
    for name, file in walk(path, skip):
        try:
            digest = known_digest(file)
        except OSError as error:
            raise MissingInput(f"cannot read {file}: {error.strerror}") from None
        entries.append(TreeEntry(path=name, xxh3=digest.xxh3, sha256=digest.sha256, size=digest.size))
    return Ref.of(digest_bytes(encode(entries)), "tree")
