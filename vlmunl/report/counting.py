"""Which items count: those that the gate of a seed keeps, in a format that passed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmunl.report.answers import Item
from vlmunl.trail.origin import Origin

Counting = Mapping[int, frozenset[tuple[str, str, str]]]
"""Seed -> (person, fact, answer format) of all items that feed numbers."""


def counting(origin: Origin, people: set[str], attributes: set[str]) -> Counting:
    """Judge the rows of each verified gate by the policy of the results."""
    from vlmunl.metrics.gated import judge
    from vlmunl.metrics.rows import read_rows
    from vlmunl.stages.configs import GatePolicy

    told: Any = origin.made_by.params["gate"]
    policy = GatePolicy(**told)
    who, what = tuple(sorted(people)), tuple(sorted(attributes))
    found: dict[int, frozenset[tuple[str, str, str]]] = {}
    for seed in origin.document.counted:
        ref = origin.record(f"gate/seed{seed}").outputs["rows"]
        gate = judge(read_rows(origin.store.path(ref), ("model",)), who, what, policy)
        found[seed] = frozenset(
            (person, fact, form)
            for form, part in gate.formats.items()
            if part.informative
            for i, person in enumerate(who)
            for j, fact in enumerate(what)
            if part.kept[i, j]
        )
    return found


def counts(item: Item, seed: int, form: str, kept: Counting) -> bool:
    """Does this item feed the numbers of its route at a seed?"""
    return (item.identity, item.attribute, form) in kept.get(seed, frozenset())
