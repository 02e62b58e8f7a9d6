"""Figure: worst-case recovery against utility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmunl.latex import drawing as d
from vlmunl.latex.extras import Extras
from vlmunl.latex.notes import row_status, words
from vlmunl.latex.results import Interval, ModelRow, Results
from vlmunl.latex.routes_table import scored_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP = 0.135  # inches between labels
_TOP, _BOTTOM, _LEFT = 0.42, 0.40, 0.5
_ROOM = 0.28  # inches between axes and labels, for the leaders


_Point = tuple[ModelRow, Interval, float]


def utility_figure(results: Results, extras: Extras) -> list[Figure]:
    """A good method sits low and to the right. Labels stand in a column of their own, so that none covers another."""
    rows = scored_rows(results)
    shown = [(row, row.wcr.cross_fit) for row in rows if row.wcr and row.wcr.cross_fit and row.utility is not None]
    absent = [row for row in rows if row.is_pending]
    points = [(row, fit, float(row.utility or 0.0)) for row, fit in shown]
    missing = [f"{d.label(row.label)}: {words(row_status(row, results))}" for row in absent]
    labels = d.labels([row.label for row, _ in shown])
    names = {row.name: name for (row, _), name in zip(shown, labels, strict=True)}
    room = 0.13 * len(missing)  # inches below the axes
    height = max(2.4, _TOP + _BOTTOM + _STEP * (len(labels) + 1)) + room
    figure = d.blank(d.COLUMN, height)
    right = max(d.widest(labels, d.SMALL) + _ROOM, 0.3) + 0.06
    axes = d.place(figure, left=_LEFT, right=right, top=_TOP, bottom=_BOTTOM + room)
    axes.set_ylim(*d.recovery_limits([fit for _, fit, _ in points], -0.15, 1.1))
    for row, fit, utility in points:
        _point(axes, utility, fit, row)
    _frame(axes, results, [utility for *_, utility in points])
    _labels(axes, points, names, height)
    for i, text in enumerate(missing):
        figure.text(0.03, (0.05 + 0.13 * i) / height, text, size=d.SMALL, style="italic", color=d.GREY)
    _key(figure, [row for row, _ in shown])
    return [figure]


def _point(axes: Axes, utility: float, fit: Interval, row: ModelRow) -> None:
    look = d.look(row.verdict)
    if fit.low is not None and fit.high is not None:
        axes.plot([utility] * 2, [fit.low, fit.high], color=look.edge, lw=0.8, zorder=2)
        least, most = axes.get_ylim()
        for end, cut, arrow in ((least, fit.low < least, "v"), (most, fit.high > most, "^")):
            if cut:
                axes.plot([utility], [end], arrow, color=look.edge, ms=2.5, zorder=2, clip_on=False)
    axes.plot(
        [utility], [fit.estimate], look.marker, mfc=look.face, mec=look.edge, ms=5, mew=0.8, zorder=3, clip_on=False
    )


def _frame(axes: Axes, results: Results, utilities: list[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    floor, tolerance = results.thresholds.get("utility_floor"), results.thresholds.get("tolerance")
    low = min([*utilities, 0.7 if floor is None else floor - 0.1])
    axes.set_xlim(low - 0.04, 1.03)
    axes.axhline(0, color=d.GREY, lw=0.6, zorder=0)
    if floor is not None:
        axes.axvspan(low - 0.04, floor, color="#f0f0f0", lw=0, zorder=-1)
        axes.axvline(floor, color=d.GREY, lw=0.6, ls="--", zorder=0)
    if tolerance is not None:
        axes.axhline(tolerance, color=d.GREY, lw=0.6, ls=":", zorder=0)
    axes.set_xlabel("utility (shaded: below the floor)")
    against = "" if results.calibration == "gold" else f" over {results.calibration}"
    axes.set_ylabel(f"WCR{against} (dotted: tolerance)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _labels(axes: Axes, points: list[_Point], names: dict[str, str], height: float) -> None:
    """Names at the right, in the order of their points, pushed apart, each tied to its point by a thin line."""
    bottom, top = axes.get_ylim()
    inches = axes.get_position().height * height
    ordered = sorted(points, key=lambda point: (point[1].estimate, point[0].name))
    levels = spread([fit.estimate for _, fit, _ in ordered], _STEP * (top - bottom) / inches, bottom, top)
    right, width = axes.get_xlim()[1], axes.get_xlim()[1] - axes.get_xlim()[0]
    across = axes.get_position().width * d.COLUMN
    elbow = right + 0.05 * width / across
    text = right + _ROOM * width / across
    for (row, fit, utility), level in zip(ordered, levels, strict=True):
        xs, ys = [utility, elbow, text - 0.03 * width / across], [fit.estimate, fit.estimate, level]
        axes.plot(xs, ys, color="#a0a0a0", lw=0.4, zorder=1, clip_on=False)
        axes.text(text, level, names[row.name], size=d.SMALL, va="center")
    axes.set_xlim(right - width, right)


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending positions close to `wanted`, at least `gap` apart, and within the bounds if they have room."""
    placed: list[float] = []
    for value in wanted:
        placed.append(max([value, low + gap / 2] if not placed else [value, placed[-1] + gap]))
    limit = high - gap / 2
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed


def _key(figure: Figure, rows: list[ModelRow]) -> None:
    from matplotlib.lines import Line2D

    used = [name for name, look in d.LOOKS.items() if any(d.look(row.verdict) == look for row in rows)]
    handles = [
        Line2D([], [], marker=d.LOOKS[n].marker, mfc=d.LOOKS[n].face, mec=d.LOOKS[n].edge, lw=0, ms=5, mew=0.8, label=n)
        for n in used
    ]
    style = {"frameon": False, "fontsize": d.SMALL, "handletextpad": 0.1, "columnspacing": 0.8, "labelspacing": 0.25}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, **style)
