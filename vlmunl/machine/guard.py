"""What is too heavy for a login node, which many people share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlmunl.errors import MissingInput, UsageError
from vlmunl.machine.fit import work_of
from vlmunl.manifests.cells import Cell
from vlmunl.models.shapes import shape_of
from vlmunl.stage_types import External

LARGEST = 100_000_000
"""Weights of a model that may compute on a login node; the embedded one has two million."""


def refuse_heavy(cells: Iterable[Cell], typed: str) -> None:
    """Call where these cells would run on a login node. `typed` is how the study is named on the command line.

    Raises:
        UsageError: one of them loads a model of more than `LARGEST` weights; it names the remedies.
    """
    heavy = [cell for cell in cells if work_of(cell.config) is not None]
    places = {given.path for cell in heavy for given in cell.inputs.values() if isinstance(given, External)}
    largest = max(map(weights_of, places), default=0)
    if largest <= LARGEST:
        return
    raise UsageError(
        f"{len(heavy)} cells with a model of {largest / 1e9:.2g} billion weights would run on this login node "
        "(Slurm is here, and no job around this process)",
        f"as Slurm jobs: vlmunl submit {typed}; or here all the same: --here",
    )


def weights_of(folder: Path) -> int:
    """Weights of a model by the headers of its files, else by their size at two bytes each; 0 if there is nothing."""
    try:
        return shape_of(folder).parameters
    except MissingInput:
        try:
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 2
        except OSError:
            return 0
