"""Is the store what it says it is? Every object re-hashed, every record held against its name, key and objects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vlmunl.errors import StoreDamaged, VlmunlError
from vlmunl.store.graph import Graph, Node, node_of, parts_of
from vlmunl.store.owner import parse_name, unique_name
from vlmunl.store.pins import pins
from vlmunl.store.ref import Ref
from vlmunl.store.rehash import Level, Progress, Rehash
from vlmunl.store.store import Store
from vlmunl.store.survey import Survey, read_record, survey

Kind = Literal["object", "record", "pin"]


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One damaged file. `name` is an object's address or a file's name; `moved` says where it was set aside to."""

    kind: Kind
    name: str
    path: Path
    problem: str
    moved: Path | None = None

    @property
    def there(self) -> bool:
        """Is there a file that could be set aside?"""
        return self.kind != "pin" and self.problem != "missing"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at and what was found.

    `gaps` are inputs that no object and no record accounts for: the trail ends there, but no result is lost.
    `leftovers` are files that belong to nothing; `gc` clears away those that are old.
    """

    level: Level
    objects: int
    bytes: int
    records: int
    damages: tuple[Damage, ...]
    gaps: tuple[str, ...]
    leftovers: tuple[Path, ...]
    graph: Graph


def verify(
    store: Store, *, level: Level = "full", jobs: int = 1, known: Iterable[Node] = (), progress: Progress | None = None
) -> Verification:
    """Look at everything; writes nothing, so that a store that can only be read can be verified.

    Args:
        known: records that run manifests name; those that are not in the store count as missing.

    Raises:
        StoreDamaged: a folder of the store cannot be listed.
    """
    seen = survey(store)
    nodes = {node.file: node for node in known} | {name.file: node_of(r) for name, r in seen.records.items()}
    graph = Graph(nodes.values(), parts_of(store))
    expected = _expected(store, seen)
    work = Rehash(level, jobs, progress)
    damages = [*_objects(store, seen, graph, expected, work), *_records(store, seen, nodes), *_pins(store)]
    return Verification(
        level=level,
        objects=len(seen.objects),
        bytes=sum(stored.size for stored in seen.objects.values()),
        records=len(seen.records) + len(seen.damaged),
        damages=tuple(damages),
        gaps=tuple(_gaps(store, seen, graph)),
        leftovers=(*seen.strays, *_temporary(store.root)),
        graph=graph,
    )


def set_aside(store: Store, found: Verification) -> Verification:
    """Move what is damaged to `quarantine/`, so that it counts as missing and the next run makes it anew.

    Each file is looked at once more before: one that another process has mended meanwhile stays.

    Raises:
        VlmunlError: a file could not be moved.
    """
    expected = _expected(store, survey(store))
    moved = [_set_aside(store, damage, expected) if damage.there else damage for damage in found.damages]
    return replace(found, damages=tuple(moved))


def _set_aside(store: Store, damage: Damage, expected: Mapping[str, set[Ref]]) -> Damage:
    if damage.kind == "object":
        problem = Rehash("full", 1).problem(damage.path, damage.name, expected.get(damage.name, set()))
        if problem in ("", "missing"):
            return damage
    elif _is_sound(damage.path):
        return damage
    target = store.root / "quarantine" / f"{damage.name}-{unique_name()}"
    try:
        target.parent.mkdir(exist_ok=True)
        os.rename(damage.path, target)
    except OSError as error:
        raise VlmunlError(f"{damage.path} cannot be moved to {target.parent}: {error.strerror}") from None
    return replace(damage, moved=target)


def _is_sound(path: Path) -> bool:
    try:
        read_record(path)
    except StoreDamaged:
        return not path.exists()  # gone: another process has set it aside
    return True


def _expected(store: Store, seen: Survey) -> dict[str, set[Ref]]:
    """Address -> what the records and listings say of the object (kind left out)."""
    expected: dict[str, set[Ref]] = {}

    def expect(ref: Ref) -> None:
        plain = replace(ref, kind="blob")
        if plain not in expected.setdefault(ref.xxh3, set()):
            expected[ref.xxh3].add(plain)

    trees: set[str] = set()
    for record in seen.records.values():
        for ref in {**Graph.inside(node_of(record)), **record.outputs}.values():
            expect(ref)
            if ref.kind == "tree" and ref.xxh3 not in trees:
                trees.add(ref.xxh3)
                try:
                    for entry in store.tree(ref):
                        expect(entry.ref)
                except StoreDamaged:  # reported as an object
                    pass
    return expected


def _objects(
    store: Store, seen: Survey, graph: Graph, expected: Mapping[str, set[Ref]], work: Rehash
) -> Iterable[Damage]:
    made = set(graph.makers)
    root = store.root / "objects"
    files = {xxh3: root / xxh3[:2] / xxh3 for xxh3 in sorted(made | set(seen.objects))}
    for xxh3, problem in work.problems(files, expected).items():
        if problem != "missing" or xxh3 in made:
            yield Damage(kind="object", name=xxh3, path=files[xxh3], problem=problem)


def _records(store: Store, seen: Survey, nodes: Mapping[str, Node]) -> Iterable[Damage]:
    for path, problem in sorted(seen.damaged.items()):
        yield Damage(kind="record", name=path.name, path=path, problem=problem)
    there = {name.file for name in seen.records} | {path.name for path in seen.damaged}
    for file in sorted(set(nodes) - there):
        path = store.root / "records" / file[:2] / file
        yield Damage(kind="record", name=file, path=path, problem="missing")


def _pins(store: Store) -> Iterable[Damage]:
    try:
        pins(store)
    except StoreDamaged as error:
        yield Damage(kind="pin", name="refs", path=store.root / "refs", problem=error.message)


def _gaps(store: Store, seen: Survey, graph: Graph) -> Iterable[str]:
    for record in seen.records.values():
        for name, ref in Graph.inside(node_of(record)).items():
            if ref.xxh3 not in graph.makers and not store.has(ref):
                yield f"input {name!r} of {record.cell} ({record.name.file}): no object {ref.xxh3}, no record of it"


def _temporary(root: Path) -> list[Path]:
    """What lies in `tmp/`. Of running processes too: they are told apart by `gc`, which looks at their claims."""
    from vlmunl.store.scratch import abandoned

    folder = root / "tmp"
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if abandoned(p.name) or parse_name(p.name) is None)
