"""Files of a repository at a commit, brought into a staging folder: in parallel, and taken up where they broke.

A file has its final name there only when its bytes were read again and are those that were promised, by SHA-256 and
by what the repository's listing says. What was staged before is hashed too, and not believed.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmunl.errors import CopyDamaged, MissingInput, Stopped, SyncError
from vlmunl.hub.client import TRIES, Hub, RemoteFile, jitter
from vlmunl.hub.failures import Failure, explained, wait_of
from vlmunl.keys import Digest, digest_chunks, read_chunks
from vlmunl.store.atomic import READ_ONLY, discard, size_of
from vlmunl.store.owner import unique_name

if TYPE_CHECKING:
    from hashlib import _Hash

Progress = Callable[[int, int], None]
WORKERS = 4
SPARE = 64 << 20
"""Bytes that a disk must have beyond what is downloaded."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file of the repository and what it must be."""

    remote: RemoteFile
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A file in the staging folder that was read and found to be what it should."""

    path: Path
    digest: Digest


@dataclass(kw_only=True)
class Arrivals:
    """Brings files of one commit into `staging`. Nothing but that folder is touched."""

    hub: Hub
    commit: str
    staging: Path
    progress: Progress
    workers: int = WORKERS
    received: int = 0
    """Bytes that came over the network, those that had to come again included."""
    _done: dict[str, int] = field(default_factory=dict)
    _total: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def bring(self, wanted: Sequence[Wanted]) -> Mapping[str, Arrived]:
        """SHA-256 -> file of all that is wanted; what is in the staging folder already is not asked for again.

        Raises:
            CopyDamaged: bytes that came, twice, are not those that were promised.
            SyncError: the Hub cannot be reached, or says no. What has arrived stays in the staging folder.
            MissingInput: the disk has no room.
        """
        each = {one.sha256: one for one in wanted}
        self._total = sum(one.remote.size for one in each.values())
        _room(self.staging, self._total - self._staged(each))
        largest_first = sorted(each.values(), key=lambda one: (-one.remote.size, one.remote.path))
        pool = ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="arrive")
        try:
            futures = {one.sha256: pool.submit(self._one, one) for one in largest_first}
            done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
            for future in done:  # the error that came first stops the others, whose own say no more
                if (error := future.exception()) is not None and not isinstance(error, Stopped):
                    raise error
            return {sha256: future.result() for sha256, future in futures.items()}
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _staged(self, each: Mapping[str, Wanted]) -> int:
        return sum((size_of(self.staging / sha) or size_of(_partial(self.staging, sha)) or 0) for sha in each)

    def _one(self, wanted: Wanted) -> Arrived:
        target = self.staging / wanted.sha256
        if (found := _checked(target, wanted)) is not None:
            self._count(wanted.sha256, wanted.remote.size)
            return Arrived(path=target, digest=found)
        discard(target)
        partial = _partial(self.staging, wanted.sha256)
        for place in (partial, self.staging / unique_name()):  # once more from nothing, where no other process writes
            self._receive(wanted, place)
            found = _checked(place, wanted)
            if found is not None:
                os.chmod(place, READ_ONLY)
                os.rename(place, target)
                return Arrived(path=target, digest=found)
            discard(place)
            self._count(wanted.sha256, 0)
        raise CopyDamaged(
            f"{wanted.remote.path} of {self.hub.repo} at {self.commit[:12]} is not what it should be "
            f"(sha256 {wanted.sha256[:12]}…); nothing was taken over",
            "the copy on the Hub is damaged: ask whoever published it to push it again",
        )

    # ------------------------------------------------------------------------------------ one file

    def _receive(self, wanted: Wanted, place: Path) -> None:
        """Fill a file up to its size, again and again while that goes on; its content is for others to judge."""
        size, failures, most = wanted.remote.size, 0, size_of(place) or 0
        if size == 0:
            place.write_bytes(b"")
        while (have := size_of(place) or 0) < size:
            self._count(wanted.sha256, have)
            try:
                self._stream(wanted, place, have)
                if (size_of(place) or 0) < size:
                    return
            except Exception as error:
                if getattr(getattr(error, "response", None), "status_code", None) == 416:
                    discard(place)  # there is no such part: what is here is of another file
                    return
                grown = size_of(place) or 0
                failures, most = (1, grown) if grown > most else (failures + 1, most)
                self._sleep(self._pause(error, failures, f"reading {wanted.remote.path} of {self.hub.repo}"))

    def _pause(self, error: Exception, failures: int, doing: str) -> float:
        """Seconds to wait before the next attempt. Raises what ends them."""
        failure = None if isinstance(error, SyncError | Stopped) else Failure.of(error)
        if failure is None:
            raise error
        pause = wait_of(failure, failures - 1)
        if pause is None or failures >= (TRIES if failure.status is None else self.hub.retries + 1):
            raise explained(failure, doing, self.hub, sent=False) from None
        return jitter(pause)

    def _sleep(self, seconds: float) -> None:
        """Wait, but not for what is to stop anyway."""
        if self.hub.sleep is time.sleep:
            self._stop.wait(seconds)
        else:
            self.hub.sleep(seconds)
        if self._stop.is_set():
            raise Stopped("stopped") from None

    def _stream(self, wanted: Wanted, place: Path, have: int) -> None:
        """One request for the rest of a file. The library's client leaves the token behind when it changes hosts."""
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        hub = self.hub
        url = hf_hub_url(hub.repo, wanted.remote.path, revision=self.commit, endpoint=hub.endpoint)
        headers = {**build_hf_headers(token=hub.token or False, library_name="vlmunl"), "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with get_session().stream("GET", url, headers=headers, timeout=hub.timeout) as answer:
            if answer.status_code >= 400:
                answer.read()
            hf_raise_for_status(answer)
            self._write(answer, wanted, place, have if answer.status_code == 206 else 0)

    def _write(self, answer: Any, wanted: Wanted, place: Path, have: int) -> None:
        with open(place, "ab", buffering=0) as file:
            file.truncate(have)
            for piece in answer.iter_bytes():
                if self._stop.is_set():
                    raise Stopped("stopped")
                have += len(piece)
                if have > wanted.remote.size:
                    raise CopyDamaged(
                        f"{wanted.remote.path} of {self.hub.repo} is longer than the {wanted.remote.size} bytes that "
                        "its listing says; nothing was taken over"
                    )
                file.write(piece)
                self._count(wanted.sha256, have, len(piece))
            os.fsync(file.fileno())

    def _count(self, sha256: str, size: int, received: int = 0) -> None:
        with self._lock:
            self.received += received
            self._done[sha256] = size
            self.progress(sum(self._done.values()), self._total)


def _partial(staging: Path, sha256: str) -> Path:
    return staging / f"{sha256}.partial"


def _checked(path: Path, wanted: Wanted) -> Digest | None:
    """The digest of a file, if it is the one that is wanted by SHA-256 and by the repository's listing."""
    if size_of(path) != wanted.remote.size:
        return None
    import hashlib

    git = hashlib.sha1(b"blob %d\0" % wanted.remote.size, usedforsecurity=False)
    digest = digest_chunks(_also(read_chunks(path), git))
    listed = wanted.remote.sha256 or wanted.sha256
    if digest.sha256 != wanted.sha256 or digest.sha256 != listed:
        return None
    return digest if wanted.remote.sha256 or git.hexdigest() == wanted.remote.blob else None


def _also(chunks: Iterator[memoryview], sum_: _Hash) -> Iterator[memoryview]:
    for chunk in chunks:
        sum_.update(chunk)
        yield chunk


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + SPARE:
        raise MissingInput(
            f"{needed / 1e9:.2f} GB are to come, and {folder} has {free / 1e9:.2f} GB left",
            "make room, or name another --store",
        )
