"""The moves of a collection: into the trash, back from it, and out of it. Each one decides by what it finds itself."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vlmunl.errors import VlmunlError
from vlmunl.keys import address_of, read_chunks
from vlmunl.store.atomic import discard, sync_directory, write_temporary
from vlmunl.store.survey import Stored

_FOLDERS: tuple[tuple[Literal["object", "record"], str], ...] = (("object", "objects"), ("record", "records"))


def file_clock(root: Path) -> float:
    """The present time by the clock that stamps the store's files, which may be that of a file server.

    Raises:
        VlmunlError: the store cannot be written.
    """
    try:
        probe, _ = write_temporary(root / "tmp", [b""])
    except OSError as error:
        raise VlmunlError(f"the store {root} cannot be written: {error.strerror}") from None
    try:
        return probe.stat().st_mtime
    finally:
        discard(probe)


def changed(path: Path) -> float:
    """When a file was last put or touched. It is opened for that: network file systems then ask their server.

    Raises:
        OSError: it is not there.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.fstat(fd).st_mtime
    finally:
        os.close(fd)


def trash(root: Path, path: Path, old: float) -> bool:
    """Move an object or a record into the trash if it is older than the instant `old`; says whether it is there.

    The time stamp is looked at again after the move: a put that touched the file in between has it back.

    Raises:
        VlmunlError: it could not be moved.
    """
    target = root / "trash" / path.parent.parent.name / path.name
    try:
        if changed(path) >= old:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(path, target)
    except FileNotFoundError:  # another collection was quicker
        return False
    except OSError as error:
        raise VlmunlError(f"{path} cannot be moved to {target}: {error.strerror}") from None
    if changed(target) >= old:
        _return(target, path)
        return False
    with contextlib.suppress(OSError):  # another user's: then the time of the move itself tells its age
        os.utime(target)
    if path.suffix == ".json":
        sync_directory(path.parent)  # a record must be gone for good before the objects that it names
    return True


def put_back(root: Path, path: Path) -> bool:
    """Move something that is needed out of the trash again; an altered object stays there."""
    if path.parent.name == "objects" and address_of(read_chunks(path)) != path.name:
        return False
    with contextlib.suppress(OSError):
        os.utime(path)
    return _return(path, root / path.parent.name / path.name[:2] / path.name)


def _return(path: Path, target: Path) -> bool:
    if target.exists():  # made anew meanwhile
        return False
    try:
        target.parent.mkdir(exist_ok=True)
        os.rename(path, target)
    except FileNotFoundError:
        return False
    return True


def delete(path: Path) -> bool:
    """Delete a file or a folder for good; says whether it is gone.

    Raises:
        VlmunlError: it could not be deleted.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise VlmunlError(f"{path} cannot be deleted: {error.strerror}") from None
    return True


def trashed(root: Path) -> Iterator[tuple[Literal["object", "record"], Stored]]:
    """What lies in the trash, with the time at which it got there."""
    for what, folder in _FOLDERS:
        below = root / "trash" / folder
        if not below.is_dir():
            continue
        for entry in sorted(os.scandir(below), key=lambda e: e.name):
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                when = max(status.st_mtime, status.st_ctime)
                yield what, Stored(path=Path(entry.path), size=status.st_size, when=when)
