"""Reading an export: every byte is held against the sums at its front, and nothing is believed before that."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from vlmunl.errors import MissingInput, StoreDamaged, UsageError
from vlmunl.keys import CHUNK, Digest
from vlmunl.store.bundle import BLOCK, END, FORMAT, HEAD, STUDY_LARGEST, SUMS, Listed, padded, parse_sums, read_header
from vlmunl.store.bundle_write import ByteProgress
from vlmunl.store.layout import ADDRESS
from vlmunl.store.records import LARGEST

_HEAD_LARGEST = 4 << 20
_SUMS_LARGEST = 256 << 20
_MOST = {"study": STUDY_LARGEST, "result": 1 << 30, "record": LARGEST, "object": 1 << 62}
_PACKED = {b"\x1f\x8b": "gunzip", b"(\xb5/\xfd": "zstd -d", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz"}

Receive = Callable[[Listed, int, Iterator[memoryview]], Digest]
"""Called as receive(member, size, chunks); takes all chunks and returns the digest of what came."""


@dataclass
class Reader:
    """An export opened for reading, from front to end. Use `opened`."""

    path: Path
    file: BinaryIO
    size: int
    progress: ByteProgress
    at: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    """Path of a member -> where its content begins in the file."""

    def front(self) -> tuple[dict[str, Any], list[Listed]]:
        """What `BUNDLE.json` says, and the members to come.

        Raises:
            UsageError: it is no export, or one of a later version.
            StoreDamaged: it is an export that was cut or altered.
        """
        self._refuse_strangers()
        from hashlib import sha256

        data = self._small(HEAD, _HEAD_LARGEST)
        sums = self._small(SUMS, _SUMS_LARGEST)
        try:
            expected, members = parse_sums(sums.decode("ascii"))
            document = json.loads(data)
            version, address, rest = document["bundle"], document["addr"], document["rest"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.damaged(f"{_short(error)}") from None
        if sha256(data).hexdigest() != expected:
            raise self.damaged(f"{HEAD} does not have its sum")
        if version != FORMAT or address != ADDRESS:
            what = f"form {str(version)[:20]} ({str(address)[:20]}); this version reads {FORMAT} ({ADDRESS})"
            raise UsageError(f"{self.path} is an export of {what}", "use the version of vlmunl that made it")
        if rest != self.size - self.at:
            raise self.damaged(f"it has {self.size} bytes and should have {self.at + rest}")
        return document, members

    def rest(self, members: list[Listed], receive: Receive) -> None:
        """Give every member to `receive`, in order, and check what came.

        Raises:
            StoreDamaged: a byte is missing, altered or too many.
        """
        for member in members:
            size = self._header(member.path, _MOST[member.kind])
            self.offsets[member.path] = self.at
            digest = receive(member, size, self._chunks(member.path, size))
            if (digest.sha256, digest.size) != (member.sha256, size):
                raise self.damaged(f"{member.path} does not have its sum")
            self._padding(size)
        if self._read(len(END)) != END or self._read(1):
            raise self.damaged("it does not end where it should")

    def again(self, path: str, size: int) -> bytes:
        """A member that was read before, once more; whoever asks checks it."""
        return os.pread(self.file.fileno(), size, self.offsets[path])

    def damaged(self, what: str) -> StoreDamaged:
        """The error for a file that was cut or altered."""
        return StoreDamaged(f"{self.path} is damaged: {what}; nothing was imported", "copy it again from its source")

    def _refuse_strangers(self) -> None:
        start = os.pread(self.file.fileno(), BLOCK, 0)
        for magic, tool in _PACKED.items():
            if start.startswith(magic):
                raise UsageError(f"{self.path} is compressed; an import reads plain exports", f"unpack it: {tool}")
        if not start.startswith(HEAD.encode() + b"\0"):
            raise UsageError(f"{self.path} is not an export of a store", "make one with: vlmunl store export")

    def _small(self, path: str, most: int) -> bytes:
        size = self._header(path, most)
        data = b"".join(bytes(chunk) for chunk in self._chunks(path, size))
        self._padding(size)
        return data

    def _header(self, path: str, most: int) -> int:
        try:
            found, size = read_header(self._read(BLOCK))
        except ValueError:
            raise self.damaged(f"there is no plain header of {path}") from None
        if found != path:
            raise self.damaged(f"{found!r} stands where {path} should")
        if size > min(most, self.size - self.at):
            raise self.damaged(f"{path} claims {size} bytes")
        return size

    def _chunks(self, path: str, size: int) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(CHUNK, size) or 1))
        while size:
            count = self.file.readinto(buffer[: min(size, len(buffer))])  # type: ignore[attr-defined]
            if not count:
                raise self.damaged(f"it ends inside {path}")
            self.at += count
            size -= count
            yield buffer[:count]
            self.progress(self.at, self.size)

    def _padding(self, size: int) -> None:
        if any(self._read(padded(size) - size)):
            raise self.damaged("bytes between its members were altered")

    def _read(self, count: int) -> bytes:
        data = self.file.read(count)
        self.at += len(data)
        return data


def opened(path: Path, progress: ByteProgress) -> Reader:
    """Open an export. The file is closed with the reader's `file`.

    Raises:
        MissingInput: there is no such file, or it cannot be read.
        UsageError: it is not a regular file.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise MissingInput(f"cannot read {path}: {error.strerror}") from None
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise UsageError(f"{path} is not a regular file; an import reads it more than once")
    return Reader(path, file, status.st_size, progress)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
