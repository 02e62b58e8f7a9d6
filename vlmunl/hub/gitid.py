"""The ids that git gives to contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def git_id(data: bytes) -> str:
    """The id (sha1) of a blob with these bytes."""
    return git_id_of([data], len(data))


def git_id_of(chunks: Iterable[bytes | memoryview], size: int) -> str:
    """The id of a blob of `size` bytes that come in chunks."""
    found = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()
