"""What each cell of a plan is just now, derived from the store. Nothing of this is ever stored.

A `Board` settles the cells in the plan's order, each from the cells it needs; when one changes, `update`
settles again only what depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from vlmunl.errors import StoreDamaged
from vlmunl.keys import digest_bytes
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
        self.states: dict[str, CellState] = {}
        self.order = {cell.name: i for i, cell in enumerate(plan.cells)}
        self._excluded = {e.cell: e.reason for e in plan.study.evidence.exclude}
        self._policy: GatePolicy = plan.study.gate.policy()
        self.dependents = _dependents(plan.cells)
        self._settle_all(plan.cells)

    def __getitem__(self, name: str) -> CellState:
        return self.states[name]

    def update(self, name: str) -> list[CellState]:
        """Look at a cell's records again; returns the states that changed, its own and those that follow from it."""
        self.forced.discard(name)
        old = self.states[name]
        if old.key is not None:
            self.store.refresh(old.key)
        affected = {name}
        queue = [name]
        while queue:
            for follower in self.dependents[queue.pop()]:
                if follower not in affected:
                    affected.add(follower)
                    queue.append(follower)
        before = dict(self.states)
        self._settle_all(self.plan.by_name[n] for n in sorted(affected, key=self.order.__getitem__))
        return [self.states[n] for n in affected if self.states[n] != before[n]]

    def manifest(self) -> bytes:
        """The run manifest of the evidence as it is now."""
        return manifest_bytes(self.plan, {cell.name: self.states[cell.name] for cell in self.plan.evidence})

    def explain(self, name: str) -> Reason | None:
        """Why a cell is a hit or would run; None while what it reads is not there."""
        state = self.states[name]
        if state.inputs is None:
            return None
        forced = name in self.forced
        return explain(state.cell.stage, state.cell.config, state.inputs, self.store, cell=name, force=forced)

    def running(self) -> dict[str, str]:
        """Cell -> "machine pid" of what some process, here or elsewhere, is working on."""
        claims = self.store.running()
        return {n: claims[s.key] for n, s in self.states.items() if s.ready and s.key in claims}

    # --------------------------------------------------------------------------------------------

    def _settle_all(self, cells: Iterable[Cell]) -> None:
        late: list[Cell] = []  # what reads the run manifest is settled when all evidence is
        for cell in cells:
            if cell.collects or {c.name for c in late} & set(cell.needs):
                late.append(cell)
            else:
                self.states[cell.name] = self._settle(cell)
        for cell in late:
            self.states[cell.name] = self._settle(cell)

    def _settle(self, cell: Cell) -> CellState:
        if cell.name in self._excluded:
            return CellState(cell=cell, status="excluded", reason=self._excluded[cell.name])
        blocked = self._blocked(cell)
        if blocked is not None:
            return blocked
        inputs = self._inputs(cell)
        key = cell_key(cell.stage, cell.config, inputs)
        record = None if cell.name in self.forced else self.store.best(key)
        if record is None:
            return self._undone(cell, key, inputs)
        if cell.stage.name == "gate":
            return self._judged(cell, key, inputs, record)
        return CellState(cell=cell, status="verified", key=key, inputs=inputs, record=record)

    def _blocked(self, cell: Cell) -> CellState | None:
        """The state of a cell whose upstream does not let it run; None if nothing is in its way."""
        for name in cell.needs:
            above = self.states[name]
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
            inputs[name] = self.states[source.cell].output(source.output) if isinstance(source, CellOutput) else source
        if cell.collects:
            inputs["manifest"] = Ref.of(digest_bytes(self.manifest()))
            for name, state in self.states.items():
                if state.cell.stage.name in ("eval", "gate") and state.status == "verified":
                    inputs[name] = state.output("rows")
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
        open_cells = sum(self.states[c.name].status == "pending" for c in self.plan.evidence) if cell.collects else 0
        reason = f"{open_cells} cells are not done" if open_cells else "not run yet"
        return CellState(cell=cell, status="pending", reason=reason, key=key, inputs=inputs, ready=True)

    def _judged(self, cell: Cell, key: str, inputs: Inputs, record: Record) -> CellState:
        verdict = gate_verdict(record.metrics, self._policy)
        status: Status = "verified" if verdict.passed else "failed-gate"
        reason = "" if verdict.passed else verdict.reason
        return CellState(cell=cell, status=status, reason=reason, key=key, inputs=inputs, record=record, gate=verdict)


def _dependents(cells: tuple[Cell, ...]) -> dict[str, list[str]]:
    """Cell -> the cells that directly need it; one that collects needs all the others' evidence."""
    followers: dict[str, list[str]] = {cell.name: [] for cell in cells}
    for cell in cells:
        for name in cell.needs:
            followers[name].append(cell.name)
    for cell in cells:
        if cell.collects:
            after = {cell.name} | {c.name for c in cells if cell.name in c.needs}
            for name in followers:
                if name not in after:
                    followers[name].append(cell.name)
    return followers
