"""The inventory `vlmunl.json`: every published file of a study with its sums, and how a store is rebuilt from them.

It is what a publication is named after: the tag `manifest-<12 hex>` is the beginning of its sha256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from vlmunl.errors import StoreDamaged, StudyError
from vlmunl.hub.paths import check_together, objection
from vlmunl.keys import Digest, digest_bytes
from vlmunl.store import tree
from vlmunl.store.ref import Ref, checked_hashes

SCHEMA = 1
FILE = "vlmunl.json"
RECORDS, SMALL = "records.jsonl", "outputs.jsonl"

Kind = Literal["study", "manifest", "results", "summary", "object", "records", "outputs", "paper", "card"]
"""`object`: an object of the store, under a readable name. `results` and `summary` are objects too. `records` and
`outputs` are packs (`vlmunl.hub.packed`)."""
OBJECTS: frozenset[Kind] = frozenset({"object", "results", "summary"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published file; `path` counts from the study's folder."""

    path: str
    kind: Kind
    xxh3: str
    sha256: str
    size: int

    @property
    def digest(self) -> Digest:
        """Its address and sums."""
        return Digest(xxh3=self.xxh3, sha256=self.sha256, size=self.size)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree of the store: the address of its listing, and of each of its files the published path."""

    ref: Ref
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """An output that is evidence and is not published, and why; its record is not published either."""

    cell: str
    output: str
    ref: Ref
    reason: str


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What was published of one study. `manifest` is the sha256 of its run manifest; `records` are names of files."""

    study: str
    study_sha256: str
    manifest: str
    files: tuple[Entry, ...]
    trees: tuple[Tree, ...]
    records: tuple[str, ...]
    withheld: tuple[Withheld, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Sorted, indented JSON with a final newline."""
        document = {
            "schema": SCHEMA,
            "study": {"name": self.study, "sha256": self.study_sha256, "overrides": dict(self.overrides)},
            "run_manifest_sha256": self.manifest,
            "files": [{**_digest(e.digest), "path": e.path, "kind": e.kind} for e in self.files],
            "trees": [{"ref": t.ref.to_json(), "files": dict(t.files)} for t in self.trees],
            "records": list(self.records),
            "withheld": [
                {"cell": w.cell, "output": w.output, "ref": w.ref.to_json(), "reason": w.reason} for w in self.withheld
            ],
        }
        return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"

    def entry(self, path: str) -> Entry:
        """The entry of a path (KeyError if there is none)."""
        return {e.path: e for e in self.files}[path]

    def listing(self, found: Tree) -> bytes:
        """The bytes of a tree's listing, as they lie in a store; held against its address by `parse`."""
        by_path = {e.path: e for e in self.files}
        rows = [(name, by_path[path]) for name, path in found.files.items()]
        return tree.encode(tree.TreeEntry(path=n, xxh3=e.xxh3, sha256=e.sha256, size=e.size) for n, e in rows)


def folder(study: str) -> str:
    """The folder of a study in a repository; several studies may lie in one."""
    return study


def inventory_path(study: str) -> str:
    """Where the inventory of a study lies in a repository."""
    return f"{folder(study)}/{FILE}"


def tag_of(sha256: str) -> str:
    """The tag of a publication whose inventory has this sha256."""
    return f"manifest-{sha256[:12]}"


def parse(data: bytes, where: str = FILE) -> Inventory:
    """Read an inventory from untrusted bytes. Every path in it is one that may be published, and trees add up.

    Raises:
        StoreDamaged: it is none, or contradicts itself; the message names `where`.
    """
    try:
        inventory = _read(json.loads(data))
        for found in inventory.trees:
            if Ref.of(digest_bytes(inventory.listing(found)), "tree") != found.ref:
                raise ValueError(f"tree {found.ref.xxh3} is not what its files add up to")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StudyError) as error:
        raise StoreDamaged(f"{where} is not an inventory of a published study: {error!s:.160}") from None
    return inventory


def _read(document: Any) -> Inventory:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {str(document['schema'])[:20]} is not known")
    files = tuple(_entry(row) for row in document["files"])
    for entry in files:
        if (reason := objection(entry.path)) is not None:
            raise ValueError(f"path {entry.path[:80]!r}: {reason}")
    check_together(e.path for e in files)
    study = document["study"]
    return Inventory(
        study=_path(study["name"]),
        study_sha256=_text(study["sha256"]),
        manifest=_text(document["run_manifest_sha256"]),
        files=files,
        trees=tuple(_tree(row) for row in document["trees"]),
        records=tuple(_text(name) for name in document["records"]),
        withheld=tuple(_withheld(row) for row in document["withheld"]),
        overrides=dict(study["overrides"]),
    )


def _entry(row: Any) -> Entry:
    if row["kind"] not in get_args(Kind):
        raise ValueError(f"kind {str(row['kind'])[:20]!r} is not known")
    xxh3, sha256, size = checked_hashes(row["xxh3"], row["sha256"], row["size"])
    return Entry(path=_text(row["path"]), kind=row["kind"], xxh3=xxh3, sha256=sha256, size=size)


def _tree(row: Any) -> Tree:
    ref = Ref.from_json(row["ref"])
    if ref.kind != "tree":
        raise ValueError("a tree's reference is that of a blob")
    return Tree(ref=ref, files={_path(name): _text(path) for name, path in row["files"].items()})


def _withheld(row: Any) -> Withheld:
    ref = Ref.from_json(row["ref"])
    return Withheld(cell=_text(row["cell"]), output=_text(row["output"]), ref=ref, reason=_text(row["reason"]))


def _path(value: object) -> str:
    if (reason := objection(_text(value))) is not None:
        raise ValueError(f"{str(value)[:80]!r}: {reason}")
    return str(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not text")
    return value


def _digest(digest: Digest) -> dict[str, str | int]:
    return {"xxh3": digest.xxh3, "sha256": digest.sha256, "size": digest.size}


def entries(rows: Sequence[tuple[str, Kind, Digest]]) -> tuple[Entry, ...]:
    """Entries from (path, kind, digest), sorted by path."""
    made = [Entry(path=p, kind=k, xxh3=d.xxh3, sha256=d.sha256, size=d.size) for p, k, d in rows]
    return tuple(sorted(made, key=lambda entry: entry.path))
