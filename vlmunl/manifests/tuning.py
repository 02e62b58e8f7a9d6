"""`[tuning]`: an equal budget of trials per method, chosen on people and routes that feed no reported figure.

Every method with a grid has exactly `budget` trials at each seed, and one is chosen for each seed. A larger grid is
sampled without replacement, from a stream that `seed` and the method's name fix, so that all seeds of the study try
the same settings; a smaller one would give its method fewer trials than the others and is refused. A method without a
grid is not tuned: it has one trial, its settings as written, and the tables say so.

A section without any grid only sets people aside, for attacks to learn from (`vlmunl.attacks`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlmunl.manifests.known import Known, RouteLike
from vlmunl.manifests.schema import Problem, convert, cut, found, hints, join, read_given, unknown
from vlmunl.manifests.sections_training import MethodPlan, MethodSection, TuningSection
from vlmunl.manifests.study import Study
from vlmunl.rng import Streams

Grid = Mapping[str, tuple[int | float, ...]]
TUNABLE = ("lr", "steps", "warmup", "clip", "batch")
"""What a grid may set of any method, beside the method's own settings."""
_MOST_VALUES = 1000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of a method's grid: the method with its settings put in, and these in words."""

    plan: MethodPlan
    settings: str


def read_tuning(table: object, methods: tuple[MethodPlan, ...]) -> TuningSection | None:
    """The section, each value of a grid checked as it would be in `[methods.NAME]`; None if there is none.

    Raises:
        Problem: a key, a method or a setting is not known, or a method has fewer points than the budget.
    """
    if table is None:
        return None
    own = {key: kind for key, kind in hints(TuningSection).items() if key != "grid"}
    plain = {k: v for k, v in table.items() if k != "grid"} if isinstance(table, dict) else table
    given = read_given(own, plain, "tuning")
    grids = table.get("grid") if isinstance(table, dict) else None
    if grids is None:
        return _set_aside(given)
    if not isinstance(grids, dict) or not grids:
        raise Problem("tuning.grid", "no method has a grid; add for example [tuning.grid.npo] with lr = [1e-3, 2e-3]")
    by_name = {method.name: method for method in methods}
    section = TuningSection(**{**given, "grid": {name: _grid(name, grids[name], by_name) for name in grids}})
    for name, grid in section.grid.items():
        if (points := _size(grid)) < section.budget:
            path = join("tuning.grid", name)
            raise Problem(path, f"has {points} of {section.budget} trials; add values, or lower tuning.budget for all")
    return section


def _set_aside(given: Mapping[str, Any]) -> TuningSection:
    """A section that only sets people aside, for attacks to learn from; what it says of trials would have no effect."""
    for key in given:
        if key != "people":
            raise Problem(
                join("tuning", key), "has no effect without a grid; add [tuning.grid.METHOD], or leave it out"
            )
    if not given:
        raise Problem(
            "tuning", "says nothing; set people = 4 aside, or add [tuning.grid.METHOD] with lr = [1e-3, 2e-3]"
        )
    return TuningSection(**given)


def _grid(name: str, table: object, methods: Mapping[str, MethodPlan]) -> Grid:
    path = join("tuning.grid", name)
    if name not in methods:
        raise Problem(path, unknown("method of this study", name, methods))
    method = methods[name]
    if method.start == "base":
        raise Problem(path, f"{name!r} follows [imprint] and has nothing to tune")
    if not isinstance(table, dict) or not table:
        raise Problem(path, f"expected settings such as lr = [1e-3, 2e-3], found {found(table)}")
    kinds = {**{key: hints(MethodSection)[key] for key in TUNABLE}, **dict.fromkeys(method.params, float)}
    grid: dict[str, tuple[int | float, ...]] = {}
    for key, values in table.items():
        at = join(path, key)
        if key not in kinds:
            raise Problem(at, unknown(f"setting of {name}", key, kinds))
        if key in TUNABLE and not method.recipe.terms:
            raise Problem(at, f"has no effect: {name!r} does not train; try its own settings: {_own(method)}")
        if not isinstance(values, list) or not 1 <= len(values) <= _MOST_VALUES:
            raise Problem(at, f"expected a list of 1 to {_MOST_VALUES} values, found {found(values)}")
        grid[key] = tuple(convert(kinds[key], value, join(at, i)) for i, value in enumerate(values))
        for i, value in enumerate(grid[key]):
            if value in grid[key][:i]:
                raise Problem(join(at, i), f"{value!r} is listed twice; list it once")
    return grid


def _own(method: MethodPlan) -> str:
    return ", ".join(method.params) or "it has none"


def _size(grid: Grid) -> int:
    return math.prod(len(values) for values in grid.values())


def trials(tuning: TuningSection | None, method: MethodPlan) -> tuple[Trial, ...]:
    """The trials of a method, in the grid's order; one, as written, if it has no grid."""
    if tuning is None or method.name not in tuning.grid:
        return (Trial(plan=method, settings="as written"),)
    grid = tuning.grid[method.name]
    points = range(_size(grid))
    if len(points) > tuning.budget:
        stream = Streams(tuning.seed).child("tuning", method.name).python()
        chosen = sorted(stream.sample(points, tuning.budget))
    else:
        chosen = list(points)
    return tuple(_trial(method, _point(grid, number)) for number in chosen)


def _point(grid: Grid, number: int) -> dict[str, int | float]:
    """The settings of a point; the last key of the grid changes fastest."""
    point: dict[str, int | float] = {}
    for key in reversed(tuple(grid)):
        number, place = divmod(number, len(grid[key]))
        point[key] = grid[key][place]
    return {key: point[key] for key in grid}


def _trial(method: MethodPlan, point: Mapping[str, Any]) -> Trial:
    params = {**method.params, **{key: value for key, value in point.items() if key in method.params}}
    own = {key: value for key, value in point.items() if key not in method.params}
    batch = own.pop("batch", method.batch)
    plan = replace(method, params=params, optim=replace(method.optim, **own), batch=batch)
    return Trial(plan=plan, settings=" ".join(f"{key}={value:g}" for key, value in point.items()))


# ------------------------------------------------------------------------------------------- checks


def tuning_routes(study: Study, chosen: tuple[RouteLike, ...]) -> tuple[RouteLike, ...]:
    """The routes that trials are judged by: of the families in `tuning.routes`, or of all that are not held out.

    The default is what somebody who tunes would look at: everything but what is kept from him. What then tells
    whether the tuning carries over is the reported recovery on the families held out, which no trial was judged by.
    """
    assert study.tuning is not None, "only asked of studies that tune"
    named = study.tuning.routes
    asked = (r for r in chosen if not r.attack)  # a trial's model is asked as it is
    held_out = set(study.routes.held_out)
    kept = (r for r in asked if not held_out & {r.family, *r.mixes})  # nor is a composition with a part held out
    return tuple(r for r in kept if not named or r.family in named)


def check_tuning(study: Study, names: Known, chosen: tuple[RouteLike, ...]) -> None:
    """Are routes of selection and report disjoint, and are there enough of both? Raises `Problem`."""
    tuning = study.tuning
    if tuning is None or not tuning.grid:
        return  # nothing is tuned, or people are only set aside
    families = {route.family for route in chosen}
    for i, family in enumerate(tuning.routes):
        at = join("tuning.routes", i)
        if family not in names.families:
            raise Problem(at, unknown(f"route family {cut(family)!r}", family, names.families))
        if family in study.routes.held_out:
            raise Problem(at, f"{family!r} is held out (routes.held_out): what is reported on it must not be tuned on")
        if family not in families:
            raise Problem(at, f"{family!r} has no route among the chosen ones; drop it or include it")
        if family in tuning.routes[:i]:
            raise Problem(at, f"{family!r} is listed twice; list it once")
    if not study.routes.held_out:
        raise Problem(
            "routes.held_out", "a study that tunes must hold a route family out, to report on what no trial saw"
        )
    if not tuning_routes(study, chosen):
        raise Problem("tuning.routes", "no route is left to tune by: every chosen family is held out")


def check_sizes(study: Study) -> None:
    """Are there enough people for both, selection and report? Raises `Problem`."""
    tuning, sizes = study.tuning, study.benchmark
    if tuning is None:
        return
    if tuning.people >= sizes.forget:
        some = f"{tuning.people} of {sizes.forget} people to forget"
        raise Problem(
            "tuning.people", f"{some} are for tuning; leave some to report: use a number below {sizes.forget}"
        )
    if (least := study.gate.policy().min_identities) > sizes.forget - tuning.people:
        left = f"{sizes.forget - tuning.people} people are left to report, and gate.min_identities wants {least}"
        raise Problem("tuning.people", f"{left}; use at most {max(0, sizes.forget - least)}")
    kept, controls = sizes.people - sizes.forget, (sizes.forget + 1) // 2
    if controls + tuning.people > kept:
        needed = f"{controls} controls and {tuning.people} for tuning"
        raise Problem("tuning.people", f"{kept} people are kept, too few for {needed}; have more benchmark.people")
