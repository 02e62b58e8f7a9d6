"""Where every number of the page comes from: its value, its name for `vlmunl trace`, and the cells that feed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlmunl.stage_explain import flat_params
from vlmunl.trail.document import Path
from vlmunl.trail.origin import Origin
from vlmunl.trail.records import node
from vlmunl.trail.sources import Sources

_INTERVALS = ("canonical", "item_wcr", "identity_wcr", "retain_did", "adaptive")
_OF_WCR = ("plug_in", "lower", "upper", "gap", "n_routes", "worst_route")
_PLAIN = ("utility", "refusal", "invalid", "refusal_invalid_retain", "accuracy", "logp", "verdict")
_LONGEST = 160
_HIDDEN = ("routes", "rows", "claims")  # long lists of the study, which the page shows elsewhere
_VERSIONS = ("vlmunl", "python", "torch", "transformers")


def figures(origin: Origin) -> dict[str, Any]:
    """Figures by name: [value, low, high, index of its sources]; and `sources`: lists of [cell's index, part]."""
    sources = Sources(origin.document, origin.cells)
    place = {name: i for i, name in enumerate(origin.cells)}
    lists: dict[tuple[tuple[int, str], ...], int] = {}
    found: dict[str, list[Any]] = {}
    for name, path, value in _named(origin):
        uses = tuple((place[cell], part) for cell, part in sources.of(path).items())
        at = lists.setdefault(uses, len(lists))
        found[name] = [*_interval(value), at]
    return {"figures": found, "sources": [[list(use) for use in uses] for uses in lists]}


def _named(origin: Origin) -> Iterator[tuple[str, Path, Any]]:
    tree = origin.document.tree
    for name, row in origin.document.rows.items():
        for field, value in _of_row(row):
            yield f"{name}.{field}", ("rows", name, *field.split(".")), value
        for route, score in row["routes"].items():
            yield f"{name}.routes.{route}", ("rows", name, "routes", route), {**score, "estimate": score["rho"]}
    for route, entry in tree["routes"].items():
        yield f"routes.{route}.headroom", ("routes", route, "headroom"), entry["headroom"]
    for seed, entry in tree["seeds"].items():
        for form, part in entry["gate"].items():
            yield f"seeds.{seed}.gate.{form}.headroom", ("seeds", seed, "gate", form, "headroom"), part["headroom"]
    for claim, entry in tree["claims"].items():
        yield f"claims.{claim}.supported", ("claims", claim, "supported"), entry["supported"]


def _of_row(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The figures of a row that the page shows; those of a document of another age may be missing."""
    for key in ("wcr", "wcr_held_out"):
        part = row.get(key) or {}
        yield key, part.get("cross_fit")
        yield from ((f"{key}.{name}", part.get(name)) for name in _OF_WCR)
    yield from ((name, row.get(name)) for name in (*_INTERVALS, *_PLAIN) if name in row)
    yield from ((f"utility_parts.{name}", value) for name, value in (row.get("utility_parts") or {}).items())
    for tier, part in (row.get("tiers") or {}).items():
        yield from ((f"tiers.{tier}.{name}", part[name]) for name in ("lower", "worst_route") if name in part)
        if "cross_fit" in part:
            yield f"tiers.{tier}.cross_fit", part["cross_fit"]


def _interval(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [value.get("estimate"), value.get("low"), value.get("high")]
    return [value, None, None]


def records(origin: Origin) -> list[dict[str, Any]]:
    """Every cell of the run manifest with its record: address, key, what it read and wrote, settings, code.

    Host, user, paths and times are left out: a report is sent to others.
    """
    return [_record(origin, name) for name in origin.cells]


def _record(origin: Origin, cell: str) -> dict[str, Any]:
    found, entry = node(origin, cell), origin.cells[cell]
    plain: dict[str, Any] = {
        "cell": cell,
        "stage": str(entry["stage"]),
        "status": found.status,
        "reason": " ".join(part for part in (found.reason, found.problem) if part),
    }
    if found.record is None:
        return plain
    record = found.record
    versions = record.env.get("versions") or {}
    return plain | {
        "record": record.name.file,
        "key": record.key,
        "version": record.stage_version,
        "seed": record.env.get("seed"),
        "params": _params(record.params),
        "inputs": [[read.name, read.ref.xxh3, read.cell or ""] for read in found.inputs],
        "outputs": [[part.name, part.ref.kind, part.ref.xxh3, part.ref.sha256, part.bytes] for part in found.outputs],
        "code": {name: str(versions[name]) for name in _VERSIONS if name in versions}
        | ({"git": str(record.env["git"])} if record.env.get("git") else {}),
    }


def _params(params: Mapping[str, Any]) -> list[list[str]]:
    shown = flat_params({name: value for name, value in params.items() if name not in _HIDDEN})
    return [[name, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"] for name, text in shown.items()]
