"""Number macros: a name for every figure of the verified results, so that no number is typed by hand.

`numbers.tex` defines `\\vlmunl{NAME}`, with the names that claims and `vlmunl trace STUDY NAME` have: `npo.wcr.lower`,
`npo.canonical` (of an interval its estimate), `npo.wcr` (the cross-fit estimate), `routes.text_only.headroom.low`,
`seeds.0.gate.open.verdict`, `n.identities`. A paper that takes in several studies says which:
`\\vlmunl[routes]{npo.wcr}`; else it is that of `\\vlmunlstudy`, by default the first that was read.

A figure without evidence expands to its status in words, such as `pending`; one that is not defined (gold's own WCR)
to a dash. A name that the study does not have is a LaTeX error; a study that was not read in shows itself in the text.
Wall times are left out: they are no result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vlmunl.errors import StudyError
from vlmunl.latex import escape
from vlmunl.latex.notes import SHORT_HASH, provenance, row_status, words
from vlmunl.latex.numerals import ABSENT, decimal
from vlmunl.latex.results import Adaptive, Interval, ModelRow, Results, Seed, Wcr
from vlmunl.latex.routes_table import route_state

Path = tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """A figure without evidence, and its status."""

    status: str


Figure = tuple[Path, str | float | Missing | None]

_HEAD = (
    r"\providecommand{\vlmmissing}[1]{\textit{#1}}",
    r"\providecommand{\vlmundefined}[2]{\textbf{[#1: \detokenize{#2}?]}}",
    r"\providecommand{\vlmdef}[3]{\expandafter\gdef\csname vlmunl@#1@#2\endcsname{#3}}",
    r"\providecommand{\vlmunl}[2][\vlmunlstudy]{%",
    r"\ifcsname vlmunl@#1@#2\endcsname\csname vlmunl@#1@#2\endcsname\else\vlmundefined{#1}{#2}%",
    r"\ifcsname vlmunl@#1@study\endcsname\vlmunlunknown{#1}{#2}\fi\fi}",
    r"\providecommand{\vlmunlunknown}[2]{\GenericError{}{vlmunl: study #1 has no figure \detokenize{#2}}{}{}}",
)
_ROW_NUMBERS = ("accuracy", "utility", "refusal", "invalid", "refusal_invalid_retain", "logp")
_SHORT = ("rho", "supported")


def macro_names(path: Path) -> tuple[str, ...]:
    """A figure's names: its path; for an interval's estimate, a route's recovery and a claim also the path of what it
    is the figure of, and for the cross-fit estimate that of the WCR."""
    names = [".".join(path)]
    for last in ("estimate", "cross_fit") if path[-1] == "estimate" else _SHORT:
        if len(path) > 1 and path[-1] == last:
            path = path[:-1]
            names.append(".".join(path))
    return tuple(names)


def numbers_tex(results: Results) -> str:
    """The whole `numbers.tex`, in order of name.

    Raises: StudyError if two figures would get the same name, or one has a name that TeX cannot hold.
    """
    sources: dict[str, Path] = {}
    lines: dict[str, str] = {}
    for path, leaf in figures(results):
        for name in macro_names(path):
            if name in sources:
                both = f"{'/'.join(sources[name])} and {'/'.join(path)}"
                raise StudyError(f"{both} would both be \\vlmunl{{{name}}}", "rename one of the two in the study file")
            sources[name] = path
            lines[name] = rf"\vlmdef{{{results.study}}}{{{_named(name)}}}{{{_value(leaf)}}}"
    which = rf"\providecommand{{\vlmunlstudy}}{{{results.study}}}"
    head = [f"% {escape.tex(provenance(results))}", *_HEAD, which]
    return "\n".join([*head, *(lines[name] for name in sorted(lines))]) + "\n"


def _named(name: str) -> str:
    """Raises: StudyError if TeX would not read the name as it stands."""
    if set(name) & set("\\{}%#^~$&") or not name.isascii():
        raise StudyError(f"no macro can be called {name!r}", "use ASCII letters, digits, '_', '-', '+' and '.'")
    return name


def figures(results: Results) -> Iterator[Figure]:
    """Every figure with its path; a missing interval or WCR still yields all of its names, with `None`."""
    live = Missing(results.seedless) if results.seedless else results.live_routes
    asked = [route for route in results.routes if not route.not_asked]
    yield from (
        (("study",), results.study),
        (("title",), results.title),
        (("catalogue", "hash"), results.catalogue[:SHORT_HASH]),
        (("catalogue", "tiers"), ", ".join(results.tiers)),
        (("catalogue", "n_routes"), len(asked)),
        (("catalogue", "n_live"), live),
        (("policy", "held_out"), ", ".join(results.held_out)),
        (("evidence", "run_manifest_sha256"), results.evidence),
    )
    if results.calibration == "chance":
        yield ("calibration",), results.calibration
    yield from _missing(((("n", name), value) for name, value in results.n.items()), results.seedless)
    for section, values in (("policy", {**results.thresholds, **results.resampling}), ("cells", results.cells)):
        yield from (((section, name), value) for name, value in values.items())
    for seed in results.seeds:
        yield from _seed(seed)
    for route in results.routes:
        yield ("routes", route.id, "live"), words(route_state(route, results))
        yield from _missing(_interval(("routes", route.id, "headroom"), route.headroom), results.seedless)
    for row in results.rows:
        yield from _missing(_row(row), row_status(row, results) if row.is_pending else "")
    for (first, second), found in results.pairs.items():
        yield from _interval(("comparisons", first, second), found.interval)
        yield from ((("comparisons", first, second, name), getattr(found, name)) for name in ("p", "p_holm"))
    if results.detectable:
        for name in ("power", "recovery", "least", "most"):
            yield ("detectable", name), getattr(results.detectable, name)
    if results.best:
        yield from ((("best", "method"), results.best.method), (("best", "apart"), results.best.apart))
    for claim in results.claims:
        yield ("claims", claim.name, "supported"), claim.state


def _missing(figures: Iterable[Figure], status: str) -> Iterator[Figure]:
    """Put `status`, if there is one, where a figure is absent."""
    yield from ((path, Missing(status) if status and leaf is None else leaf) for path, leaf in figures)


def _interval(path: Path, interval: Interval | None) -> Iterator[Figure]:
    for name in ("estimate", "low", "high"):
        yield (*path, name), getattr(interval, name, None)


def _wcr(path: Path, wcr: Wcr | None) -> Iterator[Figure]:
    for name in ("plug_in", "lower", "upper", "worst_route", "n_routes", "gap"):
        yield (*path, name), getattr(wcr, name, None)
    yield from _interval((*path, "cross_fit"), wcr.cross_fit if wcr else None)


def _seed(seed: Seed) -> Iterator[Figure]:
    path = ("seeds", str(seed.seed))
    yield (*path, "status"), words(seed.status)
    for gate in seed.gate:
        where = (*path, "gate", gate.format)
        yield from _interval((*where, "headroom"), gate.headroom)
        yield from (((*where, name), getattr(gate, name)) for name in ("items", "identities", "verdict"))


def _row(row: ModelRow) -> Iterator[Figure]:
    for name in ("label", "views", "verdict", "n_seeds", "trials", *_ROW_NUMBERS):
        yield (row.name, name), getattr(row, name)
    yield (row.name, "cost", "steps"), row.steps
    for name in ("canonical", "item_wcr", "identity_wcr", "retain_did"):
        yield from _interval((row.name, name), getattr(row, name))
    yield from _wcr((row.name, "wcr"), row.wcr)
    yield from _wcr((row.name, "wcr_held_out"), row.wcr_held_out)
    if row.searched:
        yield from _adaptive((row.name, "adaptive"), row.adaptive)
    for other, apart in row.versus.items():
        yield from _interval((row.name, "versus", other), apart.interval if apart else None)
        yield from (((row.name, "versus", other, name), getattr(apart, name, None)) for name in ("p", "p_holm"))
    for tier, found in row.tiers.items():
        missing = found.status if found.wcr is None else ""
        yield from _missing(_wcr((row.name, "tiers", tier), found.wcr), missing)
    for name, interval in row.named.items():
        yield from _interval((row.name, "named", name), interval)
    for name, interval in row.own.items():
        yield from _interval((row.name, "own", name), interval)
    for part, value in row.utility_parts.items():
        yield (row.name, "utility_parts", part), value
    for route, score in row.routes.items():
        for name in ("rho", "low", "high", "accuracy"):
            yield (row.name, "routes", route, name), getattr(score, name)


def _adaptive(path: Path, found: Adaptive | None) -> Iterator[Figure]:
    yield from _interval(path, found.recovery if found else None)
    for name in ("placebo", "headroom", "retain_did"):
        yield from _interval((*path, name), getattr(found, name, None))


def _value(leaf: str | float | Missing | None) -> str:
    if isinstance(leaf, Missing):
        return rf"\vlmmissing{{{escape.tex(words(leaf.status))}}}"
    if leaf is None or leaf == "":
        return ABSENT
    return escape.tex(decimal(leaf) if isinstance(leaf, float) else str(leaf))
