"""Figure: the smallest recovery that could be seen, by the number of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlmunl.latex import drawing as d
from vlmunl.latex.extras import Extras
from vlmunl.latex.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def power_figure(results: Results, extras: Extras) -> list[Figure]:
    """Line: the median live route; band: from the easiest to the hardest tenth of them; ring: this study."""
    figure = d.blank(d.COLUMN, 2.0)
    axes = d.place(figure, left=0.5, right=0.16, top=0.12, bottom=0.42)
    power = extras.power
    if not power:
        text = axes.text(0.5, 0.5, "no placebo has been measured", ha="center", va="center", transform=axes.transAxes)
        text.set(style="italic", color=d.GREY)
        axes.axis("off")
        return [figure]
    curve = list(power["curve"])
    _band(axes, curve)
    known = [point for point in curve if point["recovery"] is not None]
    axes.plot([p["people"] for p in known], [p["recovery"] for p in known], color=d.INK, lw=1.3, label="median route")
    if here := [point for point in known if point["people"] == power["people"]]:
        x, y = here[0]["people"], here[0]["recovery"]
        axes.plot([x], [y], "o", mfc="white", mec="#d55e00", mew=1.4, ms=6, zorder=4, label=f"this study: {x} people")
    _frame(axes, results, curve, power)
    return [figure]


def _band(axes: Axes, curve: list[dict[str, Any]]) -> None:
    whole = [point for point in curve if point["low"] is not None]
    high = [1.0 if point["high"] is None else point["high"] for point in whole]
    axes.fill_between(
        [p["people"] for p in whole], [p["low"] for p in whole], high, color=d.PALE, lw=0, label="10th to 90th route"
    )


def _frame(axes: Axes, results: Results, curve: list[dict[str, Any]], power: Any) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log", base=2)
    ticks = [4, 8, 16, 32, 64, 128, 256]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlim(curve[0]["people"], curve[-1]["people"])
    axes.set_ylim(0, 1.0)
    if (tolerance := results.thresholds.get("tolerance")) is not None:
        axes.axhline(tolerance, color=d.GREY, lw=0.6, ls=":", zorder=0)
    axes.set_xlabel("people to forget (dotted: tolerance)")
    axes.set_ylabel(f"recovery seen at {power['power']:.0%} power")
    axes.legend(frameon=False, fontsize=d.SMALL, loc="upper right", handlelength=1.6, borderaxespad=0.1)
