"""Figure: what the imprint learned over gold, by seed and answer format, against the gate's threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmunl.latex import drawing as d
from vlmunl.latex.extras import Extras
from vlmunl.latex.notes import words
from vlmunl.latex.results import GateFormat, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP, _TOP, _BOTTOM = 0.2, 0.24, 0.38
_LOOKS = {
    "passed": d.Look("o", "#0072b2", "#00405f"),
    "failed": d.Look("X", "#d55e00", "#7a3600"),
    "uninformative": d.Look("s", "white", d.GREY),
}


def gate_figure(results: Results, extras: Extras) -> list[Figure]:
    """A mark per format for the headroom, a line down to its one-sided lower bound; dashed: what it must exceed."""
    lines = [(seed, gate) for seed in results.seeds for gate in (seed.gate or (None,))]
    several = len(results.seeds) > 1
    names = [
        f"seed {seed.seed}" + (f", {gate.format}" if gate else "") if several or gate is None else gate.format
        for seed, gate in lines
    ]
    verdicts = [gate.verdict if gate else words(seed.status) for seed, gate in lines]
    figure = d.blank(d.COLUMN, _TOP + _BOTTOM + _STEP * max(len(lines), 1))
    left, right = d.widest(names) + 0.14, d.widest(verdicts, d.SMALL) + 0.12
    axes = d.place(figure, left=left, right=right, top=_TOP, bottom=_BOTTOM)
    for y, ((seed, gate), verdict) in enumerate(zip(lines, verdicts, strict=True)):
        outside = axes.get_yaxis_transform()
        axes.text(1.02, y, verdict, va="center", size=d.SMALL, transform=outside)
        if gate is not None:
            _line(axes, y, gate)
        else:
            text = words(seed.status)
            axes.text(0.5, y, text, ha="center", va="center", transform=outside, style="italic", color=d.GREY)
    _frame(axes, results, names)
    return [figure]


def _line(axes: Axes, y: int, gate: GateFormat) -> None:
    if gate.headroom is None:
        return
    look = _LOOKS.get(gate.verdict, _LOOKS["uninformative"])
    low = gate.headroom.low
    if low is not None:
        axes.plot([low, gate.headroom.estimate], [y, y], color=look.edge, lw=1.1, zorder=2)
        axes.plot([low, low], [y - 0.2, y + 0.2], color=look.edge, lw=1.1, zorder=2)
    axes.plot([gate.headroom.estimate], [y], look.marker, mfc=look.face, mec=look.edge, ms=5, mew=0.8, zorder=3)


def _frame(axes: Axes, results: Results, names: list[str]) -> None:
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    lows = [g.headroom.low for s in results.seeds for g in s.gate if g.headroom and g.headroom.low is not None]
    axes.set_xlim(min([0.0, *lows]) - 0.03, 1.04)
    axes.axvline(0, color=d.GREY, lw=0.6, zorder=0)
    if (least := results.gate_minimum) is not None:
        axes.axvline(least, color=d.INK, lw=0.8, ls="--", zorder=0)
        axes.text(
            least, 1.01, f"must exceed {d.signed(f'{least:g}')}", size=d.SMALL, transform=axes.get_xaxis_transform()
        )
    axes.set_xlabel(f"headroom over {results.calibration}, with lower bound")
