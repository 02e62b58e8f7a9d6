"""Hold objects against their address and against what records say of them, many at once."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmunl.keys import address_of, digest_chunks, read_chunks
from vlmunl.store.atomic import size_of
from vlmunl.store.ref import Ref

Level = Literal["sizes", "fast", "full"]
LEVELS: tuple[Level, ...] = ("sizes", "fast", "full")
Progress = Callable[[int, int], None]
"""Called as progress(bytes done, bytes in all), from any thread but never from two at once."""


@dataclass(frozen=True)
class Rehash:
    """Checks of one level. `jobs` threads: the hashes let go of the interpreter's lock while they work."""

    level: Level
    jobs: int
    progress: Progress | None = None

    def problems(self, files: Mapping[str, Path], expected: Mapping[str, set[Ref]]) -> dict[str, str]:
        """Address -> what is wrong with the object, of those that are not as they should be."""
        sizes = {xxh3: size_of(path) or 0 for xxh3, path in files.items()}
        meter = _Meter(sum(sizes.values()), self.progress)
        largest_first = sorted(files, key=lambda xxh3: (-sizes[xxh3], xxh3))
        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="rehash")
        try:
            running: dict[str, Future[str]] = {
                xxh3: pool.submit(self.problem, files[xxh3], xxh3, expected.get(xxh3, set()), meter)
                for xxh3 in largest_first
            }
            found = {xxh3: running[xxh3].result() for xxh3 in largest_first}
        finally:
            pool.shutdown(cancel_futures=True)
        return {xxh3: text for xxh3, text in sorted(found.items()) if text}

    def problem(self, path: Path, xxh3: str, expected: set[Ref], meter: _Meter | None = None) -> str:
        """What is wrong with one object; empty if nothing is. Damage is looked at twice."""
        text = self._look(path, xxh3, expected, meter or _Meter(0, None))
        return text and self._look(path, xxh3, expected, _Meter(0, None))  # another process may just have mended it

    def _look(self, path: Path, xxh3: str, expected: set[Ref], meter: _Meter) -> str:
        size = size_of(path)
        if size is None:
            return "missing"
        if wrong := sorted(ref.size for ref in expected if ref.size != size):
            meter.add(size)
            return f"{size} bytes instead of {wrong[0]}"
        if self.level == "sizes":
            return ""
        try:
            return self._hash(path, xxh3, expected, meter)
        except OSError as error:
            return "missing" if error.errno == errno.ENOENT else f"unreadable: {error.strerror}"

    def _hash(self, path: Path, xxh3: str, expected: set[Ref], meter: _Meter) -> str:
        chunks = meter.counted(read_chunks(path))
        if self.level == "fast":
            return "" if address_of(chunks) == xxh3 else "altered: its bytes are not those of its address"
        digest = digest_chunks(chunks)
        if digest.xxh3 != xxh3:
            return "altered: its bytes are not those of its address"
        if any(ref.sha256 != digest.sha256 for ref in expected):
            return "altered: its sha256 is not the one that records give"
        return ""


class _Meter:
    """Counts bytes of all threads and reports them one caller at a time."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self.done = 0
        self._progress = progress
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self.done += count
            self._progress(self.done, self.total)

    def counted(self, chunks: Iterator[memoryview]) -> Iterator[memoryview]:
        for chunk in chunks:
            yield chunk
            self.add(len(chunk))
