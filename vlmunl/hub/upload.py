"""Sending: large files first, of which nothing is visible yet, then one commit that makes all of it visible or none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vlmunl.errors import CopyDamaged, Refused, RemoteConflict
from vlmunl.hub.client import Hub, RemoteFile
from vlmunl.hub.compare import Changes
from vlmunl.hub.failures import Failure
from vlmunl.hub.published import PublishedFile
from vlmunl.keys import digest_bytes, digest_file

Progress = Callable[[int, int], None]
MOST_FILES = 25_000
MOST_REGULAR = 1_000_000_000
"""Bytes of files that are not LFS in one commit."""
THREADS, TOGETHER, BATCH = 4, 16, 256 << 20


def check_local(files: Iterable[PublishedFile], progress: Progress = lambda done, total: None) -> None:
    """Read every file that is to be sent, and hold it against both of its sums.

    Raises:
        CopyDamaged: some are missing or altered; the message lists them.
    """
    listed = list(files)
    total, done, bad = sum(file.size for file in listed), 0, []
    for file in listed:
        try:
            found = digest_bytes(file.source) if isinstance(file.source, bytes) else digest_file(file.source)
        except OSError:
            found = None
        if found != file.digest:
            bad.append(f"{file.path} ({file.source})" if not isinstance(file.source, bytes) else file.path)
        done += file.size
        progress(done, total)
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise CopyDamaged(
            f"missing or altered in the store, so nothing was sent: {', '.join(bad[:5])}{more}",
            "see what else is: vlmunl store verify; what is damaged is made anew by running the study again",
        )


def operations(changes: Changes) -> list[Any]:
    """The library's operations. Small files are read once here, and are sent as they were when they were checked.

    Raises:
        Refused: too many files for one commit.
        CopyDamaged: a small file was altered since it was checked.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    if len(changes.send) > MOST_FILES:
        raise Refused(f"{len(changes.send)} files are more than the Hub takes in one commit ({MOST_FILES})")
    made: list[Any] = [CommitOperationAdd(file.path, _content(file)) for file in changes.send]
    return made + [CommitOperationDelete(path) for path in changes.delete]


def _content(file: PublishedFile) -> bytes | str:
    if isinstance(file.source, bytes):
        return file.source
    if not file.is_small:
        return str(file.source)
    data = file.source.read_bytes()
    if digest_bytes(data) != file.digest:
        raise CopyDamaged(f"{file.path} ({file.source}) was altered just now; nothing was committed")
    return data


def send_large(hub: Hub, changes: Changes, made: list[Any], progress: Progress) -> None:
    """Upload the large files among the operations; what the Hub has is not sent again. Then check what will be done.

    Raises:
        SyncError: it cannot be done, or not now.
        RemoteConflict: the repository's `.gitignore` hides a file, which would be left out without a word.
        CopyDamaged: the library has read other bytes than those that were checked.
        Refused: too much that is not LFS.
    """
    additions = made[: len(changes.send)]
    total, done = changes.size, 0
    by_path = {file.path: file for file in changes.send}
    for batch in _batches(additions, by_path):
        _preupload(hub, batch)
        _check(hub, batch, by_path, changes.tree.get(".gitignore"), changes.head)
        done += sum(by_path[operation.path_in_repo].size for operation in batch)
        progress(done, total)
    regular = sum(by_path[o.path_in_repo].size for o in additions if _mode(o) != "lfs")
    if regular > MOST_REGULAR:
        raise Refused(f"{regular} bytes that are not LFS are more than the Hub takes in one commit ({MOST_REGULAR})")


def _batches(additions: list[Any], files: dict[str, PublishedFile]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for operation in additions:
        batch.append(operation)
        size += files[operation.path_in_repo].size
        if len(batch) >= 250 or (len(batch) >= TOGETHER and size >= BATCH):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _preupload(hub: Hub, batch: list[Any]) -> None:
    """Once more with new addresses if the storage refuses the old ones, whose time may be over."""

    def send() -> None:
        with without_bars():
            hub.api.preupload_lfs_files(hub.repo, batch, revision=hub.revision, free_memory=False, num_threads=THREADS)

    try:
        send()
    except RuntimeError as error:
        failure = Failure.of(error)
        if failure is None or failure.status != 403:
            with hub.explained("uploading", sent=True):
                raise
        with hub.explained("uploading", sent=True):
            send()
    except Exception:
        with hub.explained("uploading", sent=True):
            raise


def _check(hub: Hub, batch: list[Any], files: dict[str, PublishedFile], ignore: RemoteFile | None, head: str) -> None:
    hidden = [operation.path_in_repo for operation in batch if getattr(operation, "_should_ignore", False)]
    if hidden:
        rule = _rule(hub.read(ignore, head).decode("utf-8", "replace"), hidden[0]) if ignore is not None else ""
        named = f" (its line {rule!r})" if rule else ""
        raise RemoteConflict(
            f"the .gitignore of {hub.repo}{named} hides {hidden[0]}, which would be left out; nothing was committed",
            "take that line out of the repository's .gitignore",
        )
    for operation in batch:
        if _mode(operation) == "lfs" and operation.upload_info.sha256.hex() != files[operation.path_in_repo].sha256:
            raise CopyDamaged(f"{operation.path_in_repo} was altered while it was sent; nothing was committed")


def _mode(operation: Any) -> str:
    return str(getattr(operation, "_upload_mode", "") or "")


def _rule(ignore: str, path: str) -> str:
    """The line of a `.gitignore` that most likely hides a path: the last that fits it or a folder of it."""
    from fnmatch import fnmatchcase

    parts = path.split("/")
    beginnings = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    found = ""
    for line in (line.strip() for line in ignore.splitlines()):
        pattern = line.strip("/")
        if pattern and not line.startswith(("#", "!")):
            names = beginnings if "/" in pattern else parts
            if any(fnmatchcase(name, pattern.replace("**/", "*")) for name in names):
                found = line
    return found


def commit(hub: Hub, made: list[Any], head: str, title: str, text: str) -> str:
    """One commit on top of `head`; returns its id. Raises what the library raises: only the caller knows the rest."""
    with without_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tables in a model repository are meant
        done = hub.api.create_commit(
            hub.repo,
            made,
            commit_message=title,
            commit_description=text,
            revision=hub.revision,
            parent_commit=head,
            num_threads=THREADS,
        )
    return str(done.oid)


@contextmanager
def without_bars() -> Iterator[None]:
    """The library draws no bars of its own within this block."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before = are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                enable_progress_bars()
