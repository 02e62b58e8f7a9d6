"""What a published study adds to a store: every byte checked before one of them becomes visible.

What comes is judged by SHA-256; the addresses (xxh3) are made anew, and two contents that share one are refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlmunl.errors import CopyDamaged, StoreDamaged
from vlmunl.hub.arrive import Arrived
from vlmunl.hub.inventory import OBJECTS, Inventory
from vlmunl.hub.packed import unpack_records, unpack_small
from vlmunl.keys import Digest, digest_bytes, digest_file
from vlmunl.store import Record, Store
from vlmunl.store.atomic import place, size_of
from vlmunl.store.bundle import object_path
from vlmunl.store.bundle_import import same
from vlmunl.store.ref import Ref

Source = Path | bytes
IN_STORE = OBJECTS | {"manifest"}
"""Kinds of files that are objects of a store; the run manifest is one, as what the results were made from."""


@dataclass(kw_only=True)
class Foreign:
    """Objects by address, each with where its bytes are (None: in the store already), and records."""

    digests: dict[str, Digest] = field(default_factory=dict)
    sources: dict[str, Source | None] = field(default_factory=dict)
    trees: frozenset[Ref] = frozenset()
    records: list[Record] = field(default_factory=list)

    def new_records(self, store: Store) -> list[Record]:
        """The records that the store lacks."""
        return [record for record in self.records if record.name not in store.names(record.name.key)]

    @property
    def new_objects(self) -> list[str]:
        """The addresses of the objects that the store lacks."""
        return [xxh3 for xxh3, source in self.sources.items() if source is not None]

    @property
    def new_bytes(self) -> int:
        """Bytes of the objects that the store lacks."""
        return sum(self.digests[xxh3].size for xxh3 in self.new_objects)


def in_store(store: Store, digest: Digest) -> bool:
    """Does the store hold these bytes, sound?

    Raises:
        StoreDamaged: it holds others under the same address, and they are sound.
    """
    path = store.root / object_path(digest.xxh3)
    if size_of(path) is None:
        return False
    there = digest_file(path)
    if there.xxh3 == digest.xxh3 and there != digest:
        raise StoreDamaged(f"object {path} has the address of another content (sha256 {digest.sha256[:12]}…)")
    return there == digest


def checked(inventory: Inventory, here: Mapping[str, Digest], came: Mapping[str, Arrived], store: Store) -> Foreign:
    """What is to be added; `here` are the files (by path) that the store holds, `came` those that arrived, by SHA-256.

    Raises:
        CopyDamaged: an address is wrong, or a record is not one, is not named, or names what is not there.
        StoreDamaged: the store holds another content under one of the addresses.
    """
    foreign = Foreign(trees=frozenset(tree.ref for tree in inventory.trees))
    for entry in inventory.files:
        source = None if entry.path in here else came[entry.sha256]
        if source is not None and source.digest != entry.digest:
            raise _damaged(f"{entry.path} does not have its address")
        if entry.kind in IN_STORE:
            _add(foreign, entry.digest, None if source is None else source.path, store)
    for data in _texts(inventory, came):
        _add(foreign, digest_bytes(data), data, store)
    _records(foreign, inventory, came)
    return foreign


def settle(foreign: Foreign, store: Store) -> None:
    """Put objects into the store, then records: what is there at any instant is whole.

    Raises:
        OSError: the store could not be written.
    """
    for xxh3, source in foreign.sources.items():
        target, digest = store.root / object_path(xxh3), foreign.digests[xxh3]
        if isinstance(source, Path):
            place(source, target, good=lambda t=target, d=digest: same(t, d))  # type: ignore[misc]
        elif source is not None:
            store.put_bytes(source)
        else:
            with contextlib.suppress(OSError):  # guards it from gc until its records are there
                os.utime(target)
    for record in foreign.records:
        store.write_record(record)


def _texts(inventory: Inventory, came: Mapping[str, Arrived]) -> Iterator[bytes]:
    """Objects that are no files in the repository: small outputs, and the listings of trees."""
    for path in (e for e in inventory.files if e.kind == "outputs"):
        try:
            yield from (small.data for small in unpack_small(came[path.sha256].path.read_bytes(), path.path))
        except StoreDamaged as error:
            raise _damaged(error.message) from None
    for tree in inventory.trees:
        yield inventory.listing(tree)


def _add(foreign: Foreign, digest: Digest, source: Source | None, store: Store) -> None:
    if foreign.digests.setdefault(digest.xxh3, digest) != digest:
        raise _damaged(f"two of its files have the address {digest.xxh3}")
    if isinstance(source, bytes) and in_store(store, digest):
        source = None
    if foreign.sources.get(digest.xxh3) is None:
        foreign.sources[digest.xxh3] = source


def _records(foreign: Foreign, inventory: Inventory, came: Mapping[str, Arrived]) -> None:
    for entry in (e for e in inventory.files if e.kind == "records"):
        try:
            foreign.records += unpack_records(came[entry.sha256].path.read_bytes(), entry.path)
        except StoreDamaged as error:
            raise _damaged(error.message) from None
    names = sorted(record.name.file for record in foreign.records)
    if names != sorted(set(inventory.records)):
        raise _damaged("its records are not those that its inventory names")
    for record in foreign.records:
        if record.outcome != "ok":
            raise _damaged(f"the record of {record.cell} tells of a failure")
        for output, ref in record.outputs.items():
            _require(foreign, ref, f"{output} of {record.cell}")


def _require(foreign: Foreign, ref: Ref, what: str) -> None:
    held = foreign.digests.get(ref.xxh3)
    if held is None or Ref.of(held, ref.kind) != ref or (ref.kind == "tree" and ref not in foreign.trees):
        raise _damaged(f"{what} ({ref}) is not in it")


def _damaged(what: str) -> CopyDamaged:
    return CopyDamaged(
        f"the published copy is damaged: {what}; nothing was taken over", "ask whoever published it to push it again"
    )
