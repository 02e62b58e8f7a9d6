"""Put routes to the models of a search, one model in memory at a time, and score what came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from vlmunl.adaptive.search import Score
from vlmunl.errors import StudyError
from vlmunl.routes.asking import Asking
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import Question
from vlmunl.stages.asked_model import asked_model
from vlmunl.stages.configs import FORMATS
from vlmunl.stages.gate import gate_routes
from vlmunl.stages.rows import Asked, Row, of_question, score_rows

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark, Identity
    from vlmunl.routes.route import Route
    from vlmunl.stage_types import Context, Progress
    from vlmunl.stages.configs import ScoutConfig, SearchConfig

Group = tuple[Sequence["Identity"], str]
"""People, and the split that their rows have."""

CANONICAL = tuple(route for route in gate_routes() if route.id in {f"canonical_{form}" for form in FORMATS})
"""The trained wording of each answer format: what the headroom of a format is measured by."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """`models` maps a model's name to the inputs that hold its adapters, in the order in which they are applied."""

    ctx: Context
    benchmark: Benchmark
    models: Mapping[str, Sequence[str]]
    config: ScoutConfig | SearchConfig

    def ask(self, routes: Sequence[Route], groups: Sequence[Group], models: Iterable[str], tell: Progress) -> list[Row]:
        """Rows as an evaluation writes them, with the model's name before them.

        Questions come in the order of an evaluation: by group, person and route. A route that cannot be asked of these
        people gives no rows.
        """
        routes = [route for route in routes if all(self.can_ask(route, people) for people, _ in groups)]
        pictures = Pictures(self.benchmark.retain)
        asked = [of_question(q, pictures, split) for people, split in groups for q in self._questions(people, routes)]
        rows: list[Row] = []
        for name in models:
            rows += [{"model": name, **row} for row in self._answers(name, asked, pictures, tell)]
        return rows

    def can_ask(self, route: Route, people: Sequence[Identity]) -> bool:
        """Has the benchmark what the route needs? What two parts need together may not be there."""
        try:
            return next(self._questions(people, [route]), None) is not None
        except StudyError:
            return False

    def _questions(self, people: Sequence[Identity], routes: Sequence[Route]) -> Iterator[Question]:
        return self._asking.of(people, [way for route in routes for way in self._asking.always(route)])

    @cached_property
    def _asking(self) -> Asking:
        return Asking(self.benchmark, (), ())

    def _answers(self, name: str, asked: Sequence[Asked], pictures: Pictures, tell: Progress) -> list[Row]:
        vlm, intervention = asked_model(self._as_if_alone(self.models[name]), self.config.loading)
        return score_rows(
            vlm,
            asked,
            pictures,
            max_new_tokens=self.config.max_new_tokens,
            batch_size=self.config.batch_size,
            progress=lambda done, total, note: tell(done, total, f"{name}: {note}"),
            keep=self.ctx.keep,
            intervention=intervention,
        )

    def _as_if_alone(self, names: Sequence[str]) -> Context:
        """What a cell that asks this model alone is given."""
        inputs = {"base": "base", **{f"adapter{i}": name for i, name in enumerate(names)}}
        given = {name: self.ctx.inputs[source] for name, source in inputs.items()}
        return replace(self.ctx, inputs=given, paths={name: self.ctx.paths[at] for name, at in inputs.items()})


# ----------------------------------------------------------------------------------------- what it is worth


def means(rows: Iterable[Row], column: str) -> dict[tuple[str, str], float]:
    """(model, route) -> mean over people of the mean over facts of the mean over variants."""
    nested: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for r in rows:
        people = nested.setdefault((r["model"], r["route"]), {})
        people.setdefault(r["identity"], {}).setdefault(r["attribute"], []).append(float(r[column]))
    return {
        key: _mean(_mean(_mean(values) for values in facts.values()) for facts in people.values())
        for key, people in nested.items()
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def format_headroom(rows: Sequence[Row]) -> dict[str, float]:
    """Imprint minus gold on the trained wording of each answer format."""
    accuracy = means([r for r in rows if r["route"].startswith("canonical_")], "score")
    return {
        form: accuracy["imprint", f"canonical_{form}"] - accuracy["gold", f"canonical_{form}"]
        for form in FORMATS
        if ("imprint", f"canonical_{form}") in accuracy
    }


def scored(routes: Sequence[Route], rows: Sequence[Row], headroom: Mapping[str, float], floor: float) -> list[Score]:
    """The score of each route by rows of `unlearned`, `imprint` and `gold`; `headroom` is that of the formats.

    `recovery` is divided by the headroom of the format, as in the reported figure (docs/wcr.md), and 0 where that is
    not above the floor. A route without rows could not be asked, and is not live.
    """
    accuracy, logp = means(rows, "score"), means(rows, "logp")
    found = []
    for route in routes:
        if ("unlearned", route.id) not in accuracy:
            found.append(Score(recovery=0.0, margin=0.0, headroom=0.0, live=False, accuracy={}))
            continue
        mine, taught, never = (accuracy[model, route.id] for model in ("unlearned", "imprint", "gold"))
        room = headroom.get(route.format, 0.0)
        found.append(
            Score(
                recovery=round((mine - never) / room, 6) if room > max(floor, 0.0) else 0.0,
                margin=round(logp["unlearned", route.id] - logp["gold", route.id], 6),
                headroom=round(taught - never, 6),
                live=room > floor and taught - never > floor,
                accuracy={"unlearned": round(mine, 6), "imprint": round(taught, 6), "gold": round(never, 6)},
            )
        )
    return found
