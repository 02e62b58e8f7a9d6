"""What a damaged file of the store means: the cells that used it, the studies and the published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlmunl.store.graph import Effects, Graph
from vlmunl.store.verify import Damage, Verification
from vlmunl.trail.published import Numbers, Published

Users = tuple[tuple[str, str], ...]
"""(cell, record file) of each."""


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """One damage and what it touches. `studies` are those whose run manifests name it or what follows from it."""

    damage: Damage
    made_by: Users
    read_by: Users
    downstream: Users
    studies: tuple[str, ...]
    numbers: tuple[Numbers, ...]


def consequences(found: Verification, published: Sequence[Published]) -> list[Consequence]:
    """For each damage, in order."""
    return [_consequence(damage, found.graph, published) for damage in found.damages]


def _consequence(damage: Damage, graph: Graph, published: Sequence[Published]) -> Consequence:
    nothing: frozenset[str] = frozenset()
    effects = Effects(made_by=nothing, read_by=nothing, downstream=nothing, objects=nothing)
    own: set[str] = set()
    if damage.kind == "object":
        effects = graph.of_object(damage.name)
    elif damage.kind == "record":
        effects, own = graph.of_record(damage.name), {damage.name}
    named = effects.records | own
    resting = [study.resting_on(objects=effects.objects, records=own) for study in published]
    return Consequence(
        damage=damage,
        made_by=_users(graph, effects.made_by | own),
        read_by=_users(graph, effects.read_by),
        downstream=_users(graph, effects.downstream),
        studies=tuple(study.manifest.study for study in published if _names(study, named, effects)),
        numbers=tuple(numbers for numbers in resting if numbers is not None),
    )


def _names(study: Published, records: frozenset[str] | set[str], effects: Effects) -> bool:
    nodes = study.manifest.nodes.values()
    return any(n.file in records or any(r.xxh3 in effects.objects for r in n.outputs.values()) for n in nodes)


def _users(graph: Graph, files: Iterable[str]) -> Users:
    known = ((graph.nodes[file].cell if file in graph.nodes else "an unknown cell", file) for file in files)
    return tuple(sorted(known))
