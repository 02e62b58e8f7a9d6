"""What this store has published, where and when; and one push at a time for each repository and revision.

A receipt is a note, never asked before anything is decided: what lies on the Hub is asked of the Hub.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from urllib.parse import quote

from vlmunl.errors import VlmunlError
from vlmunl.store.atomic import sync_directory, write_temporary

FOLDER = "published"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One push that was verified. No token, and no address that holds one, is in it."""

    study: str
    endpoint: str
    repo: str
    revision: str
    commit: str
    tag: str
    manifest_sha256: str
    run_manifest_sha256: str
    files: int
    bytes: int
    sent_files: int
    sent_bytes: int
    transport: str
    library: str
    vlmunl: str
    time: str = ""

    def stamped(self) -> Receipt:
        """With the present time, UTC."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return Receipt(**(asdict(self) | {"time": now}))


def place(store: Path, repo: str, revision: str) -> Path:
    """The folder of the receipts for a repository at a revision."""
    return store / FOLDER / f"{repo.replace('/', '--')}@{quote(revision, safe='')}"


def write(store: Path, receipt: Receipt) -> Path:
    """Write a receipt whole or not at all; of one study, repository and revision the last stands.

    Raises:
        VlmunlError: the store cannot be written.
    """
    folder = place(store, receipt.repo, receipt.revision)
    path = folder / f"{receipt.study}.json"
    data = json.dumps({"schema": SCHEMA, **asdict(receipt)}, sort_keys=True, indent=1).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary, _ = write_temporary(folder, [data])
        os.replace(temporary, path)
        sync_directory(folder)
    except OSError as error:
        raise VlmunlError(f"published, but the receipt {path} cannot be written: {error.strerror}") from None
    return path


def read(store: Path, repo: str, revision: str, study: str) -> Receipt | None:
    """The receipt of a study; None if there is none that can be read."""
    path = place(store, repo, revision) / f"{study}.json"
    try:
        document = json.loads(path.read_bytes())
        return Receipt(**{field.name: document[field.name] for field in fields(Receipt)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def alone(store: Path, repo: str, revision: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a repository at a revision; waits while another process of this store has it.

    Raises:
        VlmunlError: the store cannot be written.
    """
    folder = place(store, repo, revision)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise VlmunlError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        told = False
        while not _locked(fd):
            if not told:
                say(f"waiting for another sync of {repo}@{revision} from this store")
                told = True
            time.sleep(0.2)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the Hub's own check of the parent is what counts
        return True
    return True
