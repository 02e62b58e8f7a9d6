"""Which methods of a study are forms of one another, and in what they differ: the rows of its ablations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from vlmunl.manifests.sections_training import MethodPlan
from vlmunl.stages.configs import Variant

_APART = ("name", "label", "start", "checkpoint", "group", "method", "version", "recipe", "parts")
_SHOWN = 4


def variants(methods: Sequence[MethodPlan]) -> tuple[Variant, ...]:
    """The methods that share the declared method which they are like, family by family; one alone has no variants."""
    families: dict[str, list[MethodPlan]] = {}
    for method in methods:
        if method.start != "checkpoint":
            families.setdefault(method.method, []).append(method)
    return tuple(
        Variant(name=method.name, family=family, differs=_differs(members[0], method))
        for family, members in families.items()
        if len(members) > 1
        for method in members
    )


def _differs(first: MethodPlan, other: MethodPlan) -> str:
    """`views wide, steps 100`; empty for the first itself."""
    if other is first:
        return ""
    mine, theirs = dict(_settings(asdict(first))), dict(_settings(asdict(other)))
    told = [f"{name} {_short(value)}" for name, value in theirs.items() if mine.get(name) != value]
    if first.recipe != other.recipe:
        told.append("another recipe")
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return (", ".join(told[:_SHOWN]) + more) or "the same settings"


def _settings(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Every setting by its own name; what is nested stands under the last part of its path."""
    for name, value in fields.items():
        if name in _APART:
            continue
        if isinstance(value, Mapping):
            yield from _settings(value)
        else:
            yield name, value


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
