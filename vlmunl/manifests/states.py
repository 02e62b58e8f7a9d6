"""What each cell of a plan is just now, derived from the store. Nothing of this is ever stored.

A `Board` settles the cells in the plan's order, each from the cells it needs; when one changes, `update`
settles again only what depends on it. What reads the run manifest depends on every cell, and is settled when it is
asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from vlmunl.collector import collector_paused
from vlmunl.errors import StoreDamaged
from vlmunl.keys import digest_bytes, spelt_params
from vlmunl.manifests.gate import GateVerdict, gate_verdict
from vlmunl.manifests.plan import Cell, CellOutput, Plan
from vlmunl.manifests.run_manifest import manifest_bytes
from vlmunl.stage import External, Reason, cell_key, explain
from vlmunl.stages.configs import GatePolicy
from vlmunl.store import Record, Ref, Store

Status = Literal["verified", "pending", "failed-gate", "failed", "excluded"]
Inputs = Mapping[str, Ref | External]


@dataclass(frozen=True, kw_only=True)
class CellState:
    """One cell's state and why.

    `key` and `inputs` are known once everything it reads is there; `ready` says that it could run now.
    `record` is the evidence of a verified (or, for a gate, failed-gate) cell, the last error of a failed one.
    """

    cell: Cell
    status: Status
    reason: str = ""
    key: str | None = None
    inputs: Inputs | None = None
    ready: bool = False
    record: Record | None = None
    gate: GateVerdict | None = None

    @property
    def done(self) -> bool:
        """Has it a result, whatever the verdict?"""
        return self.record is not None and self.record.outcome == "ok"

    def output(self, name: str) -> Ref:
        """The content address of one output of a cell that is done."""
        assert self.record is not None, "only asked of cells that are done"
        return self.record.outputs[name]


class Board:
    """The states of all cells of a plan. `forced` cells count as not done until `update` names them."""

    def __init__(self, plan: Plan, store: Store, forced: Collection[str] = ()) -> None:
        self.plan = plan
        self.store = store
        self.forced = set(forced)
        self.order = {cell.name: i for i, cell in enumerate(plan.cells)}
        self.late = frozenset(_late(plan.cells))
        """What reads the run manifest, directly or through another cell."""
        self._excluded = {e.cell: e.reason for e in plan.study.evidence.exclude}
        self._policy: GatePolicy = plan.study.gate.policy()
        self._dependents = _dependents(plan.cells)
        self._spelt: dict[int, bytes] = {}  # parameters of configs, many of which are one object
        self._parts: dict[tuple[int, int], bytes] = {}  # and of their parts
        self._manifest: bytes | None = None
        self._stale = True
        self._states: dict[str, CellState] = {}
        with collector_paused():
            for cell in plan.cells:
                if cell.name not in self.late:
                    self._states[cell.name] = self._settle(cell)

    @property
    def states(self) -> Mapping[str, CellState]:
        """Cell -> its state, in the order of work."""
        if self._stale:
            self._stale = False
            for cell in self.plan.cells:
                if cell.name in self.late:
                    self._states[cell.name] = self._settle(cell)
        return self._states

    def __getitem__(self, name: str) -> CellState:
        return self.states[name] if name in self.late else self._states[name]

    def update(self, name: str) -> list[CellState]:
        """Look at a cell's records again; returns the states that changed, its own and those that follow from it.

        What reads the run manifest is among them only if `name` does.
        """
        self.forced.discard(name)
        old = self[name]
        if old.key is not None:
            self.store.refresh(old.key)
        self._manifest, self._stale = None, True
        if name in self.late:
            before = {n: self._states[n] for n in self.late}
            return [self.states[n] for n in sorted(self.late, key=self.order.__getitem__) if self[n] != before[n]]
        changed = []
        for follower in self._following(name):
            settled = self._settle(self.plan.by_name[follower])
            if settled != self._states[follower]:
                changed.append(settled)
            self._states[follower] = settled
        return changed

    def _following(self, name: str) -> list[str]:
        """The cell and the evidence that depends on it, in the order of work."""
        affected, queue = {name}, [name]
        while queue:
            new = [n for n in self._dependents[queue.pop()] if n not in affected | self.late]
            affected.update(new)
            queue += new
        return sorted(affected, key=self.order.__getitem__)

    def manifest(self) -> bytes:
        """The run manifest of the evidence as it is now."""
        if self._manifest is None:
            with collector_paused():
                self._manifest = manifest_bytes(self.plan, {c.name: self._states[c.name] for c in self.plan.evidence})
        return self._manifest

    def explain(self, name: str) -> Reason | None:
        """Why a cell is a hit or would run; None while what it reads is not there."""
        state = self[name]
        if state.inputs is None:
            return None
        forced = name in self.forced
        return explain(state.cell.stage, state.cell.config, state.inputs, self.store, cell=name, force=forced)

    def running(self) -> dict[str, str]:
        """Cell -> "machine pid" of what some process, here or elsewhere, is working on."""
        claims = self.store.running()
        return {n: claims[s.key] for n, s in self.states.items() if s.ready and s.key in claims}

    # --------------------------------------------------------------------------------------------

    def _settle(self, cell: Cell) -> CellState:
        if cell.name in self._excluded:
            return CellState(cell=cell, status="excluded", reason=self._excluded[cell.name])
        blocked = self._blocked(cell)
        if blocked is not None:
            return blocked
        inputs = self._inputs(cell)
        if id(cell.config) not in self._spelt:
            self._spelt[id(cell.config)] = spelt_params(cell.config, self._parts)
        key = cell_key(cell.stage, cell.config, inputs, self._spelt[id(cell.config)])
        record = None if cell.name in self.forced else self.store.best(key)
        if record is None:
            return self._undone(cell, key, inputs)
        if lost := set(cell.stage.outputs) - set(record.outputs):
            raise _strange(record, f"names no output {min(lost)!r}")
        if cell.stage.name == "gate":
            return self._judged(cell, key, inputs, record)
        return CellState(cell=cell, status="verified", key=key, inputs=inputs, record=record)

    def _blocked(self, cell: Cell) -> CellState | None:
        """The state of a cell whose upstream does not let it run; None if nothing is in its way."""
        for name in cell.needs:
            above = self._states[name]
            if above.status == "verified":
                continue
            if above.status == "excluded":
                return CellState(cell=cell, status="excluded", reason=f"needs {name}, which is excluded")
            if above.status == "failed-gate":
                return CellState(cell=cell, status="failed-gate", reason=above.reason)
            verb = "which failed" if above.status == "failed" else "which is not done"
            return CellState(cell=cell, status="pending", reason=f"needs {name}, {verb}")
        return None

    def _inputs(self, cell: Cell) -> dict[str, Ref | External]:
        inputs: dict[str, Ref | External] = {}
        for name, source in cell.inputs.items():
            inputs[name] = self._states[source.cell].output(source.output) if isinstance(source, CellOutput) else source
        if cell.collects:
            inputs["manifest"] = Ref.of(digest_bytes(self.manifest()))
            for name, state in self._states.items():
                if state.cell.reported and state.status == "verified":
                    inputs[name] = state.output("rows")
        if "curve/*" in cell.stage.inputs:
            for name, state in self._states.items():
                if state.status == "verified" and "curve" in state.cell.stage.outputs:
                    inputs[f"curve/{name}"] = state.output("curve")
        return inputs

    def _undone(self, cell: Cell, key: str, inputs: Inputs) -> CellState:
        """Not run yet, or failed when it was last run; either way it could run now."""
        for name in self.store.names(key):
            if name.outcome == "error" and cell.name not in self.forced:
                try:
                    record = self.store.load(name)
                except StoreDamaged:
                    continue
                reason = " ".join((record.error or "").split())
                return CellState(
                    cell=cell, status="failed", reason=reason, key=key, inputs=inputs, ready=True, record=record
                )
        open_cells = sum(self._states[c.name].status == "pending" for c in self.plan.evidence) if cell.collects else 0
        reason = f"{open_cells} cells are not done" if open_cells else "not run yet"
        return CellState(cell=cell, status="pending", reason=reason, key=key, inputs=inputs, ready=True)

    def _judged(self, cell: Cell, key: str, inputs: Inputs, record: Record) -> CellState:
        try:
            verdict = gate_verdict(record.metrics, self._policy)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise _strange(record, f"holds no measurements of a gate ({ascii(error)[:80]})") from None
        status: Status = "verified" if verdict.passed else "failed-gate"
        reason = "" if verdict.passed else verdict.reason
        return CellState(cell=cell, status=status, reason=reason, key=key, inputs=inputs, record=record, gate=verdict)


def _strange(record: Record, what: str) -> StoreDamaged:
    """The error for a record that is as it was written, and was not written by this stage."""
    return StoreDamaged(f"record {record.name.file} {what}", "delete the file; its cell will run again")


def _dependents(cells: tuple[Cell, ...]) -> dict[str, list[str]]:
    """Cell -> the cells that directly need it."""
    followers: dict[str, list[str]] = {cell.name: [] for cell in cells}
    for cell in cells:
        for name in cell.needs:
            followers[name].append(cell.name)
    return followers


def _late(cells: tuple[Cell, ...]) -> set[str]:
    """The cells that read the run manifest, and those that need one of them."""
    late: set[str] = set()
    for cell in cells:
        if cell.collects or late & set(cell.needs):
            late.add(cell.name)
    return late
