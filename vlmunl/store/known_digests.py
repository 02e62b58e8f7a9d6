"""Digests of large files outside the store (a base model's weights), remembered by what the file system says of them.

A file counts as the one that was hashed if its place, size, times and inode are the same, as git takes it; a change of
its content changes `ctime`, which no program can set back. One small immutable file per digest in the user's cache
folder; without a folder that can be written, files are simply hashed again.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from vlmunl.keys import Digest, canonical, digest_bytes, digest_file
from vlmunl.store.atomic import read_file, write_temporary
from vlmunl.store.ref import checked_hashes

LARGE = 16 << 20
"""Bytes below which hashing costs less than asking."""
_SETTLED = 3.0
"""Seconds after which a file's times tell it from a later version of itself, coarse clocks included."""


def cache_folder() -> Path:
    """`$VLMUNL_CACHE`, else `vlmunl` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("VLMUNL_CACHE"):
        return Path(own)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "vlmunl"


def known_digest(path: Path) -> Digest:
    """Both hashes and the size of a file, read only if it is not known.

    Raises:
        OSError: it cannot be read.
    """
    before = os.stat(path)
    if before.st_size < LARGE:
        return digest_file(path)
    place = cache_folder() / "digests" / f"{_name(path, before)}.json"
    if (known := _read(place, before.st_size)) is not None:
        return known
    digest = digest_file(path)
    after = os.stat(path)
    settled = time.time() - max(after.st_mtime, after.st_ctime) > _SETTLED
    if settled and _name(path, after) == _name(path, before):
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary, _ = write_temporary(place.parent, [canonical(asdict(digest))])
            os.replace(temporary, place)
    return digest


def _name(path: Path, status: os.stat_result) -> str:
    said = [os.path.realpath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    return digest_bytes(canonical(said)).xxh3


def _read(place: Path, size: int) -> Digest | None:
    """What is remembered; None if nothing (sound) is."""
    try:
        plain = json.loads(read_file(place, 4096))
        xxh3, sha256, count = checked_hashes(plain["xxh3"], plain["sha256"], plain["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Digest(xxh3=xxh3, sha256=sha256, size=count) if count == size else None
