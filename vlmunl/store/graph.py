"""Who made an object, who read it, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vlmunl.errors import StoreDamaged
from vlmunl.store.records import Record
from vlmunl.store.ref import Ref
from vlmunl.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Node:
    """A record, as far as it is known: a run manifest tells what a lost record had written, not what it read."""

    file: str
    cell: str
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    outputs: Mapping[str, Ref] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()
    """Inputs that lie outside the store (a base model)."""


def node_of(record: Record) -> Node:
    """The node of a sound record."""
    external = record.env.get("external")
    outside = frozenset(external) if isinstance(external, dict) else frozenset()
    return Node(file=record.name.file, cell=record.cell, inputs=record.inputs, outputs=record.outputs, outside=outside)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What an object or a record has to do with: files of records, and the addresses of all that follows from it."""

    made_by: frozenset[str]
    read_by: frozenset[str]
    downstream: frozenset[str]
    objects: frozenset[str]

    @property
    def records(self) -> frozenset[str]:
        """All records concerned."""
        return self.made_by | self.read_by | self.downstream


class Graph:
    """Nodes by the objects that they made and read. `parts` gives the addresses in a reference, its own first."""

    def __init__(self, nodes: Iterable[Node], parts: Callable[[Ref], tuple[str, ...]]) -> None:
        self.nodes = {node.file: node for node in nodes}
        self.parts = parts
        self.makers: dict[str, set[str]] = {}
        self.readers: dict[str, set[str]] = {}
        self.trees: dict[str, set[str]] = {}  # address of a file -> trees that hold it
        for node in self.nodes.values():
            for refs, index in ((node.outputs, self.makers), (self.inside(node), self.readers)):
                for ref in refs.values():
                    for part in parts(ref):
                        index.setdefault(part, set()).add(node.file)
                        if part != ref.xxh3:
                            self.trees.setdefault(part, set()).add(ref.xxh3)

    @staticmethod
    def inside(node: Node) -> dict[str, Ref]:
        """The inputs that come from the store."""
        return {name: ref for name, ref in node.inputs.items() if name not in node.outside}

    def of_object(self, xxh3: str) -> Effects:
        """What an object has to do with."""
        read_by = frozenset(self.readers.get(xxh3, ()))
        records, objects = self._follow({xxh3} | self.trees.get(xxh3, set()))
        made_by = frozenset(self.makers.get(xxh3, ()))
        return Effects(made_by=made_by, read_by=read_by, downstream=records - read_by - made_by, objects=objects)

    def of_record(self, file: str) -> Effects:
        """What follows from a record: who read what it made."""
        node = self.nodes.get(file)
        made = {ref.xxh3 for ref in node.outputs.values()} if node else set()
        records, objects = self._follow(made)
        read_by = frozenset(reader for xxh3 in made for reader in self.readers.get(xxh3, ()))
        return Effects(made_by=frozenset(), read_by=read_by, downstream=records - read_by - {file}, objects=objects)

    def _follow(self, start: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        records: set[str] = set()
        objects, queue = set(start), list(start)
        while queue:
            for reader in self.readers.get(queue.pop(), ()):
                if reader not in records:
                    records.add(reader)
                    new = {ref.xxh3 for ref in self.nodes[reader].outputs.values()} - objects
                    objects |= new
                    queue += new
        made = {part for file in records for ref in self.nodes[file].outputs.values() for part in self.parts(ref)}
        return frozenset(records), frozenset(objects | made)


def parts_of(store: Store, unreadable: set[str] | None = None) -> Callable[[Ref], tuple[str, ...]]:
    """The addresses in a reference: its own, and of a tree those of its files.

    Trees whose listing is missing or altered are noted in `unreadable` and give their own address alone.
    """

    def parts(ref: Ref) -> tuple[str, ...]:
        if ref.kind == "blob":
            return (ref.xxh3,)
        try:
            return (ref.xxh3, *(entry.xxh3 for entry in store.tree(ref)))
        except StoreDamaged:
            if unreadable is not None:
                unreadable.add(ref.xxh3)
            return (ref.xxh3,)

    return parts
