"""Why two records differ: what was asked, what came out, and where and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmunl.stage import Change
from vlmunl.stage_explain import differences, document_of, flat_params, key_changes
from vlmunl.stages.declared import STAGES
from vlmunl.store import Record, Ref, Store
from vlmunl.trail.changes import CellChange, Difference, NumberChange


def diff_records(left: Record, right: Record, store: Store) -> Difference:
    """Settings are the fields of the run key, numbers the metrics, cells the one cell if its output differs."""
    asked = tuple(_named(change, left, right, store) for change in key_changes(document_of(left), document_of(right)))
    if left.stage != right.stage:
        asked = (Change("stage", left.stage, right.stage), *asked)
    came = differences(_result(left), _result(right))
    labels = [f"{record.cell} {record.name.file}" for record in (left, right)]
    kind = "not deterministic" if came and left.key == right.key else "changed"
    note = "one key has given different results" if kind == "not deterministic" else ""
    change = CellChange(
        cell=left.cell if left.cell == right.cell else f"{left.cell} and {right.cell}",
        kind="not deterministic" if note else "changed",
        changes=came,
        note=note,
        keys=(left.key, right.key),
    )
    return Difference(
        kind="records",
        left=labels[0],
        right=labels[1],
        settings=asked,
        cells=(change,) if came else (),
        numbers=tuple(_metrics(left, right)),
        told=differences(_told(left), _told(right)),
    )


def _result(record: Record) -> dict[str, str]:
    outputs = {f"outputs.{name}": f"{ref.kind} {ref.xxh3[:12]}" for name, ref in record.outputs.items()}
    error = {"error": record.error} if record.error else {}
    return {"outcome": record.outcome, **outputs, **error}


def _metrics(left: Record, right: Record) -> list[NumberChange]:
    before, after = (dict(_leaves("", record.metrics)) for record in (left, right))
    return [
        NumberChange(name=name, left=before.get(name), right=after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name, part in value.items() for leaf in _leaves(f"{prefix}.{name}" if prefix else name, part)]
    return [(prefix, value)] if prefix else []


def _told(record: Record) -> dict[str, str]:
    """Where and when, by dotted name."""
    return flat_params(record.env)


def _named(change: Change, left: Record, right: Record, store: Store) -> Change:
    """An input's address with the cell that wrote it."""
    if not change.field.startswith("inputs."):
        return change
    name = change.field.removeprefix("inputs.")
    old, new = (_with_maker(record.inputs.get(name), store) for record in (left, right))
    return Change(change.field, old, new)


def _with_maker(ref: Ref | None, store: Store) -> str | None:
    if ref is None:
        return None
    for stage in STAGES:
        for record in store.history(stage):
            if any(output.sha256 == ref.sha256 for output in record.outputs.values()):
                return f"{ref.sha256[:12]} ({record.cell})"
    return ref.sha256[:12]
