"""The figures of a study, each as vector PDF and PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlmunl.latex import drawing
from vlmunl.latex.figure_recovery import recovery_figure
from vlmunl.latex.figure_routes import routes_figure
from vlmunl.latex.figure_utility import utility_figure
from vlmunl.latex.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: Mapping[str, Callable[[Results], Figure]] = {
    "figure_recovery": recovery_figure,
    "figure_routes": routes_figure,
    "figure_utility": utility_figure,
}


def write_figure(name: str, results: Results, folder: Path) -> tuple[Path, Path]:
    """Draw one figure of `FIGURES` and write its PDF and PNG; equal results give equal bytes."""
    with drawing.style():
        return drawing.save(FIGURES[name](results), folder, name)
