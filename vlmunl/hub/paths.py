"""Which paths may stand in a repository, and which files of this machine may be read for it."""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from vlmunl.errors import StudyError, VlmunlError

FORBIDDEN = frozenset({".git", ".cache", "__pycache__", "tmp", "staging"})
"""Names that no component of a published path may have, whatever the case of their letters."""
UNFINISHED = (".partial", ".lock")
LONGEST = 255


def checked_path(path: str) -> str:
    """The path as it is, if it may stand in a repository.

    Raises:
        StudyError: it is absolute, leads out, names what is never published, or is not plain Unicode.
    """
    if (reason := objection(path)) is not None:
        raise StudyError(f"{path[:120]!r} cannot be published: {reason}", "rename what it is named after in the study")
    return path


def objection(path: str) -> str | None:
    """Why a path may not stand in a repository; None if it may."""
    parts = path.split("/")
    lower = [part.casefold() for part in parts]
    if path.startswith(("/", "~")) or "\\" in path:
        return "it is not a relative path with '/' between its parts"
    if any(part in ("", ".", "..") for part in parts):
        return "it has an empty part, '.' or '..'"
    if not path.isprintable() or not unicodedata.is_normalized("NFC", path):
        return "it has characters that are not plain Unicode (NFC)"
    if len(path.encode()) > LONGEST:
        return f"it is longer than {LONGEST} bytes"
    if found := FORBIDDEN.intersection(lower):
        return f"{min(found)!r} is never published"
    if any(part.endswith(UNFINISHED) for part in lower):
        return "it is the name of an unfinished file or a lock"
    return None


def check_together(paths: Iterable[str]) -> None:
    """Can these files lie beside each other on any file system?

    Raises:
        StudyError: two are the same, differ only by the case of letters, or one is a folder of another.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    hint = "rename one of the rows or methods that they are named after"
    for path in sorted(paths):
        folded = _folded(path)
        if folded in seen:
            raise StudyError(f"{seen[folded]!r} and {path!r} cannot both be published: they differ only by case", hint)
        seen[folded] = path
        parents = folded.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            folder = "/".join(parents[:depth])
            shown = "/".join(path.split("/")[:depth])
            if folders.setdefault(folder, shown) != shown:
                raise StudyError(f"the folders {folders[folder]!r} and {shown!r} differ only by case", hint)
    for folded, path in seen.items():
        if folded in folders:
            raise StudyError(f"{path!r} cannot be published: it is also a folder", hint)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def own_file(path: Path, root: Path) -> Path:
    """The path, if it is a regular file that really lies below `root`: no link, and no way out through one.

    Raises:
        VlmunlError: it is not.
    """
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
        inside = path.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except OSError as error:
        raise VlmunlError(f"{path} cannot be published: {error.strerror}") from None
    if not regular or not inside:
        raise VlmunlError(
            f"{path} cannot be published: it is a link or lies outside {root}", "put the file itself there"
        )
    return path
