"""`Ref`: how everything names bytes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from vlmunl.keys import Digest

Kind = Literal["blob", "tree"]

_XXH3 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 1 << 62
_FIELDS = frozenset({"kind", "sha256", "size", "xxh3"})


@dataclass(frozen=True, kw_only=True)
class Ref:
    """Content address of a blob, or of a tree's listing. `size` counts bytes (of the listing for a tree)."""

    xxh3: str
    sha256: str
    size: int
    kind: Kind = "blob"

    @classmethod
    def of(cls, digest: Digest, kind: Kind = "blob") -> Ref:
        """The reference to bytes with this digest."""
        return cls(xxh3=digest.xxh3, sha256=digest.sha256, size=digest.size, kind=kind)

    def to_json(self) -> dict[str, str | int]:
        """Plain JSON, read back by `from_json`."""
        return {"kind": self.kind, "sha256": self.sha256, "size": self.size, "xxh3": self.xxh3}

    @classmethod
    def from_json(cls, value: object) -> Ref:
        """Read a reference from untrusted JSON.

        Raises:
            ValueError: it is not exactly a well-formed reference.
        """
        if not isinstance(value, dict) or value.keys() != _FIELDS:
            raise ValueError("a reference has exactly the keys kind, sha256, size and xxh3")
        try:
            return _ref(value["kind"], value["xxh3"], value["sha256"], value["size"])
        except TypeError:
            raise ValueError("a field of a reference is neither text nor a number") from None

    def __str__(self) -> str:
        return f"{self.kind} {self.xxh3[:12]}"


@functools.lru_cache(maxsize=1 << 16, typed=True)
def _ref(kind: object, xxh3: object, sha256: object, size: object) -> Ref:
    """Checked once per address: a thousand records name the same base model."""
    if kind not in ("blob", "tree"):
        raise ValueError(f"a reference's kind is 'blob' or 'tree', not {str(kind)[:40]!r}")
    fast, strong, count = checked_hashes(xxh3, sha256, size)
    return Ref(xxh3=fast, sha256=strong, size=count, kind="tree" if kind == "tree" else "blob")


def checked_hashes(xxh3: object, sha256: object, size: object) -> tuple[str, str, int]:
    """The same three from untrusted JSON; ValueError unless each is well formed.

    The address becomes part of a path, so nothing but 32 hex digits may pass.
    """
    if not isinstance(xxh3, str) or not _XXH3.fullmatch(xxh3):
        raise ValueError("xxh3 is not 32 lower-case hex digits")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("sha256 is not 64 lower-case hex digits")
    if type(size) is not int or not 0 <= size <= _LARGEST:
        raise ValueError("size is not a number of bytes")
    return xxh3, sha256, size
