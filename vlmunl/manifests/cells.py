"""The words of a plan: a cell, an input that another cell writes, and all cells of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vlmunl.manifests.study import Study
from vlmunl.stage_types import External, Stage

DATA, BASE_EVAL, AGGREGATE, TABLES = "data", "eval/base", "aggregate", "tables"
CHANCE_EVAL = "eval/chance"
STAGES_OF: Mapping[str, tuple[str, ...]] = {
    "imprint": ("data", "imprint"),
    "gate": ("gate",),
    "unlearn": ("probe", "unlearn"),
    "eval": ("eval", "select", "attack", "scout", "search"),
    "aggregate": ("meta", "aggregate"),
    "tables": ("tables",),
}
"""Command -> the stages whose cells it does."""
_COMMANDS = {stage: command for command, stages in STAGES_OF.items() for stage in stages}


@dataclass(frozen=True, kw_only=True)
class CellOutput:
    """An input that another cell of the study writes."""

    cell: str
    output: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One unit of work.

    `row` is the role or method it belongs to. `after_gate` names the gate that must have passed first.
    `collects`: beside `inputs` it reads the run manifest and the rows of every verified cell that is `reported`; a
    stage with an input `curve/*` also reads the training curves of all verified cells.
    """

    name: str
    stage: Stage
    config: Any
    inputs: Mapping[str, CellOutput | External]
    seed: int | None = None
    row: str | None = None
    after_gate: str | None = None
    collects: bool = False
    reported: bool = False

    @property
    def kind(self) -> str:
        """The stage in whose place the cell stands: that of a model made elsewhere, or of chance; else its own."""
        return self.name.partition("/")[0] if self.stage.name in ("checkpoint", "chance") else self.stage.name

    @property
    def command(self) -> str:
        """The command that does it, by itself or with others."""
        return _COMMANDS[self.kind]

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The cells that must be done first, gate included."""
        cells = [i.cell for i in self.inputs.values() if isinstance(i, CellOutput)]
        return tuple(dict.fromkeys([*cells, *([self.after_gate] if self.after_gate else [])]))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a study, each after those it needs. `catalogue` is the hash of the chosen `routes`."""

    study: Study
    cells: tuple[Cell, ...]
    routes: tuple[str, ...]
    catalogue: str

    @cached_property
    def by_name(self) -> Mapping[str, Cell]:
        """Name -> cell."""
        return {cell.name: cell for cell in self.cells}

    @property
    def evidence(self) -> tuple[Cell, ...]:
        """The cells that feed numbers: all but `aggregate` and `tables`."""
        return tuple(cell for cell in self.cells if cell.name not in (AGGREGATE, TABLES))
