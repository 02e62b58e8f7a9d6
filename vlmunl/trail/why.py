"""`status --why`: why a cell would run again, traced to the change that is the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlmunl.keys import key_params
from vlmunl.manifests.plan import Cell, CellOutput
from vlmunl.manifests.states import Board, CellState
from vlmunl.stage import Change, Reason, input_refs
from vlmunl.stage_explain import differences, document_of, flat_params, nearest_changes
from vlmunl.store import Record

_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a cell stands as it does. `because` names the cells whose change, or absence, is the cause."""

    cell: str
    kind: str
    detail: str = ""
    changes: tuple[Change, ...] = ()
    because: tuple[str, ...] = ()
    record: str | None = None
    made: str | None = None

    def __str__(self) -> str:
        parts = [str(change) for change in self.changes[:_SHOWN]]
        if len(self.changes) > _SHOWN:
            parts.append(f"{len(self.changes) - _SHOWN} more")
        own = ", ".join(parts)
        if self.kind == "waits":
            return f"waits for {self.detail}" + (f"; itself changed: {own}" if own else "")
        text = "; ".join(part for part in (own, self.detail) if part)
        return f"{self.kind}: {text}" if text else self.kind

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        changes = [{"field": c.field, "old": c.old, "new": c.new} for c in self.changes]
        plain = {name: getattr(self, name) for name in ("kind", "detail", "record", "made")}
        return {**plain, "changes": changes, "because": list(self.because), "text": str(self)}


def reasons(board: Board) -> dict[str, Why]:
    """Cell -> why, in the plan's order; each knows those of the cells before it."""
    known: dict[str, Why] = {}
    for cell in board.plan.cells:
        known[cell.name] = _why(board, board[cell.name], known)
    return known


def _why(board: Board, state: CellState, known: Mapping[str, Why]) -> Why:
    name = state.cell.name
    if state.done and state.record is not None and name not in board.forced:
        made = str(state.record.env.get("ended") or "") or None
        text = f"{state.record.key[:12]}" + (f" from {made[:16].replace('T', ' ')}" if made else "")
        verdict = f"; {state.reason}" if state.reason else ""
        return Why(cell=name, kind="record", detail=text + verdict, record=state.record.name.file, made=made)
    if state.status in ("excluded", "failed-gate"):
        return Why(cell=name, kind=state.status, detail=state.reason)
    reason = board.explain(name)
    waits = _waits(board, state.cell)
    if reason is None or (state.cell.collects and waits):
        return _blocked(board, state.cell, waits, known)
    return _ready(board, state.cell, _without_manifest(board, state, reason))


def _waits(board: Board, cell: Cell) -> list[str]:
    """The cells that must be done before; one that collects waits for all evidence that can still come, too."""
    names = [*(c.name for c in board.plan.evidence if cell.collects), *cell.needs]
    return [name for name in names if board[name].status in ("pending", "failed")]


# ------------------------------------------------------------------------- what it reads is there


def _ready(board: Board, cell: Cell, reason: Reason) -> Why:
    """The reason that `explain` gives, with the cells that wrote changed inputs, and why these did."""
    own = tuple(change for change in reason.changes if not change.field.startswith("inputs."))
    inputs = [change.field.removeprefix("inputs.") for change in reason.changes if change not in own]
    told = [_of_input(board, cell, name) for name in inputs[:_SHOWN]]
    if len(inputs) > _SHOWN:
        told.append(f"{len(inputs) - _SHOWN} more inputs changed")
    because = tuple(dict.fromkeys(source for name in inputs if (source := _source(cell, name, board)) is not None))
    torn = [path for path in board.store.damaged() if reason.key in path]
    detail = "; ".join(part for part in (reason.detail, *told, *torn) if part)
    return Why(cell=cell.name, kind=reason.kind, detail=detail, changes=own, because=because)


def _of_input(board: Board, cell: Cell, name: str) -> str:
    """`input adapter0 changed because imprint/imprint/seed0 has: optim.lr 0.004 -> 0.002`."""
    source = _source(cell, name, board)
    if source is None:
        what = "the run manifest" if cell.collects else f"{name}, which lies outside the store,"
        return f"{what} changed"
    record = board[source].record
    if record is None:
        return f"input {name} is gone: {source} is {board[source].status}"
    changes = nearest_changes(board.store, document_of(record), source, besides=record.key)
    causes = ", ".join(map(str, changes[:_SHOWN])) or "was not there before"
    return (
        f"input {name} changed because {source} has: {causes}" if changes else f"input {name} is new: {source} {causes}"
    )


def _source(cell: Cell, name: str, board: Board) -> str | None:
    """The cell that writes an input of this one."""
    source = cell.inputs.get(name)
    if isinstance(source, CellOutput):
        return source.cell
    return name if cell.collects and name in board.states else None


def _without_manifest(board: Board, state: CellState, reason: Reason) -> Reason:
    """The run manifest is stored when the cell starts, so its absence before that is no reason."""
    assert state.inputs is not None, "it has been explained"
    if not state.cell.collects or reason.kind != "input missing" or not reason.detail.startswith("manifest missing"):
        return reason
    stage = state.cell.stage
    document = (stage.name, stage.version, key_params(state.cell.config), input_refs(state.inputs))
    changes = nearest_changes(board.store, document, state.cell.name)
    return Reason(kind="changed" if changes else "first run", key=reason.key, changes=changes)


# ---------------------------------------------------------------------- what it reads is not there


def _blocked(board: Board, cell: Cell, waits: list[str], known: Mapping[str, Why]) -> Why:
    """It waits for cells: which of them are the first cause, why these are not done, and what it changed itself."""
    roots = tuple(dict.fromkeys(root for name in waits for root in _roots(known[name])))
    causes: dict[str, list[str]] = {}
    for root in roots:
        causes.setdefault(_brief(known[root]), []).append(root)
    detail = "; ".join(f"{_some(names)} ({why})" for why, names in causes.items())
    return Why(cell=cell.name, kind="waits", detail=detail, changes=_own_changes(board, cell), because=roots)


def _roots(why: Why) -> tuple[str, ...]:
    """The cells that have to run, or to be mended, first."""
    return why.because if why.kind == "waits" else (why.cell,)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _brief(why: Why) -> str:
    """The reason of a cause, without the causes of its own."""
    return str(replace(why, detail=why.detail.partition("; ")[0]))


def _own_changes(board: Board, cell: Cell) -> tuple[Change, ...]:
    """Parameters and stage version against the earlier record of the cell that is nearest in these."""
    now = _asked(cell.stage.version, key_params(cell.config))
    earlier = [
        (differences(_of_record(record), now), record) for record in board.store.history(cell.stage.name, cell.name)
    ]
    return min(earlier, key=lambda pair: (len(pair[0]), pair[1].name))[0] if earlier else ()


def _of_record(record: Record) -> dict[str, str]:
    return _asked(record.stage_version, record.params)


def _asked(version: int, params: Mapping[str, Any]) -> dict[str, str]:
    return {"stage_version": str(version), **flat_params(params)}
