"""Which of the cells that could run goes first: the one with the longest way to the end of the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlmunl.manifests.plan import Cell, Plan

_COST = {
    "data": 0.1, "imprint": 0.3, "gate": 0.3, "probe": 0.2, "unlearn": 0.2, "eval": 0.5, "aggregate": 0.3, "tables": 0.1
}  # fmt: skip
_PER_STEP = 1 / 150


def cost(cell: Cell) -> float:
    """A rough relative cost: trainings by their steps, the rest by what they are."""
    optim = getattr(cell.config, "optim", None)
    return _COST.get(cell.stage.name, 0.3) + _PER_STEP * getattr(optim, "steps", 0)


def priorities(plan: Plan, cost_of: Callable[[Cell], float] = cost) -> Mapping[str, float]:
    """Cell -> cost of the longest chain that starts with it. The run manifest's readers are left out of chains."""
    followers: dict[str, list[str]] = {cell.name: [] for cell in plan.cells}
    for cell in plan.cells:
        for name in cell.needs:
            followers[name].append(cell.name)
    longest: dict[str, float] = {}
    for cell in reversed(plan.cells):  # every cell stands after those it needs
        longest[cell.name] = cost_of(cell) + max((longest[name] for name in followers[cell.name]), default=0.0)
    return longest
