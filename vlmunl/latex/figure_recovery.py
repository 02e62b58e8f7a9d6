"""Figure: canonical recovery against the worst route, one line per model."""

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

_STEP = 0.215  # inches between lines
_TOP, _BOTTOM = 0.42, 0.40
_ROUTE = 17  # characters
_MOST = 36  # lines on one page
_CANONICAL, _WORST = d.Look("o", "white", "#0072b2"), d.Look("D", "#d55e00", "#7a3600")


def recovery_figure(results: Results, extras: Extras) -> list[Figure]:
    """Open circle: canonical. Diamond: WCR (cross-fit). Bar: its simultaneous lower bound. All with intervals."""
    rows = scored_rows(results)
    parts = max(1, -(-len(rows) // _MOST))
    size = -(-len(rows) // parts) or 1
    scale = _limits(rows)
    return [_part(rows[i : i + size], results, scale) for i in range(0, max(len(rows), 1), size)]


def _limits(rows: tuple[ModelRow, ...]) -> tuple[float, float]:
    """One scale for all parts."""
    shown = [i for row in rows for i in (row.canonical, row.wcr.cross_fit if row.wcr else None) if i]
    return d.recovery_limits(shown, -0.12, 1.05)


def _part(rows: tuple[ModelRow, ...], results: Results, scale: tuple[float, float]) -> Figure:
    names = d.labels([row.label for row in rows])
    routes = [d.label(row.wcr.worst_route, _ROUTE) if row.wcr else "" for row in rows]
    figure = d.blank(d.COLUMN, _TOP + _BOTTOM + _STEP * max(len(rows), 1))
    left = d.widest(names) + 0.13
    right = max(d.widest(routes, d.SMALL), d.text_width("worst route", d.SMALL)) + 0.08
    axes = d.place(figure, left=left, right=right, top=_TOP, bottom=_BOTTOM)
    axes.set_xlim(*scale)
    for y, (row, route) in enumerate(zip(rows, routes, strict=True)):
        _line(axes, y, row, route, results)
    _frame(axes, rows, names, results.calibration)
    _key(axes, len(rows))
    return figure


def _line(axes: Axes, y: int, row: ModelRow, route: str, results: Results) -> None:
    outside = axes.get_yaxis_transform()
    if row.is_pending:
        text = axes.text(0.5, y, words(row_status(row, results)), ha="center", va="center", transform=outside)
        text.set(style="italic", color=d.GREY)
        return
    worst = row.wcr.cross_fit if row.wcr else None
    if row.canonical and worst:
        axes.plot(
            [row.canonical.estimate, worst.estimate], [y, y], color=d.PALE, lw=3.2, zorder=1, solid_capstyle="butt"
        )
    _point(axes, y - 0.14, row.canonical, _CANONICAL)
    _point(axes, y + 0.14, worst, _WORST)
    if row.wcr and row.wcr.lower is not None:
        axes.plot([row.wcr.lower] * 2, [y - 0.02, y + 0.30], color=d.INK, lw=1.4, zorder=3)
    axes.text(1.0, y, " " + route, va="center", size=d.SMALL, transform=outside)


def _point(axes: Axes, y: float, interval: Interval | None, look: d.Look) -> None:
    if interval is None:
        return
    if interval.low is not None and interval.high is not None:
        axes.plot([interval.low, interval.high], [y, y], color=look.edge, lw=0.9, zorder=2)
        least, most = axes.get_xlim()
        for end, cut, arrow in ((least, interval.low < least, "<"), (most, interval.high > most, ">")):
            if cut:
                axes.plot([end], [y], arrow, color=look.edge, ms=2.5, zorder=2, clip_on=False)
    axes.plot(
        [interval.estimate], [y], look.marker, mfc=look.face, mec=look.edge, ms=4.2, mew=0.8, zorder=4, clip_on=False
    )


def _frame(axes: Axes, rows: tuple[ModelRow, ...], names: list[str], zero: str) -> None:
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for x, dashes in ((0.0, "-"), (1.0, ":")):
        axes.axvline(x, color=d.GREY, lw=0.6, ls=dashes, zorder=0)
    references = sum(row.name in ("base", "imprint", "placebo") for row in rows)
    if 0 < references < len(rows):
        axes.axhline(references - 0.5, color=d.GREY, lw=0.4, zorder=0)
    axes.set_xlabel(f"calibrated recovery (0 {zero}, 1 imprint)")


def _key(axes: Axes, count: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=look.marker, mfc=look.face, mec=look.edge, color=look.edge, lw=0.9, ms=4.2, label=text)
        for look, text in ((_CANONICAL, "canonical"), (_WORST, "worst (WCR)"))
    ]
    handles.append(Line2D([], [], marker="|", color=d.INK, lw=0, ms=6, mew=1.4, label="lower bound"))
    figure = axes.figure
    style = {"frameon": False, "fontsize": d.SMALL, "handletextpad": 0.3, "columnspacing": 0.9, "handlelength": 1.4}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, **style)
    if count:
        axes.text(1.0, -0.62, " worst route", size=d.SMALL, style="italic", transform=axes.get_yaxis_transform())
