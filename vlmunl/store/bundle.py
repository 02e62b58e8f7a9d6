"""The form of an export: one plain tar file, the same bytes for the same content, that `tar` and `sha256sum` can check.

Members lie below one folder, sorted by name: `BUNDLE.json` (what it is), `SHA256SUMS` (of all the others),
`manifests/` (study files and results), `objects/` and `records/` (as in a store). No time, owner or host is in it.
Each header is a function of name and size, so a header that is not exactly that is not ours.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from vlmunl.store.records import RecordName

FORMAT = 1
TOP = "vlmunl-export"
HEAD = "BUNDLE.json"
SUMS = "SHA256SUMS"
BLOCK = 512
END = bytes(2 * BLOCK)
STUDY_LARGEST = 4 << 20
"""Bytes of a study file, as in `manifests.load`."""

_OCTAL = 1 << 33  # the largest size that the header's eleven octal digits can say
_HEX = "[0-9a-f]"
_FAN = f"(?P<fan>{_HEX}{{2}})/(?P<name>(?P=fan){_HEX}{{30}}"
_STUDY = r"[a-z0-9][a-z0-9_.-]{0,63}"
_NAMES = {
    "study": re.compile(rf"manifests/(?P<name>{_STUDY})\.toml"),
    "result": re.compile(rf"manifests/(?P<name>{_STUDY})/(run_manifest\.json|verified_results\.json|summary\.md)"),
    "object": re.compile(rf"objects/{_FAN})"),
    "record": re.compile(rf"records/{_FAN}\.(ok|error)\.{_HEX}{{16}}\.json)"),
}
_SUM = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<name>[^\n]{1,99})\n")

Kind = Literal["study", "result", "object", "record"]


class Listed(NamedTuple):
    """One line of `SHA256SUMS`: what kind of member, its name in the export, its own name, and its sha256."""

    kind: Kind
    path: str
    name: str
    sha256: str


def object_path(xxh3: str) -> str:
    """Where an object lies in an export."""
    return f"objects/{xxh3[:2]}/{xxh3}"


def record_path(name: RecordName) -> str:
    """Where a record lies in an export."""
    return f"records/{name.key[:2]}/{name.file}"


def header(path: str, size: int) -> bytes:
    """The one tar header (ustar) of a member; sizes from 8 GiB on are binary, as GNU tar and bsdtar write them.

    Raises:
        ValueError: the path does not fit.
    """
    name = path.encode()
    if len(name) > 99:
        raise ValueError(f"the name {path!r} is too long for an export")
    digits = b"%011o\0" % size if size < _OCTAL else b"\x80" + size.to_bytes(11, "big")
    fields = (
        name.ljust(100, b"\0"),
        b"0000644\0" + 2 * b"0000000\0",  # mode, owner, group
        digits + b"00000000000\0",  # size, time
        b" " * 8 + b"0" + bytes(100),  # checksum, regular file, no link
        b"ustar\x0000" + bytes(64) + 2 * b"0000000\0",  # no names of owners, no device
        TOP.encode().ljust(155, b"\0") + bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def read_header(block: bytes) -> tuple[str, int]:
    """(path, size) of a header.

    Raises:
        ValueError: it is not a header as `header` writes them: a link, a folder, an absolute path, a sparse file, ...
    """
    if len(block) != BLOCK:
        raise ValueError("cut")
    path = block[:100].rstrip(b"\0").decode("ascii")
    field = block[124:136]
    size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else int(field[:11], 8)
    if size < 0 or header(path, size) != block:
        raise ValueError("not the header of a member of an export")
    return path, size


def padded(size: int) -> int:
    """Bytes that a member's content takes in the file."""
    return -(-size // BLOCK) * BLOCK


def sums_line(sha256: str, path: str) -> str:
    """One line of `SHA256SUMS`."""
    return f"{sha256}  {path}\n"


def parse_sums(text: str) -> tuple[str, list[Listed]]:
    """(sha256 of `BUNDLE.json`, all other members in their order) from the text of `SHA256SUMS`.

    Only the names that an export can hold pass: no absolute path, no `..`, nothing twice.

    Raises:
        ValueError: a line is not a sum, or its name is not one of an export's.
    """
    lines = text.splitlines(keepends=True)
    rows = [match for line in lines if (match := _SUM.fullmatch(line))]
    if len(rows) != len(lines) or not rows or rows[0]["name"] != HEAD:
        raise ValueError(f"{SUMS} is not a list of sums")
    listed = [_listed(row["name"], row["sha256"]) for row in rows[1:]]
    paths = [member.path for member in listed]
    if paths != sorted(set(paths)):
        raise ValueError(f"{SUMS} is not sorted, or names a file twice")
    return rows[0]["sha256"], listed


def _listed(path: str, sha256: str) -> Listed:
    kinds: tuple[Kind, ...] = ("study", "result", "object", "record")
    for kind in kinds:
        if match := _NAMES[kind].fullmatch(path):
            return Listed(kind, path, match["name"], sha256)
    raise ValueError(f"{path!r} is not a name that an export can hold")
