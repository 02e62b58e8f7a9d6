"""From a study to its cells: what is to be done, with which settings, from whose outputs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from vlmunl.manifests.checks import select
from vlmunl.manifests.known import Known, RouteLike, known
from vlmunl.manifests.methods import imprint_optim
from vlmunl.manifests.probes import probe_cells, probes_for
from vlmunl.manifests.study import ROLES, MethodPlan, Study
from vlmunl.manifests.tuning import trials, tuning_routes
from vlmunl.methods.parts import families, needs_of
from vlmunl.stage_types import External, Stage
from vlmunl.stages import configs as c
from vlmunl.stages import prompts
from vlmunl.stages.declared import STAGES

DATA, BASE_EVAL, AGGREGATE, TABLES = "data", "eval/base", "aggregate", "tables"


@dataclass(frozen=True, kw_only=True)
class CellOutput:
    """An input that another cell of the study writes."""

    cell: str
    output: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One unit of work.

    `row` is the role or method it belongs to. `after_gate` names the gate that must have passed first.
    `collects`: beside `inputs` it reads the run manifest and the rows of every verified cell that is `reported`.
    """

    name: str
    stage: Stage
    config: Any
    inputs: Mapping[str, CellOutput | External]
    seed: int | None = None
    row: str | None = None
    after_gate: str | None = None
    collects: bool = False
    reported: bool = False

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The cells that must be done first, gate included."""
        cells = [i.cell for i in self.inputs.values() if isinstance(i, CellOutput)]
        return tuple(dict.fromkeys([*cells, *([self.after_gate] if self.after_gate else [])]))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a study, each after those it needs. `catalogue` is the hash of the chosen `routes`."""

    study: Study
    cells: tuple[Cell, ...]
    routes: tuple[str, ...]
    catalogue: str

    @cached_property
    def by_name(self) -> Mapping[str, Cell]:
        """Name -> cell."""
        return {cell.name: cell for cell in self.cells}

    @property
    def evidence(self) -> tuple[Cell, ...]:
        """The cells that feed numbers: all but `aggregate` and `tables`."""
        return tuple(cell for cell in self.cells if cell.name not in (AGGREGATE, TABLES))


def plan(study: Study, base: External, names: Known | None = None, stages: Mapping[str, Stage] = STAGES) -> Plan:
    """The cells of a study on a base model, in an order in which they can be done."""
    names = names or known()
    routes = select(study.routes, names)
    catalogue = names.catalogue_hash(routes)
    ids = tuple(route.id for route in routes)
    scoring, judging = _eval_config(study, ids, catalogue), _tuning_config(study, names, routes)
    planner = _Planner(study, base, stages, scoring, judging, _tuning_spec(study, names))
    return Plan(study=study, cells=planner.cells(), routes=ids, catalogue=catalogue)


@dataclass(frozen=True)
class _Planner:
    study: Study
    base: External
    stages: Mapping[str, Stage]
    scoring: c.EvalConfig
    judging: c.EvalConfig | None  # of trials, on the tuning people and routes
    tuning: c.TuningSpec

    def cells(self) -> tuple[Cell, ...]:
        data = Cell(name=DATA, stage=self.stages["data"], config=_data_config(self.study), inputs={})
        cells = [data, self.eval(BASE_EVAL, "base", None, {})]
        for seed in self.study.study.seeds:
            cells += self.of_seed(seed)
        config = _aggregate_config(self.study, self.scoring.routes, self.scoring.catalogue, self.tuning)
        cells.append(Cell(name=AGGREGATE, stage=self.stages["aggregate"], config=config, inputs={}, collects=True))
        results = {"results": CellOutput(cell=AGGREGATE, output="verified_results")}
        figures = c.TablesConfig(figures=self.study.tables.figures)
        cells.append(Cell(name=TABLES, stage=self.stages["tables"], config=figures, inputs=results))
        return tuple(cells)

    def of_seed(self, seed: int) -> list[Cell]:
        trained: dict[str, CellOutput] = {
            role: CellOutput(cell=f"imprint/{role}/seed{seed}", output="adapter") for role in ROLES
        }
        cells = [self.imprint(role, seed) for role in ROLES]
        cells.append(self.gate(seed, trained))
        cells += [self.eval(f"eval/{role}/seed{seed}", role, seed, {"adapter0": trained[role]}) for role in ROLES]
        if self.judging is not None:
            for role in ("imprint", "gold"):
                taught = {"adapter0": trained[role]}
                cells.append(self.eval(f"eval/{role}/seed{seed}/tuning", role, seed, taught, tuning=True))
        cells += self.probes(seed, trained["imprint"])
        for method in self.study.methods:
            below = {"imprint": trained["imprint"]} if method.start == "imprint" else {}
            taught_by = {"gold": trained["gold"]} if "oracle logits" in needs_of(method.recipe) else {}
            given = {**below, **taught_by}
            if self.judging is not None and method.name in self.grids:
                made = self.tuned(method, seed, given, list(below.values()))
            else:
                made = [self.unlearn(method, seed, given)]
            unlearned = CellOutput(cell=made[-1].name, output="adapter")
            adapters = _chain([*below.values(), unlearned])
            cells += [*made, self.eval(f"eval/{method.name}/seed{seed}", method.name, seed, adapters)]
        return cells

    @property
    def grids(self) -> Collection[str]:
        return self.study.tuning.grid if self.study.tuning is not None else ()

    def tuned(
        self, method: MethodPlan, seed: int, given: Mapping[str, CellOutput], below: list[CellOutput]
    ) -> list[Cell]:
        """A method's trials, each scored on the tuning people, and at the end the choice among them."""
        assert self.judging is not None, "only asked of studies that tune"
        row, tried = f"{method.name}/seed{seed}", trials(self.study.tuning, method)
        cells: list[Cell] = []
        inputs: dict[str, CellOutput | External] = {
            role: CellOutput(cell=f"eval/{role}/seed{seed}/tuning", output="rows") for role in ("imprint", "gold")
        }
        for k, trial in enumerate(tried):
            cells.append(self.unlearn(trial.plan, seed, given, f"/trial{k}"))
            unlearned = CellOutput(cell=cells[-1].name, output="adapter")
            adapters, inputs[f"adapter{k}"] = _chain([*below, unlearned]), unlearned
            cells.append(self.eval(f"eval/{row}/trial{k}", method.name, seed, adapters, tuning=True))
            inputs[f"rows{k}"] = CellOutput(cell=cells[-1].name, output="rows")
        config = _select_config(self.study, tuple(trial.settings for trial in tried), self.judging.routes)
        stage = self.stages["select"]
        return [
            *cells,
            Cell(name=f"select/{row}", stage=stage, config=config, inputs=inputs, seed=seed, row=method.name),
        ]

    @property
    def shared(self) -> dict[str, CellOutput | External]:
        return {"base": self.base, "benchmark": CellOutput(cell=DATA, output="benchmark")}

    def imprint(self, role: c.Role, seed: int) -> Cell:
        config = imprint_config(self.study, role, seed)
        name = f"imprint/{role}/seed{seed}"
        return Cell(name=name, stage=self.stages["imprint"], config=config, inputs=self.shared, seed=seed, row=role)

    def gate(self, seed: int, trained: Mapping[str, CellOutput]) -> Cell:
        s = self.scoring
        config = c.GateConfig(seed=seed, tuning=s.tuning, batch_size=s.batch_size, asking=s.asking)
        inputs = {**self.shared, "imprint": trained["imprint"], "gold": trained["gold"]}
        name, stage = f"gate/seed{seed}", self.stages["gate"]
        return Cell(name=name, stage=stage, config=config, inputs=inputs, seed=seed, reported=True)

    def probes(self, seed: int, imprint: CellOutput) -> list[Cell]:
        """One cell for each score that some method chooses by."""
        return [
            Cell(
                name=name,
                stage=self.stages["probe"],
                config=config,
                inputs={**self.shared, "imprint": imprint},
                seed=seed,
                after_gate=f"gate/seed{seed}",
            )
            for name, config in self.probed[seed].items()
        ]

    @cached_property
    def probed(self) -> Mapping[int, Mapping[str, c.ProbeConfig]]:
        return {seed: probe_cells(self.study, seed) for seed in self.study.study.seeds}

    def unlearn(self, method: MethodPlan, seed: int, below: Mapping[str, CellOutput], trial: str = "") -> Cell:
        cells = list(self.probed[seed].items())
        scores = {
            name: CellOutput(cell=next(cell for cell, made in cells if made == config), output="scores")
            for name, config in probes_for(method.recipe, method.params, seed).items()
        }
        return Cell(
            name=f"unlearn/{method.name}/seed{seed}{trial}",
            stage=self.stages["unlearn"],
            config=unlearn_config(self.study, method, seed),
            inputs={**self.shared, **below, **scores},
            seed=seed,
            row=method.name,
            after_gate=f"gate/seed{seed}",
        )

    def eval(
        self, name: str, row: str, seed: int | None, adapters: Mapping[str, CellOutput], *, tuning: bool = False
    ) -> Cell:
        return Cell(
            name=name,
            stage=self.stages["eval"],
            config=self.judging if tuning else self.scoring,
            inputs={**self.shared, **adapters},
            seed=seed,
            row=row,
            after_gate=None if seed is None else f"gate/seed{seed}",
            reported=not tuning,
        )


def _chain(adapters: Sequence[CellOutput]) -> dict[str, CellOutput]:
    return {f"adapter{i}": adapter for i, adapter in enumerate(adapters)}


def imprint_config(study: Study, role: c.Role, seed: int) -> c.ImprintConfig:
    """The imprint recipe for one role and seed, its override applied.

    Gold and placebo see the retained people only, and as often as the imprint sees them: their steps are fewer.
    """
    recipe = study.imprint.recipe
    for override in study.imprint.override:
        if override.seed == seed and role in override.roles:
            changes: dict[str, Any] = dict(override.changes)  # the loader has checked each against Recipe
            recipe = replace(recipe, **changes)
    if role != "imprint":
        people = study.benchmark.people
        recipe = replace(recipe, steps=math.ceil(recipe.steps * (people - study.benchmark.forget) / people))
    section = replace(study.imprint, recipe=recipe)
    return c.ImprintConfig(
        role=role,
        seed=seed,
        optim=imprint_optim(section, study.model.precision),
        adapter=_adapter(recipe.recipe, recipe.rank, recipe.alpha),
        image_samples=recipe.image_samples,
        text_samples=recipe.text_samples,
        replay=recipe.replay,
        augment=recipe.augment,
    )


def unlearn_config(study: Study, method: MethodPlan, seed: int) -> c.UnlearnConfig:
    """The settings of one method for one seed; those that it does not use have their defaults."""
    trained = study.unlearn
    lesson = imprint_config(study, "gold", seed) if method.start == "base" else None
    adapter = _adapter(trained.recipe, trained.rank, trained.alpha) if lesson is None else c.Adapter()
    return c.UnlearnConfig(
        method=method.method,
        version=method.version,
        params=method.params,
        recipe=method.recipe,
        parts=method.parts,
        views=method.views,
        held_out=study.routes.held_out if _trains_on_routes(method) else (),
        seed=seed,
        optim=method.optim if lesson is None else lesson.optim,
        adapter=adapter,
        batch=method.batch,
        stop=method.stop,
        lesson=lesson,
    )


def _trains_on_routes(method: MethodPlan) -> bool:
    """Do its views prepare for a route family? Narrow views do so only where a transform says it."""
    return method.views == "wide" or bool(families(method.recipe))


@lru_cache(typed=True)
def _adapter(recipe: c.Recipe, rank: int, alpha: int) -> c.Adapter:
    """Full training has no rank: another one must not look like another training."""
    return c.Adapter(recipe=recipe) if recipe == "full" else c.Adapter(recipe=recipe, rank=rank, alpha=alpha)


def _data_config(study: Study) -> c.DataConfig:
    b = study.benchmark
    return c.DataConfig(
        benchmark=b.id, people=b.people, forget=b.forget, photos=b.photos, seed=b.seed, wordings=prompts.wordings()
    )


def _eval_config(study: Study, routes: tuple[str, ...], catalogue: str) -> c.EvalConfig:
    e = study.eval
    return c.EvalConfig(
        routes=routes,
        catalogue=catalogue,
        tuning=0 if study.tuning is None else study.tuning.people,
        max_new_tokens=e.max_new_tokens,
        batch_size=e.batch_size,
        asking=prompts.asking(),
    )


def _tuning_config(study: Study, names: Known, chosen: tuple[RouteLike, ...]) -> c.EvalConfig | None:
    """How trials are scored; None if the study tunes nothing."""
    if study.tuning is None:
        return None
    routes = tuning_routes(study, chosen)
    config = _eval_config(study, tuple(route.id for route in routes), names.catalogue_hash(routes))
    return replace(config, side="tuning")


def _select_config(study: Study, settings: tuple[str, ...], routes: tuple[str, ...]) -> c.SelectConfig:
    assert study.tuning is not None, "only asked of studies that tune"
    return c.SelectConfig(
        settings=settings,
        routes=routes,
        score=study.tuning.score,
        headroom=study.statistics.floor,
        utility_floor=study.evidence.utility_floor,
        refusal_ceiling=study.evidence.refusal_ceiling,
    )


def _tuning_spec(study: Study, names: Known) -> c.TuningSpec:
    tuning = study.tuning
    if tuning is None:
        return c.TuningSpec()
    families = tuple(dict.fromkeys(r.family for r in tuning_routes(study, select(study.routes, names))))
    return c.TuningSpec(people=tuning.people, families=families, budget=tuning.budget, score=tuning.score)


def _row(study: Study, method: MethodPlan) -> c.RowSpec:
    tried = len(trials(study.tuning, method))
    return c.RowSpec(
        name=method.name, label=method.label, kind="method", views=method.views, group=method.group, trials=tried
    )


def _aggregate_config(study: Study, routes: tuple[str, ...], catalogue: str, tuning: c.TuningSpec) -> c.AggregateConfig:
    s, e = study.statistics, study.evidence
    roles = [c.RowSpec(name=role, label=role, kind="role") for role in ("base", *ROLES)]
    # Methods that leave the weights as they are stand together, after the others, in all that is made from this.
    methods = sorted((_row(study, m) for m in study.methods), key=lambda row: row.group == "inference")
    return c.AggregateConfig(
        study=study.name,
        title=study.study.title,
        tiers=tuple(sorted(study.routes.tiers)),
        routes=routes,
        catalogue=catalogue,
        held_out=study.routes.held_out,
        rows=(*roles, *methods),
        gate=study.gate.policy(),
        tuning=tuning,
        statistics=c.Statistics(
            draws=s.draws,
            splits=s.splits,
            floor=s.floor,
            tolerance=s.tolerance,
            utility_floor=e.utility_floor,
            refusal_ceiling=e.refusal_ceiling,
            seed=s.seed,
        ),
        claims=tuple(c.ClaimSpec(name=n, text=claim.text, when=claim.when) for n, claim in study.claims.items()),
    )
