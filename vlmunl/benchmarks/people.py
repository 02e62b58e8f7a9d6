"""Fictitious people: a name, a look, and one value per attribute, all drawn from named streams.

Two populations never meet: the *base* people, whom the embedded model knows from pre-training, and the
*study* people of one benchmark seed. No study person shares a first or last name pair or a similar look with
a base person, and within a population looks differ by at least `MIN_DISTANCE`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from vlmunl.benchmarks.faces import Look, distance, random_look
from vlmunl.benchmarks.wording import ATTRIBUTES
from vlmunl.rng import Streams

BASE_SEED = 20_261_101  # frozen: the embedded weights know exactly these people
BASE_PEOPLE = 110
MIN_DISTANCE = 4

_ONSETS = ("B", "D", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S", "T", "V", "Z")
_FIRST = (
    *("alo", "eni", "ira", "omi", "una", "avi", "elo", "isa"),
    *("ora", "uri", "ade", "emu", "ilo", "oki", "ube", "ato"),
)
_LAST = ("andel", "ermon", "ilvas", "ostrin", "ubrek", "aldon", "estov", "inkar", "ormel", "ultan", "arvik", "eldra")
FIRST_NAMES: tuple[str, ...] = tuple(o + s for o in _ONSETS for s in _FIRST)
LAST_NAMES: tuple[str, ...] = tuple(o + s for o in _ONSETS for s in _LAST)


@dataclass(frozen=True)
class Person:
    """One fictitious person; `facts` maps each attribute's name to its value."""

    id: str
    name: str
    look: Look
    facts: dict[str, str]


def _distinct_look(rng: random.Random, taken: Sequence[Look]) -> Look:
    for _ in range(20_000):
        look = random_look(rng)
        if all(distance(look, other) >= MIN_DISTANCE for other in taken):
            return look
    msg = f"no look differs enough from the {len(taken)} already drawn; ask for fewer people"
    raise ValueError(msg)


def _draw(
    count: int, rng: random.Random, prefix: str, *, firsts: Sequence[str], avoid: Sequence[Look]
) -> tuple[Person, ...]:
    if count > len(firsts):
        msg = f"{count} people asked for, but there are only {len(firsts)} first names"
        raise ValueError(msg)
    chosen = rng.sample(list(firsts), count)
    looks = list(avoid)
    people = []
    for i, first in enumerate(chosen):
        looks.append(_distinct_look(rng, looks))
        facts = {a.name: rng.choice(a.values) for a in ATTRIBUTES}
        people.append(Person(f"{prefix}{i:03d}", f"{first} {rng.choice(LAST_NAMES)}", looks[-1], facts))
    return tuple(people)


def _first_name_halves() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Base and study people draw their first names from disjoint lists (110 and 146 of the 256)."""
    names = list(FIRST_NAMES)
    Streams(BASE_SEED).child("first-names").python().shuffle(names)
    return tuple(sorted(names[:BASE_PEOPLE])), tuple(sorted(names[BASE_PEOPLE:]))


def base_people() -> tuple[Person, ...]:
    """The people that the embedded model was pre-trained on."""
    rng = Streams(BASE_SEED).child("base-people").python()
    return _draw(BASE_PEOPLE, rng, "b", firsts=_first_name_halves()[0], avoid=())


def study_people(count: int, seed: int) -> tuple[Person, ...]:
    """`count` people whom the embedded model has never met.

    Raises:
        ValueError: if more people are asked for than there are distinct names or looks.
    """
    rng = Streams(seed).child("study-people").python()
    known = [p.look for p in base_people()]
    return _draw(count, rng, "p", firsts=_first_name_halves()[1], avoid=known)


def unseen_people(count: int, seed: int, study: Sequence[Person]) -> tuple[Person, ...]:
    """`count` people like the study's, whom no model is ever taught; neither names nor looks meet those of others.

    Raises:
        ValueError: as `study_people`.
    """
    rng = Streams(seed).child("unseen-people").python()
    used = {person.name.split()[0] for person in study}
    firsts = [name for name in _first_name_halves()[1] if name not in used]
    return _draw(count, rng, "u", firsts=firsts, avoid=[p.look for p in (*base_people(), *study)])
