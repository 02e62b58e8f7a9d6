"""What a store holds: one line for each record or object, and the bytes by stage and study."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlmunl.store.graph import Graph, node_of, parts_of
from vlmunl.store.records import RecordName
from vlmunl.store.ref import Ref
from vlmunl.store.store import Store
from vlmunl.store.survey import Survey, survey

Studies = Mapping[str, frozenset[str]]
"""Record file -> the studies whose run manifests or published files need it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A record or an object.

    Attributes:
        name: a record's file, an object's address.
        size: bytes of the object, or of all that the record made.
        when: seconds since 1970.
        what: a record's outcome, or the output that an object is (`rows`, `adapter/weights`); empty for an orphan.
        missing: does the record lack something that it made?
    """

    name: str
    size: int
    when: float
    what: str
    cells: tuple[str, ...]
    stages: tuple[str, ...]
    studies: tuple[str, ...]
    missing: bool = False


@dataclass(frozen=True)
class Inventory:
    """Everything in a store, each thing with what it belongs to."""

    store: Store
    seen: Survey
    graph: Graph
    studies: Studies

    def records(self) -> Iterator[Line]:
        """One line per sound record, by cell and key."""
        for name, record in sorted(self.seen.records.items(), key=lambda item: (item[1].cell, item[0])):
            parts = {part for ref in record.outputs.values() for part in self.graph.parts(ref)}
            there = [self.seen.objects[part].size for part in parts if part in self.seen.objects]
            yield Line(
                name=name.file,
                size=sum(there),
                when=self.seen.files[name].when,
                what=name.outcome,
                cells=(record.cell,),
                stages=(record.stage,),
                studies=tuple(sorted(self.studies.get(name.file, ()))),
                missing=len(there) < len(parts),
            )

    def objects(self) -> Iterator[Line]:
        """One line per object, by address."""
        roles = self._roles()
        for xxh3, stored in self.seen.objects.items():
            makers = self.graph.makers.get(xxh3, set())
            users = makers or self.graph.readers.get(xxh3, set())
            records = [self.seen.records[name] for name in map(RecordName.parse, users) if name is not None]
            both = makers | self.graph.readers.get(xxh3, set())
            yield Line(
                name=xxh3,
                size=stored.size,
                when=stored.when,
                what=", ".join(sorted(roles.get(xxh3, ()))),
                cells=tuple(sorted({record.cell for record in records})),
                stages=tuple(sorted({record.stage for record in records})),
                studies=tuple(sorted({study for file in both for study in self.studies.get(file, ())})),
            )

    def _roles(self) -> dict[str, set[str]]:
        """Address -> what it is called: an output, a file of one, or an input that no record made."""
        roles: dict[str, set[str]] = {}
        for record in self.seen.records.values():
            for kind, refs in (("", record.outputs), ("input ", Graph.inside(node_of(record)))):
                for name, ref in refs.items():
                    if not kind or ref.xxh3 not in self.graph.makers:
                        for xxh3, inner in self._files(ref):
                            roles.setdefault(xxh3, set()).add(f"{kind}{name}{inner}")
        return roles

    def _files(self, ref: Ref) -> list[tuple[str, str]]:
        """(address, path within) of an object and, of a tree, of its files."""
        inner = [(e.xxh3, f"/{e.path}") for e in self.store.tree(ref)] if len(self.graph.parts(ref)) > 1 else []
        return [(ref.xxh3, "/" if ref.kind == "tree" else ""), *inner]


def inventory(store: Store, studies: Callable[[Graph], Studies]) -> Inventory:
    """Read every record, list every object. `studies` is asked once the records are read.

    Raises:
        StoreDamaged: a folder cannot be listed.
    """
    seen = survey(store)
    graph = Graph(map(node_of, seen.records.values()), parts_of(store))
    return Inventory(store, seen, graph, studies(graph))


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number of files and their bytes."""

    files: int
    bytes: int


def by(lines: list[Line], of: str) -> dict[str, Amount]:
    """Amounts by `stages` or `studies`, each object counted once: what several have in common has its own line."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for line in lines:
        names: tuple[str, ...] = getattr(line, of)
        sums.setdefault(names, []).append(line.size)
    return {
        " + ".join(names): Amount(files=len(sizes), bytes=sum(sizes))
        for names, sizes in sorted(sums.items(), key=lambda item: (len(item[0]) != 1, item[0]))
    }


def folder(path: Path) -> Amount:
    """Files and bytes below a folder; nothing if there is none."""
    sizes = []
    for below, _, files in os.walk(path):
        for file in files:
            try:
                sizes.append(os.stat(os.path.join(below, file), follow_symlinks=False).st_size)
            except OSError:  # gone meanwhile
                continue
    return Amount(files=len(sizes), bytes=sum(sizes))
