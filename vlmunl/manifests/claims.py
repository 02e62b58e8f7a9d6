"""`[claims]`: a sentence and a condition each, checked against the figures that the study's results will have.

A condition that names what does not exist could only fail once everything has run; so it fails when the study is read.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from vlmunl.errors import StudyError
from vlmunl.manifests.known import Known, RouteLike
from vlmunl.manifests.schema import Problem, cut, found, join, read
from vlmunl.manifests.sections_measuring import ClaimSection
from vlmunl.manifests.sections_training import MethodPlan
from vlmunl.metrics.claims import parse
from vlmunl.metrics.figures import METHOD, OWN, ROUTE, TIER, Kind, figures
from vlmunl.stages.configs import ROLES

_NUMBERS = ("number", "calibrated")
_SHOWN = 3
_PARTS_SHOWN = 8


def read_claims(table: object) -> dict[str, ClaimSection]:
    """Name -> claim, its condition not looked at yet. Raises `Problem`."""
    if not isinstance(table, dict):
        raise Problem("claims", f"expected tables such as [claims.name], found {found(table)}")
    for name in table:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise Problem(join("claims", name), "is not a claim's name: use letters, digits and '_'")
    return {name: read(ClaimSection, entry, join("claims", name)) for name, entry in table.items()}


def check_claims(
    claims: Mapping[str, ClaimSection],
    methods: Iterable[MethodPlan],
    routes: Sequence[RouteLike],
    names: Known,
    parts: Collection[str] = (),
    tiers: Collection[str] = (),
    own: Collection[str] = (),
    roles: Collection[str] = ROLES,
) -> None:
    """Can each condition be read, and is each figure that it names one that the results will have?

    `parts` are the optional parts of a row that this study's methods have, `tiers` those beside the headline's, `own`
    the figures of its benchmark's own metrics, and `roles` those that the study has beside base.

    Raises:
        Problem: with the key's path, what was found, and the nearest right name.
    """
    if not claims:
        return
    others = tuple(method.name for method in methods)
    rows = ("base", *roles, *others)
    asked = tuple(route.id for route in routes)
    known = figures({ROUTE: asked, TIER: tiers, OWN: own, METHOD: others}, parts)
    for name, claim in claims.items():
        if complaint := _complaint(claim.when, rows, known, set(names.routes) - set(asked)):
            raise Problem(join(join("claims", name), "when"), complaint + _cannot_be_named(claim.when, rows))


def _complaint(when: str, rows: Collection[str], known: Mapping[str, Kind], not_asked: Collection[str]) -> str | None:
    try:
        condition = parse(when)
    except StudyError as error:
        return f"{error.message}; {error.hint}"
    for figure in condition.figures:
        row, _, path = figure.partition(".")
        if row not in rows:
            return f"{cut(figure)!r} names a row that the study does not have" + _meant(_close(row, rows), rows)
        if known.get(path) not in _NUMBERS:
            return f"{cut(figure)!r} {_what_is_wrong(row, path, known, not_asked)}"
    return None


def _what_is_wrong(row: str, path: str, known: Mapping[str, Kind], not_asked: Collection[str]) -> str:
    """Why a path below a row is no number, and what is one."""
    numbers = [name for name, kind in known.items() if kind in _NUMBERS]
    if path in known:
        return f"is a {known[path]}, not a number" + _meant(_of_row(row, _near(path, numbers)), ())
    if parts := [name for name in numbers if name.startswith(f"{path}.")]:
        more = ", ..." if len(parts) > _PARTS_SHOWN else ""
        return f"has parts, name one of them: {', '.join(_of_row(row, parts[:_PARTS_SHOWN]))}{more}"
    section, _, rest = path.partition(".")
    route = rest.partition(".")[0]
    if section == "routes" and route in not_asked:
        return f"names the route {route!r}, which the study does not ask; add it to routes.include" + _meant(
            _of_row(row, _near(path, numbers)), ()
        )
    tops = dict.fromkeys(name.partition(".")[0] for name in numbers)
    return "is no figure of a row" + _meant(_of_row(row, _near(path, numbers)), tops)


def _near(path: str, numbers: Collection[str]) -> list[str]:
    """The likeliest: what the same words name with others between them, then what is spelt almost so."""
    words = path.split(".")
    whole = [name for name in numbers if len(words) > 1 and _in_order(words, name.split("."))]
    shorter = [".".join(words[:end]) for end in range(1, len(words)) if ".".join(words[:end]) in numbers]
    return list(dict.fromkeys([*shorter, *whole, *_close(path, numbers)]))[:_SHOWN]


def _in_order(words: Iterable[str], among: Iterable[str]) -> bool:
    left = iter(among)
    return all(word in left for word in words)


def _close(name: str, known: Collection[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(cut(name), sorted(known), n=_SHOWN, cutoff=0.6)


def _of_row(row: str, paths: Iterable[str]) -> list[str]:
    return [f"{row}.{path}" for path in paths]


def _meant(near: Collection[str], known: Collection[str]) -> str:
    """`; did you mean 'a' or 'b'?`, or the first of what is known."""
    if near:
        return f"; did you mean {' or '.join(repr(name) for name in near)}?"
    shown = [cut(name) for name in known][: 4 * _PARTS_SHOWN]
    return f"; known: {', '.join(shown)}" if shown else ""


def _cannot_be_named(when: str, rows: Iterable[str]) -> str:
    """A row such as `npo-wide` reads as a difference: say so where that may be what went wrong."""
    clumsy = [row for row in rows if (not row.isidentifier() or keyword.iskeyword(row)) and row in when]
    return f"; a claim cannot name {clumsy[0]!r}: call the method with letters, digits and '_' only" if clumsy else ""
