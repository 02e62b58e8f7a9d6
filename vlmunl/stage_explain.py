"""Why a cell runs, or does not: a `Reason` that renders to one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from vlmunl.keys import JSON, jsonable
from vlmunl.store import Record, Ref, Store

Kind = Literal[
    "hit", "forced", "input missing", "output missing", "record damaged", "failed before", "changed", "first run"
]
Document = tuple[str, int, Mapping[str, JSON], Mapping[str, Ref]]
"""(stage, version, params, inputs): what a run key is the hash of."""

_SHOWN = 4
_WIDTH = 40


@dataclass(frozen=True)
class Change:
    """One field of the key, before and now; None where it was or is absent."""

    field: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.field} {_short(self.old)} -> {_short(self.new)}"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a cell is a hit or will run. `str(reason)` is one line; `runs` tells which of the two."""

    kind: Kind
    key: str
    changes: tuple[Change, ...] = ()
    detail: str = ""

    @property
    def runs(self) -> bool:
        """Will the cell be run?"""
        return self.kind not in ("hit", "input missing")

    def __str__(self) -> str:
        parts = [str(change) for change in self.changes[:_SHOWN]]
        if len(self.changes) > _SHOWN:
            parts.append(f"{len(self.changes) - _SHOWN} more")
        text = self.detail or ", ".join(parts)
        return f"{self.kind}: {text}" if text else self.kind


def explain_key(
    store: Store, *, key: str, document: Document, stored_inputs: Mapping[str, Ref], cell: str | None, force: bool
) -> Reason:
    """The reason for the cell with this key; `stored_inputs` are those that must be in the store to run it."""
    if force:
        return Reason(kind="forced", key=key)
    if store.best(key) is not None:
        return Reason(kind="hit", key=key)
    missing = [name for name, ref in sorted(stored_inputs.items()) if not store.has(ref)]
    if missing:
        return Reason(kind="input missing", key=key, detail=f"{', '.join(missing)} missing or damaged in the store")
    mine = store.all_for(key)
    for record in mine:
        lost = [name for name, ref in sorted(record.outputs.items()) if not store.has(ref)]
        if lost:
            return Reason(kind="output missing", key=key, detail=f"{', '.join(lost)} missing or damaged in the store")
    if any(name.outcome == "ok" for name in store.names(key)):
        return Reason(kind="record damaged", key=key, detail="its record is torn or altered")
    if mine:
        return Reason(kind="failed before", key=key, detail=_short(mine[-1].error, 120))
    changes = nearest_changes(store, document, cell)
    return Reason(kind="changed", key=key, changes=changes) if changes else Reason(kind="first run", key=key)


def nearest_changes(store: Store, document: Document, cell: str | None, *, besides: str = "") -> tuple[Change, ...]:
    """The differences to the stored record of the same stage (and cell) that has the fewest, key `besides` left out."""
    candidates = [
        (key_changes(document_of(record), document), record)
        for record in store.history(document[0], cell)
        if record.key != besides
    ]
    if not candidates:
        return ()
    changes, _ = min(candidates, key=lambda c: (len(c[0]), c[1].name))
    return changes


def key_changes(old: Document, new: Document) -> tuple[Change, ...]:
    """Every field in which two run keys differ: `stage_version`, `inputs.NAME`, and the parameters by dotted name."""
    return differences(_flat(old), _flat(new))


def flat_params(params: Mapping[str, JSON]) -> dict[str, str]:
    """Parameters by dotted name, values as JSON."""
    return dict(_leaves("", jsonable(params)))


def document_of(record: Record) -> Document:
    """What the record's key is the hash of."""
    return record.stage, record.stage_version, record.params, record.inputs


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """The names whose values differ, sorted."""
    names = sorted(set(old) | set(new))
    return tuple(Change(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n))


def _flat(document: Document) -> dict[str, str]:
    _, version, params, inputs = document
    flat = {"stage_version": str(version)}
    flat.update((f"inputs.{name}", ref.sha256[:12]) for name, ref in inputs.items())
    flat.update(_leaves("", jsonable(params)))
    return flat


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _leaves(f"{prefix}.{name}" if prefix else name, part)
    else:
        yield prefix, json.dumps(value, sort_keys=True, ensure_ascii=False)


def _short(text: str | None, width: int = _WIDTH) -> str:
    line = "(none)" if text is None else " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
