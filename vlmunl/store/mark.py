"""What of a store is needed: the roots, and all that they reach. Whatever cannot be read stops it: leak, never lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmunl.errors import StoreDamaged, UsageError
from vlmunl.keys import address_of
from vlmunl.store import tree
from vlmunl.store.claims import Claims, Entry
from vlmunl.store.graph import Graph, node_of
from vlmunl.store.leftovers import believed
from vlmunl.store.pins import pins
from vlmunl.store.records import Record, RecordName, parse
from vlmunl.store.ref import Ref
from vlmunl.store.store import Store
from vlmunl.store.survey import Survey, survey
from vlmunl.store.sweep import trashed

_HINT = "see what is wrong: vlmunl store verify; set it aside: vlmunl store verify --quarantine"


@dataclass(frozen=True, kw_only=True)
class Roots:
    """What a workspace needs.

    Attributes:
        records: files of records that its run manifests name.
        keys: run keys of its studies' cells.
        refs: objects that its run manifests name.
    """

    records: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    refs: frozenset[Ref] = frozenset()

    def names(self, name: RecordName) -> bool:
        """Is this record one of them?"""
        return name.file in self.records or name.key in self.keys


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A survey with what of it is needed.

    Attributes:
        records: names of the records that stay.
        objects: addresses that the roots reach, whether they are there or not.
        revived: files of records in the trash that are needed again.
        lost: addresses of listings that are reached but not there.
        running: claims that seem alive.
        graph: who made and read what.
    """

    seen: Survey
    records: frozenset[RecordName]
    objects: frozenset[str]
    revived: frozenset[str]
    lost: frozenset[str]
    running: Mapping[str, Entry]
    graph: Graph

    @property
    def kept(self) -> frozenset[str]:
        """Files of all records that stay or come back."""
        return frozenset(name.file for name in self.records) | self.revived


def mark(store: Store, roots: Sequence[Roots], *, stale: bool, now: float, grace: float) -> Marked:
    """What stays. Without `stale` every record is a root; with it those that the roots name or pins hold, those of
    running cells, and those younger than the grace period (seconds before `now`).

    Raises:
        StoreDamaged: a record, a listing or a pin cannot be read.
        UsageError: with `stale`, a cell is running that is in no study of the roots.
    """
    running = believed(store.root, Claims(store.root / "claims").live(), now)
    known = frozenset[str]().union(*(r.keys for r in roots))
    if stale:
        _refuse_unknown(running, known)
    wanted = Roots(
        records=frozenset(_pinned(store)).union(*(r.records for r in roots)),
        keys=known.union(name.partition(".")[0] for name in running),
        refs=frozenset[Ref]().union(*(r.refs for r in roots)),
    )
    seen = survey(store)
    _refuse_damaged(seen)
    start = {n for n in seen.records if not stale or wanted.names(n) or seen.files[n].when >= now - grace}
    back = _revived(store.root, seen, wanted)
    lost: set[str] = set()
    graph = Graph(map(node_of, [*seen.records.values(), *back.values()]), _parts(store, lost))
    records, objects = _reach(graph, {n.file for n in (*start, *back)}, wanted.refs)
    return Marked(
        seen=seen,
        records=frozenset(n for n in seen.records if n.file in records),
        objects=frozenset(objects),
        revived=frozenset(n.file for n in back),
        lost=frozenset(lost),
        running=running,
        graph=graph,
    )


def _pinned(store: Store) -> set[str]:
    return {file for pin in pins(store).values() for file in pin.records}


def _revived(root: Path, seen: Survey, wanted: Roots) -> dict[RecordName, Record]:
    """The records in the trash that are named, or whose key is wanted and has no other record."""
    keys = {name.key for name in seen.records if name.outcome == "ok"}
    back: dict[RecordName, Record] = {}
    for what, stored in trashed(root):
        name = RecordName.parse(stored.path.name) if what == "record" else None
        if name is None or name in seen.records:
            continue
        if name.file in wanted.records or (name.outcome == "ok" and name.key in wanted.keys - keys):
            back[name] = parse(stored.path.read_bytes(), name, str(stored.path))
    return back


def _refuse_damaged(seen: Survey) -> None:
    if seen.damaged:
        path, problem = next(iter(seen.damaged.items()))
        raise StoreDamaged(f"record {path} is damaged ({problem}), so what it needs is not known", _HINT)


def _refuse_unknown(running: Mapping[str, Entry], keys: frozenset[str]) -> None:
    for name, entry in sorted(running.items()):
        key = name.partition(".")[0]
        if key not in keys:
            raise UsageError(
                f"{entry.machine} (process {entry.pid}) works on {key[:12]}, a cell of no study here: what it reads is "
                "not known",
                "name its workspace too: --also DIR; or wait until it has ended",
            )


def _parts(store: Store, lost: set[str]) -> Callable[[Ref], tuple[str, ...]]:
    """As `graph.parts_of`, but an altered listing is an error. One in the trash is read there; one that is nowhere
    is noted in `lost` and needs nothing: who puts it again puts its files too.
    """

    def parts(ref: Ref) -> tuple[str, ...]:
        if ref.kind == "blob":
            return (ref.xxh3,)
        try:
            return (ref.xxh3, *(entry.xxh3 for entry in store.tree(ref)))
        except StoreDamaged as error:
            if (store.root / "objects" / ref.xxh3[:2] / ref.xxh3).exists():
                raise StoreDamaged(f"{error.message}: a listing, so what it needs is not known", _HINT) from None
        path = store.root / "trash" / "objects" / ref.xxh3
        if path.exists() and address_of([data := path.read_bytes()]) == ref.xxh3:
            return (ref.xxh3, *(entry.xxh3 for entry in tree.decode(data)))
        lost.add(ref.xxh3)
        return (ref.xxh3,)

    return parts


def _reach(graph: Graph, start: set[str], refs: Iterable[Ref]) -> tuple[set[str], set[str]]:
    """Record files and objects reached: what a record made and read, and the records that made what it read."""
    objects = {part for ref in refs for part in graph.parts(ref)}
    records = set(start)
    for ref in sorted(
        refs, key=lambda ref: (len(graph.makers.get(ref.xxh3, ())), ref.xxh3)
    ):  # the least doubtful first
        _keep_a_maker(graph, ref, records)
    queue = sorted(records)
    while queue:
        node = graph.nodes[queue.pop()]
        objects.update(part for ref in node.outputs.values() for part in graph.parts(ref))
        for ref in graph.inside(node).values():
            objects.update(graph.parts(ref))
            queue += _keep_a_maker(graph, ref, records)
    return records, objects


def _keep_a_maker(graph: Graph, ref: Ref, records: set[str]) -> list[str]:
    """Add those that made an object, unless one of them stays anyway; returns what was added."""
    makers = graph.makers.get(ref.xxh3, set())
    if makers & records:
        return []
    records |= makers
    return sorted(makers)
