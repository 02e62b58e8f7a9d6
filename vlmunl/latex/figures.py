"""The figures of a study, each as vector PDF and PNG; one that would not fit on a page comes in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlmunl.latex import drawing
from vlmunl.latex.extras import Extras
from vlmunl.latex.figure_curves import curves_figure
from vlmunl.latex.figure_gate import gate_figure
from vlmunl.latex.figure_power import power_figure
from vlmunl.latex.figure_recovery import recovery_figure
from vlmunl.latex.figure_routes import routes_figure
from vlmunl.latex.figure_utility import utility_figure
from vlmunl.latex.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: Mapping[str, Callable[[Results, Extras], list[Figure]]] = {
    "figure_recovery": recovery_figure,
    "figure_routes": routes_figure,
    "figure_utility": utility_figure,
    "figure_gate": gate_figure,
    "figure_power": power_figure,
    "figure_curves": curves_figure,
}


def write_figure(name: str, results: Results, extras: Extras, folder: Path) -> tuple[Path, ...]:
    """Draw one figure of `FIGURES` and write PDF and PNG of each part (`name`, `name_2`, ...); the files.

    Equal results give equal bytes.
    """
    with drawing.style():
        parts = FIGURES[name](results, extras)
        named = [name if i == 0 else f"{name}_{i + 1}" for i in range(len(parts))]
        return tuple(p for part, file in zip(parts, named, strict=True) for p in drawing.save(part, folder, file))
