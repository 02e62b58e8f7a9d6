"""Content-addressed files: `objects/ab/<xxh3-128 of the bytes>`, immutable and read-only."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vlmunl.errors import MissingInput, StoreDamaged, VlmunlError
from vlmunl.keys import Digest, address_of, digest_bytes, digest_file, read_chunks
from vlmunl.store.atomic import READ_ONLY, patiently, place, size_of, write_temporary, written_through
from vlmunl.store.ref import Ref


@dataclass(frozen=True)
class Objects:
    """The blobs below `root`; new ones are first written in `temporary`, on the same file system if possible."""

    root: Path
    temporary: Path

    def path(self, xxh3: str) -> Path:
        """Where the object with this address lies, if it does."""
        return self.root / xxh3[:2] / xxh3

    def present(self, xxh3: str, size: int) -> bool:
        """Is the object there with the right size?"""
        return size_of(self.path(xxh3)) == size

    def put_bytes(self, data: bytes) -> Ref:
        """Store bytes; storing them again changes nothing but the time stamp that guards them from gc."""
        return self._put([data], digest_bytes(data), "the bytes")

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
        return self._put(read_chunks(path), digest, str(path))

    def _put(self, chunks: Iterable[bytes | memoryview], digest: Digest, what: str) -> Ref:
        target = self.path(digest.xxh3)
        if self.present(digest.xxh3, digest.size):
            with contextlib.suppress(OSError):  # another user's object cannot be touched, and need not be
                os.utime(target)
            return Ref.of(digest)
        temporary, written = patiently(lambda: write_temporary(self.temporary, chunks))
        if written != digest:
            temporary.unlink()
            raise VlmunlError(f"{what} changed while it was being stored; nothing was kept")
        place(temporary, target, good=lambda: self.present(digest.xxh3, digest.size))
        return Ref.of(digest)

    def verify(self, ref: Ref) -> None:
        """Re-hash an object (xxh3).

        Raises:
            StoreDamaged: it is missing, or its bytes are not those of its address.
        """
        path = self.path(ref.xxh3)
        try:
            if not self.present(ref.xxh3, ref.size) or patiently(lambda: address_of(read_chunks(path))) != ref.xxh3:
                raise damaged(path, ref)
        except OSError:
            raise damaged(path, ref) from None

    def read(self, ref: Ref) -> bytes:
        """All bytes of an object, checked against its address.

        Raises:
            StoreDamaged: it is missing, or its bytes are not those of its address.
        """
        path = self.path(ref.xxh3)
        try:
            data = patiently(path.read_bytes)
        except OSError:
            raise damaged(path, ref) from None
        if len(data) != ref.size or address_of([data]) != ref.xxh3:
            raise damaged(path, ref)
        return data

    def copy(self, ref: Ref, target: Path, *, writable: bool) -> None:
        """Copy an object to a new file outside the store, checked against its address.

        Raises:
            StoreDamaged: the object is missing or damaged; nothing is left at `target`.
        """
        source = self.path(ref.xxh3)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.present(ref.xxh3, ref.size):
            raise damaged(source, ref)
        try:
            with open(target, "xb", buffering=0) as file:
                address = address_of(written_through(file.fileno(), read_chunks(source)))
        except FileNotFoundError:
            raise damaged(source, ref) from None
        if address != ref.xxh3:
            target.unlink()
            raise damaged(source, ref)
        target.chmod(READ_ONLY | 0o200 if writable else READ_ONLY)


def damaged(path: Path, ref: Ref) -> StoreDamaged:
    """The error for an object that is not what `ref` says."""
    size = size_of(path)
    found = "missing" if size is None else f"{size} bytes instead of {ref.size}" if size != ref.size else "altered"
    return StoreDamaged(f"object {path} is {found}", "run again to make it anew, or restore it from a copy")
