"""Many small things in one file, one JSON document per line: records, and the small outputs of cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlmunl.errors import StoreDamaged
from vlmunl.keys import Digest, compact, digest_bytes
from vlmunl.store.records import Record, dump

TOLD = frozenset(
    {
        *("started", "ended", "wall_s", "peak_rss_mb", "peak_device_mb", "device", "versions", "git", "code", "seed"),
        *("processes", "strategy"),
    }
)
"""What of a record's `env` is published: how the result was made, and not where or by whom."""


def public(record: Record) -> Record:
    """The record without host, user, paths and job numbers. Its name stays: that depends on key and result alone.

    Of inputs from outside the store the roles stay, their paths do not.
    """
    env: dict[str, Any] = {name: record.env[name] for name in sorted(TOLD & record.env.keys())}
    if outside := record.env.get("external"):
        env["external"] = dict.fromkeys(sorted(outside), "")
    return replace(record, env=env)


def pack_records(records: Iterable[Record]) -> bytes:
    """Public records, one per line, sorted by name."""
    lines = sorted((record.name.file, compact(public(record).to_json())) for record in records)
    return b"".join(line + b"\n" for _, line in lines)


def unpack_records(data: bytes, where: str) -> Iterator[Record]:
    """The records of a pack, from untrusted bytes; each one's key follows from its fields.

    Raises:
        StoreDamaged: a line is not a record; the message names `where`.
    """
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            record = Record.from_json(json.loads(line, parse_constant=_refuse))
            dump(record)  # refuses what cannot be recorded
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise StoreDamaged(f"{where}, line {number} is not a record: {error!s:.120}") from None
        yield record


@dataclass(frozen=True, kw_only=True)
class Small:
    """A small text that a cell wrote."""

    cell: str
    output: str
    text: str

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.text.encode()

    @property
    def digest(self) -> Digest:
        """Its address and sums."""
        return digest_bytes(self.data)


def pack_small(outputs: Iterable[Small]) -> bytes:
    """Small outputs, one per line, sorted by cell and name."""
    rows = sorted(outputs, key=lambda small: (small.cell, small.output))
    return b"".join(compact({"cell": s.cell, "output": s.output, "text": s.text}) + b"\n" for s in rows)


def unpack_small(data: bytes, where: str) -> Iterator[Small]:
    """The small outputs of a pack, from untrusted bytes.

    Raises:
        StoreDamaged: a line is none; the message names `where`.
    """
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            row: Mapping[str, Any] = json.loads(line)
            texts = [row["cell"], row["output"], row["text"]]
            if len(row) != 3 or not all(isinstance(text, str) for text in texts):
                raise ValueError("it has other fields")
            small = Small(cell=texts[0], output=texts[1], text=texts[2])
            small.text.encode()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreDamaged(f"{where}, line {number} is not an output: {error!s:.120}") from None
        yield small


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
