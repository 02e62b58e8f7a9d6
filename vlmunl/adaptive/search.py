"""The search: first the parts by themselves, then a beam over compositions of what did best.

Everything is decided by scores on the people set aside for tuning, and the same scores give the same search. Of the
parts that carry the knowledge at all, at most two thirds of the budget are tried by themselves: where there are more,
one of each family in turn, in an order that the seed draws, so that no family is left out before another one is there
twice. Each later round extends the `beam` best routes so far by one more part, and tries the most promising
extensions. The search ends with the budget, or when nothing is left to try. Torch-free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from vlmunl.adaptive.compose import composed, definition
from vlmunl.rng import Streams
from vlmunl.routes.route import Route

SINGLES = (2, 3)
"""The share of the budget that parts by themselves may take."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one route brings back, on the tuning people.

    Attributes:
        recovery: accuracy of the model minus gold's, over the headroom of the answer format.
        margin: mean log-probability per token of the right answer, minus gold's, in nats; it decides between routes
            that bring equally much back.
        headroom: accuracy of the imprint minus gold's on this very route.
        live: headroom of route and format are both above the floor.
        accuracy: of unlearned, imprint and gold.
    """

    recovery: float
    margin: float
    headroom: float
    live: bool
    accuracy: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A route that was put to the model: which parts of the catalogue it is made of, and how it did."""

    route: Route
    parts: tuple[str, ...]
    round: int
    score: Score

    @property
    def order(self) -> tuple[bool, float, float, int, str]:
        """Sorts the best first: live, most recovery, most margin, fewest parts, name."""
        s = self.score
        return (not s.live, -s.recovery, -s.margin, len(self.parts), self.route.id)


Judge = Callable[[Sequence[Route]], Sequence[Score]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may be tried: `budget` routes in all, the `beam` best extended in each round."""

    budget: int
    beam: int


def search(parts: Sequence[Route], judge: Judge, limits: Limits, streams: Streams) -> list[Tried]:
    """Every route that was tried, in the order in which it was.

    Args:
        parts: the parts that carry the knowledge by themselves, in the catalogue's order.
        judge: scores some routes on the tuning people.

    Raises:
        ValueError: there is no part.
    """
    if not parts:
        raise ValueError("no part to search with")
    space = _Space(parts)
    tried: list[Tried] = []
    candidates: list[tuple[str, ...]] = [(part.id,) for part in first_round(parts, limits.budget, streams)]
    number = 0
    while candidates:
        routes = [space.route(key) for key in candidates]
        scores = judge(routes)
        for key, route, score in zip(candidates, routes, scores, strict=True):
            tried.append(Tried(route=route, parts=key, round=number, score=score))
        number += 1
        left = min(2 * limits.beam, limits.budget - len(tried))
        candidates = space.extensions(tried, limits.beam)[:left]
    return tried


def best(tried: Sequence[Tried]) -> Tried:
    """The live route with the most recovery."""
    return min(tried, key=lambda t: t.order)


def first_round(parts: Sequence[Route], budget: int, streams: Streams) -> list[Route]:
    """The parts that are tried by themselves, in the catalogue's order."""
    room = max(1, budget * SINGLES[0] // SINGLES[1])
    if len(parts) <= room:
        return list(parts)
    draw = streams.child("attacker", "parts").python()
    families: dict[str, list[Route]] = {}
    for part in draw.sample(list(parts), len(parts)):
        families.setdefault(part.family, []).append(part)
    turns = chain.from_iterable(zip_longest(*families.values()))
    chosen = {part.id for part in [part for part in turns if part is not None][:room]}
    return [part for part in parts if part.id in chosen]


class _Space:
    """The compositions of some parts; a composition is named by its parts in the catalogue's order."""

    def __init__(self, parts: Sequence[Route]) -> None:
        self.place = {part.id: i for i, part in enumerate(parts)}
        self.parts = {part.id: part for part in parts}
        self.known: dict[tuple[str, ...], Route | None] = {}

    def route(self, key: tuple[str, ...]) -> Route:
        route = self.made(key)
        assert route is not None, "only asked of compositions that can be had"
        return route

    def made(self, key: tuple[str, ...]) -> Route | None:
        if key not in self.known:
            self.known[key] = composed([self.parts[name] for name in key])
        return self.known[key]

    def extensions(self, tried: Sequence[Tried], beam: int) -> list[tuple[str, ...]]:
        """What the best routes become with one more part, best first: by the sum of what both bring back.

        Parts are those that were tried by themselves. A composition that asks what a tried route or a part asks
        already is none.
        """
        ranked = sorted((t for t in tried if t.score.live), key=lambda t: t.order)
        singles = [t for t in ranked if len(t.parts) == 1]
        seen = {definition(t.route) for t in tried} | {definition(part) for part in self.parts.values()}
        found: list[tuple[float, float, int, tuple[str, ...]]] = []
        for leader in ranked[:beam]:
            for single in singles:
                key = tuple(sorted({*leader.parts, *single.parts}, key=self.place.__getitem__))
                if len(key) > len(leader.parts) and self.made(key) is not None:
                    one, two = leader.score, single.score
                    found.append((-one.recovery - two.recovery, -one.margin - two.margin, len(key), key))
        chosen: list[tuple[str, ...]] = []
        for *_, key in sorted(found):
            if (asks := definition(self.route(key))) not in seen:
                seen.add(asks)
                chosen.append(key)
        return chosen
