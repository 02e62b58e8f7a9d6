"""Figure: the likelihoods in training, one panel per model, on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlmunl.latex import drawing as d
from vlmunl.latex.extras import Curve, Extras
from vlmunl.latex.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS, _DOWN = 4, 6
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 1.36, 0.88, 0.22, 0.36
_LEFT, _TOP, _BOTTOM = 0.5, 0.48, 0.42
_LINES = (  # field, name, colour, dashes, in which order they lie
    ("forget_nll", "people to forget", "#d55e00", "-", 3),
    ("retain_nll", "people to keep", "#0072b2", (0, (3, 1.2)), 2),
    ("nll", "taught (imprint and controls)", d.INK, (0, (1, 1)), 1),
)
_FLOOR, _CEILING = 0.01, 30.0


def curves_figure(results: Results, extras: Extras) -> list[Figure]:
    """Negative log-likelihood per answer token against the step, logarithmic; a thin line per seed or trial."""
    panels = list(_panels(results, extras))
    size = _ACROSS * _DOWN
    return [_part(panels[i : i + size]) for i in range(0, max(len(panels), 1), size)]


Panel = tuple[str, tuple[Curve, ...]]


def _panels(results: Results, extras: Extras) -> Iterator[Panel]:
    """Roles first. A model with no training of its own, such as an edit, has no panel."""
    for row in (*results.roles, *results.methods):
        of_row = (f"imprint/{row.name}/", f"unlearn/{row.name}/")
        curves = tuple(c for c in extras.curves if c.cell.startswith(of_row) and c.steps)
        if curves:
            yield row.label, curves


def _part(panels: list[Panel]) -> Figure:
    down = max(1, -(-len(panels) // _ACROSS))
    figure = d.blank(d.PAGE, _TOP + _BOTTOM + down * _HEIGHT + (down - 1) * _GAP_Y)
    height = float(figure.get_size_inches()[1])
    if not panels:
        figure.text(0.5, 0.5, "no training has been done", ha="center", va="center", style="italic", color=d.GREY)
    for i, (name, curves) in enumerate(panels):
        y, x = divmod(i, _ACROSS)
        left = _LEFT + x * (_WIDTH + _GAP_X)
        top = _TOP + y * (_HEIGHT + _GAP_Y)
        axes = d.place(figure, left=left, right=d.PAGE - left - _WIDTH, top=top, bottom=height - top - _HEIGHT)
        _draw(axes, curves)
        _frame(axes, name, first=x == 0)
    if panels:
        figure.text(0.012, 0.5, "NLL per token", rotation=90, va="center", size=d.SMALL)
        figure.text(0.5, 0.06 / height, "step", ha="center", size=d.TEXT)
        _key(figure, panels)
    return figure


def _draw(axes: Axes, curves: tuple[Curve, ...]) -> None:
    width = 1.1 if len(curves) == 1 else 0.7
    for field, _, colour, dashes, order in _LINES:
        for curve in curves:
            points = [(i + 1, float(step[field])) for i, step in enumerate(curve.steps) if field in step]
            if points:
                ys = [min(max(y, _FLOOR), _CEILING) for _, y in points]
                axes.plot([x for x, _ in points], ys, color=colour, ls=dashes, lw=width, zorder=order)


def _frame(axes: Axes, name: str, *, first: bool) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    axes.set_yscale("log")
    axes.set_ylim(_FLOOR, _CEILING)
    axes.yaxis.set_major_locator(FixedLocator([0.01, 0.1, 1, 10]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0.01, 0.1, 1, 10], [".01", ".1", "1", "10"] if first else ["", "", "", ""])
    axes.tick_params(axis="both", labelsize=d.SMALL, length=2, pad=1.5)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    axes.set_title(d.label(name, 22), size=d.TEXT, pad=3)


def _key(figure: Figure, panels: list[Panel]) -> None:
    from matplotlib.lines import Line2D

    used = {field for _, curves in panels for curve in curves for field in curve.steps[0]}
    handles = [
        Line2D([], [], color=colour, ls=dashes, lw=1.2, label=text)
        for field, text, colour, dashes, _ in _LINES
        if field in used
    ]
    style = {"frameon": False, "fontsize": d.SMALL, "handletextpad": 0.5, "columnspacing": 1.4, "handlelength": 2.4}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, **style)
