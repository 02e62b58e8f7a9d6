"""The route by model table of calibrated recovery."""

from __future__ import annotations

from vlmunl.latex.cells import constants, interval_cell, missing_cell, titled
from vlmunl.latex.notes import pending_reason, provenance, row_status, wcr_background, wcr_notes, words
from vlmunl.latex.numerals import decimal
from vlmunl.latex.results import AT_INFERENCE, INFERENCE, ModelRow, Results, Route, RouteScore
from vlmunl.latex.table import Cell, Column, Group, Table

_NOTE = (
    "Bold: the model's worst live route. Italics: a dead route, which cannot carry the knowledge (judged on imprint "
    "and {zero} alone) and never enters a maximum. Headroom: accuracy of imprint minus {zero}."
)
_ROUTE_COLUMNS = (
    Column(header="route", fields=("route", "family"), align="left"),
    Column(header="format", fields=("format",), align="left"),
    Column(header="tier", fields=("tier",), align="left"),
    Column(header="status", fields=("state", "held_out"), align="left"),
    Column(header="headroom", fields=("headroom", "headroom_low", "headroom_high"), align="interval"),
)
_NO_SCORE = RouteScore(rho=None, low=None, high=None, accuracy=None)


def scored_rows(results: Results) -> tuple[ModelRow, ...]:
    """Every row with a scale to stand on: gold is the zero itself and is left out."""
    return tuple(row for row in (*results.roles, *results.methods) if row.name != "gold")


def families(results: Results) -> dict[str, tuple[Route, ...]]:
    """Routes by family, both in catalogue order."""
    groups: dict[str, list[Route]] = {}
    for route in results.routes:
        groups.setdefault(route.family, []).append(route)
    return {family: tuple(routes) for family, routes in groups.items()}


def routes_table(results: Results) -> Table:
    """One line per route, one column per model; each model's worst live route is strong, dead routes are faint."""
    rows = scored_rows(results)
    return Table(
        name="routes",
        title=titled(results, "calibrated recovery by route"),
        columns=(*_ROUTE_COLUMNS, *(_model_column(row, results) for row in rows)),
        groups=tuple(
            Group(title=_heading(family, routes), rows=tuple(_route_line(route, rows, results) for route in routes))
            for family, routes in families(results).items()
        ),
        notes=(_NOTE.format(zero=results.calibration), *wcr_notes(results)),
        background=wcr_background(results),
        constants=constants(results),
        provenance=provenance(results),
    )


def _heading(family: str, routes: tuple[Route, ...]) -> str:
    """A family of one route of the same name needs no heading."""
    return "" if [route.id for route in routes] == [family] else family


def _model_column(row: ModelRow, results: Results) -> Column:
    fields = tuple(f"{row.name}.{field}" for field in ("rho", "low", "high", "accuracy"))
    note = AT_INFERENCE.capitalize() if row.group == INFERENCE else ""
    note = f"{words(row_status(row, results))}: {pending_reason(row, results)}" if row.is_pending else note
    return Column(header=row.label.replace(" ", "\n"), fields=fields, note=note)


def route_state(route: Route, results: Results) -> str:
    """`live` or `dead`; without a verified seed nothing is judged and the state is that of the seeds.

    A route that the benchmark could not be asked by is `not-asked`, one that no fact is left for is `not-judged`.
    """
    if route.not_asked:
        return "not-asked"
    if not results.seedless and (route.unjudged or route.headroom is None):
        return "not-judged"
    return results.seedless or ("live" if route.live else "dead")


def why_of_no_use(route: Route, results: Results) -> str:
    """The reason why there is nothing to tell of such a route; empty for others."""
    if not of_no_use(route_state(route, results)):
        return ""
    return route.not_asked or route.unjudged or f"the format {route.format} passed no gate"


def of_no_use(state: str) -> bool:
    """Is there no figure of such a route, and never will be?"""
    return state in ("not-asked", "not-judged")


def _route_line(route: Route, rows: tuple[ModelRow, ...], results: Results) -> tuple[Cell, ...]:
    state = route_state(route, results)
    shown = words(state) + (", held out" if route.held_out else "")
    unjudged = (bool(results.seedless) or of_no_use(state)) and route.headroom is None
    return (
        Cell(text=route.id, raw=(route.id, route.family)),
        Cell(text=route.format, raw=(route.format,)),
        Cell(text=route.tier, raw=(route.tier,)),
        Cell(
            text=shown,
            raw=(state, int(route.held_out)),
            emphasis="plain" if state == "live" else "faint",
            note=f"{words(state).capitalize()}: {why}" if (why := why_of_no_use(route, results)) else "",
        ),
        missing_cell(state, _ROUTE_COLUMNS[-1]) if unjudged else interval_cell(route.headroom),
        *(_score_cell(row, route, results) for row in rows),
    )


def _score_cell(row: ModelRow, route: Route, results: Results) -> Cell:
    if row.is_pending:
        return missing_cell(row_status(row, results), _model_column(row, results))
    score = row.routes.get(route.id, _NO_SCORE)
    if score.rho is None and of_no_use(state := route_state(route, results)):
        return missing_cell(state, _model_column(row, results))
    worst = route.id in row.worst_routes
    return Cell(
        text=decimal(score.rho),
        raw=(score.rho, score.low, score.high, score.accuracy),
        emphasis="strong" if worst else "plain" if route.live else "faint",
    )
