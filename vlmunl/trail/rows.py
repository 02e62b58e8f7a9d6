"""The questions behind a figure: which rows of which cells, how they were answered, and some of them in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmunl.errors import StoreDamaged
from vlmunl.manifests.checks import attack_cell
from vlmunl.trail.document import Document, Path
from vlmunl.trail.origin import Origin
from vlmunl.trail.wording import Wording

if TYPE_CHECKING:
    import pyarrow as pa

Where = Mapping[str, tuple[str, ...]]
_FORGET: Where = {"split": ("forget",)}
_SHOWN = ("split", "identity", "attribute", "route", "variant", "format", "score", "logp", "status", "text")
_DIGESTS = ("prompt_digest", "image_digest")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The rows of one cell that a figure rests on most: their number, statuses, and a sample."""

    cell: str
    where: Where
    rows: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    prompts: int = 0
    images: int = 0
    sample: tuple[Mapping[str, Any], ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = {name: getattr(self, name) for name in ("cell", "rows", "prompts", "images", "problem")}
        where = {name: list(values) for name, values in self.where.items()}
        return {**plain, "where": where, "statuses": dict(self.statuses), "sample": [dict(row) for row in self.sample]}


def selection(path: Path, document: Document) -> Iterator[tuple[str, Where]]:
    """(cell, columns and their values): the rows to look at for a figure. Empty where no rows tell more."""
    section, *rest = path
    if section == "rows" and rest:
        where = _of_field(rest[0], rest[1:], document)
        attack = _attack_of(where) if rest[1:2] in (["tiers"], ["routes"]) and rest[0] != "base" else ""
        for seed in document.rows[rest[0]]["seeds"] if attack else ():
            yield attack_cell(rest[0], seed, attack), where
        if attack:
            return
        for seed in document.rows[rest[0]]["seeds"] if where else ():
            yield "eval/base" if rest[0] == "base" else f"eval/{rest[0]}/seed{seed}", where
            if rest[0] == "base":  # scored once for all seeds
                return
    elif section == "by_seed" and len(rest) > 1 and (shown := document.tree["by_seed"][rest[0]][rest[1]]):
        where = _of_field(rest[0], rest[2:], Document({"rows": {rest[0]: shown}}))
        yield "eval/base" if rest[0] == "base" else f"eval/{rest[0]}/seed{rest[1]}", where
    elif section == "routes" and rest:
        roles = ("imprint",) if document.tree.get("calibration") == "chance" else ("imprint", "gold")
        for seed in document.counted:
            yield from ((f"eval/{role}/seed{seed}", {**_FORGET, "route": (rest[0],)}) for role in roles)
    elif section == "seeds" and len(rest) > 2:
        yield f"gate/seed{rest[0]}", {"model": ("imprint",), "route": (f"gate_{rest[2]}", f"canonical_{rest[2]}")}


def _attack_of(where: Where) -> str:
    """The attack after which the one route of a selection is asked; empty for none."""
    from vlmunl.routes.catalogue import CATALOGUE

    found = {CATALOGUE[route].attack for route in where.get("route", ()) if route in CATALOGUE}
    return found.pop() if len(found) == 1 else ""


def _of_field(row: str, field: list[str], document: Document) -> Where:
    head = field[0] if field else "wcr"
    if head in ("canonical", "accuracy", "logp"):
        return {**_FORGET, "route": ("canonical",)}
    if head == "routes":
        return {**_FORGET, "route": tuple(field[1:2])} if len(field) > 1 else _FORGET
    if head in ("utility", "utility_parts"):
        return _of_utility(field[1:])
    if head == "refusal_invalid_retain":
        return {"split": ("retain",)}
    if head == "tiers":
        part = (document.rows[row].get("tiers") or {}).get(field[1], {}) if len(field) > 1 else {}
        return {**_FORGET, "route": (part["worst_route"],)} if part.get("worst_route") else _FORGET
    if head in ("refusal", "invalid", "item_wcr", "identity_wcr", "versus"):
        return _FORGET
    if head == "named":
        side = field[1].partition("_")[0] if len(field) > 1 else "forget"
        return {"split": ("forget", "unseen") if side == "mia" else (side,), "route": ("canonical",)}
    if head == "own":
        return {"route": ("canonical",)}
    if head in ("wcr", "wcr_held_out", "retain_did", "verdict"):
        wcr = document.rows[row]["wcr_held_out" if head == "wcr_held_out" else "wcr"] or {}
        worst = wcr.get("worst_route")
        return {**_FORGET, "route": (worst,)} if worst else _FORGET
    return {}


def _of_utility(part: list[str]) -> Where:
    if not part:
        return {"split": ("general",)}
    if part[0] == "retain":
        return {"split": ("retain",), "route": ("canonical",)}
    return {"split": ("general",), "attribute": (part[0],)}


# ----------------------------------------------------------------------------------------- reading


def look(origin: Origin, cell: str, where: Where, samples: int) -> Asked:
    """Count the rows, and show `samples` of them spread evenly over the file. What is damaged is told, not raised."""
    import pyarrow as pa

    try:
        record = origin.record(cell)
        table = _read(origin.store.read(record.outputs["rows"]), where)
    except (StoreDamaged, pa.ArrowException) as error:
        return Asked(cell=cell, where=where, problem=str(error))
    some = table
    if samples and table.num_rows > samples:
        some = table.take([i * table.num_rows // samples for i in range(samples)])
    columns = [name for name in ("model", *_SHOWN, *_DIGESTS) if name in table.column_names]
    wording = Wording(origin.store, record) if samples else None
    sample = [{"question": wording.of(row) if wording else None, **row} for row in some.select(columns).to_pylist()]
    return Asked(
        cell=cell,
        where=where,
        rows=table.num_rows,
        statuses=_counts(table, "status"),
        prompts=len(_counts(table, "prompt_digest")),
        images=len([digest for digest in _counts(table, "image_digest") if digest]),
        sample=tuple(sample) if samples else (),
    )


def _read(data: bytes, where: Where) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    filters = [(column, "in", list(values)) for column, values in where.items()]
    return pq.read_table(pa.BufferReader(data), filters=filters or None)


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    if column not in table.column_names:
        return {}
    counted = table[column].value_counts().to_pylist()
    return {str(entry["values"]): int(entry["counts"]) for entry in sorted(counted, key=lambda e: -e["counts"])}
