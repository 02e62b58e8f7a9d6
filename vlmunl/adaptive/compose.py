"""Compositions: several parts of the catalogue at once, as one route.

A part is a route of the catalogue, taken as what it changes of the canonical question: the picture, the wording, who
it is about, what is said before, the spelling, and so on. Changes of the picture and of the spelling follow one
another; of everything else a composition can have one change only. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, replace
from itertools import product
from typing import Any

from vlmunl.routes.route import Route

MOST_VARIANTS = 12
"""Questions per item above which a composition is left out: it would cost more than the rest of its round."""

_WORDS = ("id", "family", "modality", "description", "source", "tier", "leak", "mixes", "version")
_PLAIN: dict[str, Any] = {f.name: f.default for f in fields(Route) if f.default is not MISSING}
_PEOPLE = ("photo", "other")
"""Sources of pictures that show somebody; of the others no change is another route."""
_TOGETHER = tuple(name for name in ("format", "wording", "ask") if name in _PLAIN)


def definition(route: Route) -> tuple[tuple[str, Any], ...]:
    """All that decides what is asked, and nothing of how it is called."""
    return tuple((name, value) for name, value in asdict(route).items() if name not in _WORDS)


def composed(parts: Sequence[Route]) -> Route | None:
    """The parts as one route, in this order; None if two of them cannot be had together.

    A single part is returned as it is.
    """
    if len(parts) == 1:
        return parts[0]
    made: Route | None = parts[0]
    for part in parts[1:]:
        made = _merged(made, part) if made is not None else None
    if made is None or len(made.variants) > MOST_VARIANTS:
        return None
    return replace(
        made,
        id="+".join(part.id for part in parts),
        family="composition",
        modality="multimodal",
        description="; ".join(part.description for part in parts),
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        leak="; ".join(dict.fromkeys(part.leak for part in parts if part.leak)),
        mixes=tuple(dict.fromkeys(family for part in parts for family in part.mixes or (part.family,))),
        version=max(part.version for part in parts),
    )


def _merged(a: Route, b: Route) -> Route | None:
    image = _pictures(a.image, b.image)
    if image is None:
        return None
    merged: dict[str, Any] = {"image": image, "rewrite": tuple(dict.fromkeys((*a.rewrite, *b.rewrite)))}
    groups = [(name,) for name in _PLAIN if name not in (*_WORDS, *_TOGETHER, *merged)]
    for group in (_TOGETHER, *groups):
        one, two = (tuple(getattr(route, name) for name in group) for route in (a, b))
        canonical = tuple(_PLAIN[name] for name in group)
        if canonical not in (one, two) and one != two:
            return None
        merged.update(zip(group, two if one == canonical else one, strict=True))
    return replace(a, **merged)


def _pictures(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...] | None:
    """Every picture of `a` with every change of `b` made to it; None if both bring a picture of their own."""
    canonical = _PLAIN["image"]
    if canonical in (a, b) or a == b:
        return b if a == canonical else a
    pairs = [_chained(one, two) for one, two in product(a, b)]
    made = tuple(dict.fromkeys(pair for pair in pairs if pair is not None))
    return made if len(made) == len(a) * len(b) else None


def _chained(a: str, b: str) -> str | None:
    """One expression's changes after the other's; only one of the two may have another source than the photo."""
    (source, *first), (other, *second) = ([part.strip() for part in text.split("|")] for text in (a, b))
    sources = {source, other} - set(_PLAIN["image"])
    if len(sources) > 1 or any(s.partition(":")[0] not in _PEOPLE for s in sources):
        return None
    return " | ".join([*(sources or {source}), *first, *second])
