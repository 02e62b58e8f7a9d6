"""Figure: calibrated recovery, route by model, as a heat map that also reads in grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmunl.latex import drawing as d
from vlmunl.latex.extras import Extras
from vlmunl.latex.notes import row_status, words
from vlmunl.latex.numerals import decimal
from vlmunl.latex.results import ModelRow, Results, Route
from vlmunl.latex.routes_table import families, route_state, scored_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_STEP, _GAP = 0.148, 0.03  # inches: height of a route, space between families
_NARROW, _WIDE = 0.27, 0.48  # inches: width of a model's column
_PAGE = 7.6  # inches of routes on one page
_REFERENCES = ("base", "imprint", "placebo")
_KEY, _KEY_WIDTH = 0.42, 4.0  # inches below the map, and the least that its words need
_DARK = 0.55  # recovery above which the number is white
_HELD, _DEAD = "\u2605", "\u00d7"


Family = tuple[str, tuple[Route, ...]]


@dataclass(frozen=True)
class _Place:
    """Where everything lies, in inches from the top left corner of the map."""

    rows: tuple[ModelRow, ...]
    routes: tuple[tuple[Route, float], ...]  # with the top of each
    families: tuple[tuple[str, bool, float, float], ...]  # name, held out, top, bottom
    cell: float
    split: int  # columns before the gap between references and methods

    @property
    def height(self) -> float:
        return self.families[-1][3] if self.families else _STEP

    @property
    def width(self) -> float:
        return len(self.rows) * self.cell + self.gap

    @property
    def gap(self) -> float:
        return 0.08 if 0 < self.split < len(self.rows) else 0.0

    def x(self, column: int) -> float:
        return column * self.cell + (self.gap if column >= self.split else 0.0)


def routes_figure(results: Results, extras: Extras) -> list[Figure]:
    """One cell per route and model; the worst live route is framed, dead routes are struck, held-out ones starred.

    Models that do not fit side by side, and routes that do not fit below one another, go to further parts. Routes
    that were not asked are left out, and counted below.
    """
    rows = scored_rows(results)
    groups = _groups(results)
    names = [_family_label(name, routes[0].held_out) for name, routes in groups]
    labels = [_route_label(route, results) for _, routes in groups for route in routes]
    left_route = d.widest(labels, d.SMALL) + 0.1
    left = d.widest(names, d.SMALL) + 0.16 + left_route + 0.04
    columns = max(int((d.PAGE - left - 0.5) / _NARROW), 1)
    return [
        _part(some, below, results, (left, left_route))
        for some in _split(rows, columns)
        for below in _pages(groups) or [[]]
    ]


def _split(rows: tuple[ModelRow, ...], most: int) -> list[tuple[ModelRow, ...]]:
    """Parts of about one size; the references stand in each of them."""
    if len(rows) <= most:
        return [rows]
    roles = tuple(row for row in rows if row.name in _REFERENCES)
    methods = rows[len(roles) :]
    parts = -(-len(methods) // max(most - len(roles), 1))
    size = -(-len(methods) // parts)
    return [roles + methods[i : i + size] for i in range(0, len(methods), size)]


def _pages(groups: list[Family]) -> list[list[Family]]:
    """Families in their order, page by page, about the same height on each."""
    whole = sum(len(routes) * _STEP + _GAP for _, routes in groups)
    limit = whole / max(1, -(-whole // _PAGE)) + 6 * _STEP
    pages: list[list[Family]] = []
    height = 0.0
    for name, routes in groups:
        tall = len(routes) * _STEP + _GAP
        if not pages or height + tall > min(limit, _PAGE):
            pages.append([])
            height = 0.0
        pages[-1].append((name, routes))
        height += tall
    return pages


def _part(rows: tuple[ModelRow, ...], groups: list[Family], results: Results, margins: tuple[float, float]) -> Figure:
    heads, (left, left_route) = d.labels([row.label for row in rows]), margins
    top = max(d.widest(heads, d.SMALL) * 0.87 + 0.2, 0.3)
    place = _lay(groups, rows, (d.PAGE - left - 0.5) / max(len(rows), 1))
    slope = d.widest(heads, d.SMALL) * 0.5 + 0.1  # the last slanted heading stands out to the right
    width = max(left + place.width + slope, _KEY_WIDTH)
    figure = d.blank(width, top + place.height + _KEY)
    axes = d.place(figure, left=left, right=width - left - place.width, top=top, bottom=_KEY)
    axes.set(xlim=(0, place.width), ylim=(place.height, 0))
    axes.axis("off")
    _heads(axes, place, heads)
    _families(axes, place, left, left_route)
    for route, y in place.routes:
        axes.text(-0.06, y + _STEP / 2, _route_label(route, results), ha="right", va="center", size=d.SMALL)
        for column, row in enumerate(place.rows):
            _cell(axes, place.x(column), y, place.cell, row, route, results)
    for column, row in enumerate(rows):
        if row.is_pending:
            _pending(axes, place, column, words(row_status(row, results)))
    _key(figure, width, results)
    return figure


def _lay(placed: list[Family], rows: tuple[ModelRow, ...], cell: float) -> _Place:
    """Families in catalogue order, tier by tier, in each those that were held out together at the end."""
    y, routes, groups = 0.0, [], []
    for i, (name, members) in enumerate(placed):
        before = placed[i - 1][1][0] if i else members[0]
        if before.tier != members[0].tier:
            y += 4 * _GAP
        elif members[0].held_out and not before.held_out:
            y += 2 * _GAP
        start = y
        for route in members:
            routes.append((route, y))
            y += _STEP
        groups.append((name, members[0].held_out, start, y))
        y += _GAP
    split = sum(row.name in _REFERENCES for row in rows)
    width = min(max(cell, _NARROW), _WIDE)
    return _Place(rows=rows, routes=tuple(routes), families=tuple(groups), cell=width, split=split)


def _groups(results: Results) -> list[Family]:
    """Families with their routes that were asked; with more tiers than one the routes of each tier, and its name."""
    asked = {
        name: kept for name, some in families(results).items() if (kept := tuple(r for r in some if not r.not_asked))
    }
    if not results.further:
        return sorted(asked.items(), key=lambda family: family[1][0].held_out)
    made: list[Family] = []
    for tier in sorted({route.tier for route in results.routes}):
        parts = [(name, tuple(r for r in some if r.tier == tier)) for name, some in asked.items()]
        known = sorted((part for part in parts if part[1]), key=lambda part: part[1][0].held_out)
        made += [(f"{tier} {name}", some) for name, some in known]
    return made


def _route_label(route: Route, results: Results) -> str:
    dead = {"dead": f"{_DEAD} ", "not-judged": "? "}.get(route_state(route, results), "")
    return dead + d.label(route.id, 22)


def _family_label(name: str, held_out: bool) -> str:
    return (f"{_HELD} " if held_out else "") + d.label(name, 16)


def _heads(axes: Axes, place: _Place, heads: list[str]) -> None:
    for column, text in enumerate(heads):
        x = place.x(column) + place.cell / 2
        axes.text(x, -0.05, text, rotation=60, rotation_mode="anchor", ha="left", va="center", size=d.SMALL)


def _families(axes: Axes, place: _Place, left: float, left_route: float) -> None:
    for name, held_out, top, bottom in place.families:
        x = -left_route - 0.03
        axes.plot([x, x], [top + 0.015, bottom - 0.015], color=d.INK if held_out else d.GREY, lw=1.0, clip_on=False)
        weight = "bold" if held_out else "normal"
        text = _family_label(name, held_out)
        axes.text(-left + 0.04, (top + bottom) / 2, text, va="center", size=d.SMALL, weight=weight, color=d.INK)


def _cell(axes: Axes, x: float, y: float, width: float, row: ModelRow, route: Route, results: Results) -> None:
    from matplotlib.patches import Rectangle

    score = row.routes.get(route.id)
    rho = score.rho if score else None
    state = route_state(route, results)
    dead, judged = state == "dead", state != "not-judged"
    worst = route.id in row.worst_routes
    face = "white" if rho is None or dead else _colours()(min(max(rho, 0.0), 1.0))
    box = Rectangle((x, y), width, _STEP, facecolor=face, edgecolor="#e4e4e4", lw=0.4)
    if dead or rho is None:
        box.set(hatch="//////" if dead else None, edgecolor=d.PALE)
    axes.add_patch(box)
    if rho is None:
        if not row.is_pending and judged:
            axes.text(x + width / 2, y + _STEP / 2, decimal(None), ha="center", va="center", size=6, color=d.GREY)
        return
    ink = d.GREY if dead else "white" if rho > _DARK else d.INK
    kind: dict[str, Any] = {"weight": "bold" if worst else "normal", "style": "italic" if dead else "normal"}
    text = d.signed(decimal(rho))
    axes.text(x + width / 2, y + _STEP / 2 + 0.004, text, ha="center", va="center", size=6, color=ink, **kind)
    if worst:
        inner = (x + 0.008, y + 0.008), width - 0.016, _STEP - 0.016
        axes.add_patch(Rectangle(*inner, fill=False, edgecolor="#d55e00", lw=1.3, zorder=3))


def _pending(axes: Axes, place: _Place, column: int, status: str) -> None:
    from matplotlib.patches import Rectangle

    x = place.x(column)
    axes.add_patch(Rectangle((x, 0), place.cell, place.height, facecolor="#f4f4f4", edgecolor=d.PALE, lw=0.5, zorder=2))
    middle = x + place.cell / 2, place.height / 2
    axes.text(*middle, status, rotation=90, ha="center", va="center", style="italic", color=d.GREY, zorder=3)


def _colours() -> Colormap:
    """White to dark blue: lightness alone tells the value, in grey and to every eye."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("recovery", ["#ffffff", "#b7cfe6", "#4f86bd", "#173a6b", "#081d3f"])


def _key(figure: Figure, width: float, results: Results) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    height = float(figure.get_size_inches()[1])
    bar = figure.add_axes((0.16 / width, 0.24 / height, 0.9 / width, 0.08 / height))
    figure.colorbar(ScalarMappable(Normalize(0, 1), _colours()), cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
    bar.tick_params(labelsize=6, length=2, pad=1)
    bar.set_xticklabels(["\u2264 0", ".5", "\u2265 1"])
    zero, lost = results.calibration, sum(bool(route.not_asked) for route in results.routes)
    lines = (
        "bold and framed: the model's worst live route" + (f"   {lost} routes not asked" if lost else ""),
        f"{_DEAD} hatched: dead route   {_HELD} held out   ? not judged" + ("" if zero == "gold" else f"   0: {zero}"),
    )
    for i, text in enumerate(lines):
        figure.text(1.24 / width, (0.25 - 0.13 * i) / height, text, size=d.SMALL)
