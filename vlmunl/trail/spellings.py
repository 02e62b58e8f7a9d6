"""Every name that a figure has: in claims, in macros, in the tables and in the verified results themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vlmunl.latex.results import NAMED
from vlmunl.trail.document import Document, Path

if TYPE_CHECKING:
    from vlmunl.latex.results import Results
    from vlmunl.latex.table import Cell, Column, Table

Name = tuple[str, Path]

_SECTIONS = ("routes", "seeds", "claims")
_TOP = (
    "study",
    "title",
    "n",
    "policy",
    "cells",
    "detectable",
    "best",
    "comparisons",
    "catalogue",
    "evidence",
    "calibration",
)


def spellings(document: Document, results: Results) -> Iterator[Name]:
    """(name, path) of every spelling; of two figures with one name the first is meant."""
    for path, _ in document.below(("rows",)):  # as claims name them
        if len(path) > 1:
            yield ".".join(path[1:]), path
    for path, _ in document.below():
        if path:
            yield ".".join(path), path
    yield from _pairs(document)
    yield from _macros(document, results)
    for table in _tables(results):
        yield from _cells(table, document)
    yield from _seeds(document)
    yield from _forms(document)


def _pairs(document: Document) -> Iterator[Name]:
    """`ga.versus.npo.high`: any method's difference from any other, as claims name it."""
    for first, others in (document.tree.get("comparisons") or {}).items():
        for second, part in others.items():
            for a, b in ((first, second), (second, first)):
                if a in document.rows and b in document.rows:
                    where = ("rows", a, "versus", b)
                    yield from ((".".join((*where[1:], *end)), (*where, *end)) for end in ((), *((e,) for e in part)))


# ----------------------------------------------------------------------------------------- macros


def _macros(document: Document, results: Results) -> Iterator[Name]:
    from vlmunl.latex.macros import figures, macro_names

    for figure, _ in figures(results):
        path = of_macro(figure, document)
        for name in macro_names(figure):
            yield name, path


def of_macro(figure: Path, document: Document) -> Path:
    """From the path by which a macro is named to the place in the verified results."""
    head, *rest = figure
    if head in _SECTIONS and rest and rest[0] in document.tree[head]:
        return figure
    if head in _TOP and head not in document.rows:
        return figure
    return ("rows", *figure)


# ----------------------------------------------------------------------------------------- tables


def _tables(results: Results) -> Iterator[Table]:
    from vlmunl.stages.tables import tables_of

    made = tables_of(results)
    first = ("main", "utility", "named", "routes", "gate")
    yield from (made[name] for name in (*first, *(name for name in made if name not in first)))


def _cells(table: Table, document: Document) -> Iterator[Name]:
    """`main/npo/wcr`: table, line and the column's name in CSV. A line is named by its model, route or seed/format."""
    for line in table.rows:
        names, place = _LINES[table.name](line)
        for name in dict.fromkeys(names):
            yield f"{table.name}/{name}", place
            for column in table.columns:
                for field in column.fields:
                    where = _of_worst(place, field, document) or _FIELDS[table.name](place, field)
                    yield f"{table.name}/{name}/{field}", where


def _of_worst(place: Path, field: str, document: Document) -> Path | None:
    """What a row's line says of its worst route stands with the route."""
    if field not in _OF_WORST:
        return None
    worst = (document.node(place).get("wcr") or {}).get("worst_route")
    return ("routes", worst, *_OF_WORST[field]) if worst else None


def _seeds(document: Document) -> Iterator[Name]:
    """`seeds/npo/0/wcr`: the supplement's table of every seed."""
    from vlmunl.latex.seeds_table import COLUMNS

    for name, seeds in (document.tree.get("by_seed") or {}).items():
        for seed in seeds:
            place = ("by_seed", name, seed)
            yield f"seeds/{name}/{seed}", place
            for field in _fields(COLUMNS):
                of_row = {"model": "name", "label": "label"}.get(field)
                where = ("rows", name, of_row) if of_row else ("seeds", seed, "seed") if field == "seed" else None
                yield f"seeds/{name}/{seed}/{field}", where or model_place(place, field)


def _forms(document: Document) -> Iterator[Name]:
    """`ablations/npo_wide/minus_first`: the table of forms of one method."""
    from vlmunl.latex.ablations_table import COLUMNS

    first: dict[str, str] = {}
    for name, form in (document.tree.get("forms") or {}).items():
        against = first.setdefault(form["family"], name)
        yield f"ablations/{name}", ("rows", name)
        for field in _fields(COLUMNS):
            place = model_place(("rows", name), field)
            if field == "differs":
                place = ("forms", name, "differs")
            elif field.startswith("minus_first"):
                end = field.removeprefix("minus_first").removeprefix("_")
                place = ("rows", name, "versus", against, end or "estimate")
            yield f"ablations/{name}/{field}", place


def _fields(columns: tuple[Column, ...]) -> Iterator[str]:
    return (field for column in columns for field in column.fields)


def _model_line(line: tuple[Cell, ...]) -> tuple[list[str], Path]:
    name, label = map(str, line[0].raw)
    return [name, label], ("rows", name)


def _route_line(line: tuple[Cell, ...]) -> tuple[list[str], Path]:
    return [str(line[0].raw[0])], ("routes", str(line[0].raw[0]))


def _gate_line(line: tuple[Cell, ...]) -> tuple[list[str], Path]:
    """A seed without a gate has its status where the format would stand."""
    seed, form = str(line[0].raw[0]), str(line[1].raw[0])
    gate = line[1].emphasis == "plain"
    return [f"{seed}/{form}"], ("seeds", seed, "gate", form) if gate else ("seeds", seed)


_ESTIMATES: dict[str, Path] = {
    "canonical": ("canonical",),
    "wcr": ("wcr", "cross_fit"),
    "wcr_held_out": ("wcr_held_out", "cross_fit"),
    "item_wcr": ("item_wcr",),
    "people": ("identity_wcr",),
    "minus_best": ("versus", "best"),
    "minus_placebo": ("versus", "placebo"),
    "retain_did": ("retain_did",),
    "headroom": ("headroom",),
    "adaptive": ("adaptive",),
    **{f"adaptive_{name}": ("adaptive", name) for name in ("placebo", "headroom", "retain_did")},
    **{name: ("named", name) for name in NAMED},
}
_INTERVALS: dict[str, Path] = {
    f"{name}{suffix}": (*path, end)
    for name, path in _ESTIMATES.items()
    for suffix, end in (("", "estimate"), ("_low", "low"), ("_high", "high"))
}
_MODEL_FIELDS: dict[str, Path] = {
    "model": ("name",),
    "wcr_plug_in": ("wcr", "plug_in"),
    "wcr_lower": ("wcr", "lower"),
    "wcr_upper": ("wcr", "upper"),
    "wcr_gap": ("wcr", "gap"),
    **dict.fromkeys(("worst_family", "worst_headroom"), ("wcr", "worst_route")),  # of a row that has none
    "worst_route": ("wcr", "worst_route"),
    "found_route": ("adaptive", "routes"),
    "tried": ("adaptive", "routes"),
    **{f"minus_{other}_{p}": ("versus", other, p) for other in ("best", "placebo") for p in ("p", "p_holm")},
    **{f"utility_{part}": ("utility_parts", part) for part in ("retain", "visual", "context", "neighbour")},
}


_OF_WORST: dict[str, Path] = {"worst_family": ("family",), "worst_headroom": ("headroom", "estimate")}


def model_place(place: Path, field: str) -> Path:
    """The place below a row of what stands in a column of the tables."""
    return (*place, *(_MODEL_FIELDS.get(field) or _INTERVALS.get(field) or (field,)))


def _tier_field(place: Path, field: str) -> Path:
    """`T4.wcr_low` stands below the tier; the headline's tier has no figures beside those of the row."""
    tier, dot, figure = field.rpartition(".")
    if not dot:
        return model_place(place, field)
    return (*place, "tiers", tier, *(_INTERVALS.get(figure) or _MODEL_FIELDS[figure])[1:])


def _own_field(place: Path, field: str) -> Path:
    """Names of benchmarks' own figures may be those of named ones: they stand apart in the results."""
    if field in ("model", "label"):
        return model_place(place, field)
    name, _, end = field.rpartition("_")
    return (*place, "own", *((name, end) if end in ("low", "high") else (field, "estimate")))


def _route_field(place: Path, field: str) -> Path:
    """`npo.rho` is the model's score on this route; a model's name may have dots itself."""
    model, dot, figure = field.rpartition(".")
    if dot:
        return ("rows", model, "routes", place[1], figure)
    own: dict[str, Path] = {"route": ("id",), "state": ("live",)}
    return (*place, *(own.get(field) or _INTERVALS.get(field) or (field,)))


def _gate_field(place: Path, field: str) -> Path:
    seed = place[:2]
    if field in ("seed", "seed_status"):
        return (*seed, "seed" if field == "seed" else "status")
    if len(place) == 2:  # no gate: every field says the seed's status
        return (*seed, "status")
    return place if field == "format" else (*place, *_INTERVALS.get(field, (field,)))


_LINES: dict[str, Callable[[tuple[Cell, ...]], tuple[list[str], Path]]] = {
    "main": _model_line,
    "gap": _model_line,
    "utility": _model_line,
    "named": _model_line,
    "adaptive": _model_line,
    "routes": _route_line,
    "gate": _gate_line,
    "comparisons": _model_line,
    "tiers": _model_line,
    "own": _model_line,
}
_FIELDS: dict[str, Callable[[Path, str], Path]] = {
    "main": model_place,
    "gap": model_place,
    "utility": model_place,
    "named": model_place,
    "adaptive": model_place,
    "routes": _route_field,
    "gate": _gate_field,
    "comparisons": model_place,
    "tiers": _tier_field,
    "own": _own_field,
}
