"""Content-addressed files: `objects/ab/<xxh3-128 of the bytes>`, immutable and read-only."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from vlmunl.errors import MissingInput, StoreDamaged, VlmunlError
from vlmunl.keys import Digest, address_of, digest_bytes, digest_file, read_chunks
from vlmunl.store.atomic import (
    READ_ONLY,
    discard,
    patiently,
    place,
    read_file,
    size_of,
    write_temporary,
    written_through,
)
from vlmunl.store.owner import unique_name
from vlmunl.store.ref import Ref

_YOUNG = 1800.0
"""Seconds; half of the age below which gc leaves everything alone."""
Chunks: TypeAlias = Iterable[bytes | memoryview]


@dataclass(frozen=True)
class Objects:
    """The blobs below `root`; new ones are first written in `temporary`, on the same file system if possible."""

    root: Path
    temporary: Path

    def path(self, xxh3: str) -> Path:
        """Where the object with this address lies, if it does."""
        return self.root / xxh3[:2] / xxh3

    def _place(self, xxh3: str) -> str:
        """`path` for the calls that are made for every object of a study: a `Path` costs more than the call."""
        return f"{self.root}/{xxh3[:2]}/{xxh3}"

    def present(self, xxh3: str, size: int) -> bool:
        """Is the object there with the right size?"""
        return size_of(self._place(xxh3)) == size

    def put_bytes(self, data: bytes) -> Ref:
        """Store bytes; storing them again changes nothing but the time stamp that guards them from gc."""
        return self._put(lambda: [data], digest_bytes(data), "the bytes")

    def put_file(self, path: Path) -> Ref:
        """Store a copy of a regular file. It is hashed first, so a file that is known is not written again.

        Raises:
            MissingInput: there is no such file.
            VlmunlError: it changed while it was read.
        """
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise VlmunlError(f"{path} is not a regular file")
            digest = digest_file(path)
        except FileNotFoundError:
            raise MissingInput(f"no file {path}") from None
        return self._put(lambda: read_chunks(path), digest, str(path))

    def _put(self, chunks: Callable[[], Chunks], digest: Digest, what: str) -> Ref:
        ref, target = Ref.of(digest), self.path(digest.xxh3)
        fresh = freshened(target)  # first, so that a gc that takes it away later sees it and puts it back
        if fresh and self.sound(ref):
            return ref
        temporary, written = patiently(lambda: write_temporary(self.temporary, chunks()))
        if written != digest:
            discard(temporary)
            raise VlmunlError(f"{what} changed while it was being stored; nothing was kept")
        if not fresh and target.exists():  # another user's, which only a new file can make young
            with contextlib.suppress(OSError):
                os.rename(temporary, target)
        place(temporary, target, good=lambda: self.sound(ref))
        return ref

    def sound(self, ref: Ref) -> bool:
        """Is the object there, and are its bytes those of its address? Reads all of it."""
        path = self.path(ref.xxh3)
        try:
            return self.present(ref.xxh3, ref.size) and patiently(lambda: address_of(read_chunks(path))) == ref.xxh3
        except OSError:
            return False

    def verify(self, ref: Ref) -> None:
        """Re-hash an object (xxh3).

        Raises:
            StoreDamaged: it is missing, or its bytes are not those of its address.
        """
        if not self.sound(ref):
            raise damaged(self.path(ref.xxh3), ref)

    def set_aside(self, ref: Ref, quarantine: Path) -> None:
        """Move the object away if it is there and not sound, so that it counts as missing and is made anew."""
        path = self.path(ref.xxh3)
        if path.exists() and not self.sound(ref):
            with contextlib.suppress(OSError):  # another process was quicker, or the store cannot be written
                os.rename(path, quarantine / f"{ref.xxh3}-{unique_name()}")

    def read(self, ref: Ref) -> bytes:
        """All bytes of an object, checked against its address.

        Raises:
            StoreDamaged: it is missing, or its bytes are not those of its address.
        """
        try:
            data = patiently(lambda: read_file(self._place(ref.xxh3)))
        except OSError:
            raise damaged(self.path(ref.xxh3), ref) from None
        if len(data) != ref.size or address_of([data]) != ref.xxh3:
            raise damaged(self.path(ref.xxh3), ref)
        return data

    def copy(self, ref: Ref, target: Path, *, writable: bool) -> None:
        """Copy an object to a new file outside the store, checked against its address.

        Raises:
            FileExistsError: there is a file at `target`; it is left as it is.
            OSError: it could not be written.
            StoreDamaged: the object is missing or damaged. After this and OSError nothing is left at `target`.
        """
        source = self.path(ref.xxh3)
        if not self.present(ref.xxh3, ref.size):
            raise damaged(source, ref)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "xb", buffering=0) as file:
            try:
                if address_of(written_through(file.fileno(), read_chunks(source))) != ref.xxh3:
                    raise damaged(source, ref)
                os.fchmod(file.fileno(), READ_ONLY | 0o200 if writable else READ_ONLY)
            except BaseException:
                discard(target)
                raise


def freshened(path: Path) -> bool:
    """Give a file that is there the present time, which guards it from gc; says whether that was possible.

    A file of another user that is young enough for any gc counts as done: its owner's gc sees the same time.
    """
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        with contextlib.suppress(OSError):
            return time.time() - os.stat(path).st_mtime < _YOUNG
        return False
    return True


def damaged(path: Path, ref: Ref) -> StoreDamaged:
    """The error for an object that is not what `ref` says."""
    size = size_of(path)
    found = "missing" if size is None else f"{size} bytes instead of {ref.size}" if size != ref.size else "altered"
    return StoreDamaged(f"object {path} is {found}", "run again to make it anew, or restore it from a copy")
