"""What the tables of a study hold beside its verified results: every seed by itself, and forms of one method."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from vlmunl.errors import StoreDamaged
from vlmunl.store import Record, Ref, Store
from vlmunl.trail.spellings import model_place

Json = dict[str, Any]

_NAMES = ("group", "model", "label", "seed", "study", "catalogue")
_TEXTS = ("worst_route", "verdict")


def tables_record(store: Store, results: Ref) -> Record | None:
    """The record of `tables` that read these results; of several the first by name that has the table of every seed."""
    made = [r for r in store.history("tables") if r.outcome == "ok" and r.inputs.get("results") == results]
    return next((r for r in made if seeds_file(store, r)), made[0] if made else None)


def beside(store: Store, made: Record | None, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
    """`by_seed`: row -> seed -> its figures at that seed, named as in a row, or None without evidence. `forms`:
    method -> its family and what it has other than the first of it. Nothing where there are no sound tables.
    """
    if made is None:
        return {}
    found: dict[str, Json] = {}
    if (ref := seeds_file(store, made)) is not None:
        found["by_seed"] = _by_seed(store.read(ref).decode(), rows)
    forms: Any = made.params.get("variants")
    if forms:
        found["forms"] = {form["name"]: {**form, "differs": form["differs"] or None} for form in forms}
    return found


def seeds_file(store: Store, made: Record) -> Ref | None:
    """The table of every seed in CSV; None if it was not made, or is not whole in the store."""
    try:
        listed = {entry.path: entry.ref for entry in store.tree(made.outputs["generated"])}
        if (ref := listed.get("seeds.csv")) is not None:
            store.verify(ref)
        return ref
    except StoreDamaged:
        return None


def _by_seed(text: str, rows: Mapping[str, Mapping[str, Any]]) -> Json:
    found: Json = {}
    for line in csv.DictReader(text.splitlines()):
        name, seed = line["model"], line["seed"]
        known = int(seed) in rows.get(name, {}).get("seeds", ())
        found.setdefault(name, {})[seed] = _figures(line) if known else None
    return found


def _figures(line: Mapping[str, str]) -> Json:
    figures: Json = {}
    for place, value in _placed(line):
        node = figures
        for part in place[:-1]:
            node = node.setdefault(part, {})
        node[place[-1]] = value
    return figures


def _placed(line: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str | float | None]]:
    for field, value in line.items():
        if field not in _NAMES:
            number = None if value == "NA" else value if field in _TEXTS else float(value)
            yield model_place((), field), number
