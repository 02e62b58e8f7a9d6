"""From a study to its cells: what is to be done, with which settings, from whose outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from vlmunl.attacks.known import needs_of as attack_needs
from vlmunl.manifests.attacker import Searches, scout_config
from vlmunl.manifests.cell_configs import (
    aggregate_config,
    attack_configs,
    data_config,
    eval_config,
    imprint_config,
    select_config,
    tuning_config,
    tuning_spec,
    unlearn_config,
)
from vlmunl.manifests.cells import AGGREGATE, BASE_EVAL, CHANCE_EVAL, DATA, TABLES, Cell, CellOutput, Plan
from vlmunl.manifests.checkpoints import checkpoint_config, imported
from vlmunl.manifests.checks import attack_cell, select, told_as
from vlmunl.manifests.external import Outside
from vlmunl.manifests.known import Known, known
from vlmunl.manifests.meta import Judged
from vlmunl.manifests.probes import probe_cells, probes_for
from vlmunl.manifests.sections_training import MethodPlan
from vlmunl.manifests.study import Study
from vlmunl.manifests.tuning import trials
from vlmunl.manifests.variants import variants
from vlmunl.methods.parts import needs_of
from vlmunl.stage_types import External, Stage
from vlmunl.stages import configs as c
from vlmunl.stages.declared import STAGES

__all__ = ["AGGREGATE", "BASE_EVAL", "DATA", "TABLES", "Cell", "CellOutput", "Plan", "plan"]


def plan(
    study: Study,
    base: External,
    names: Known | None = None,
    stages: Mapping[str, Stage] = STAGES,
    outside: Outside | None = None,
) -> Plan:
    """The cells of a study on a base model, in an order in which they can be done.

    `outside` is what else it takes from outside the store.
    """
    names, outside = names or known(), outside or Outside()
    study = outside.counted(study)
    routes = select(study.routes, names)
    catalogue = names.catalogue_hash(routes)
    ids = tuple(route.id for route in routes)
    asked = tuple(route for route in routes if not route.attack)
    scoring = eval_config(study, tuple(route.id for route in asked), names.catalogue_hash(asked))
    judging = tuning_config(study, names, routes)
    attacking = attack_configs(study, names, routes)
    together = aggregate_config(study, ids, catalogue, tuning_spec(study, names))
    scouting = scout_config(study, names, routes, scoring)
    planner = _Planner(study, base, stages, scoring, judging, attacking, together, scouting, outside)
    return Plan(study=study, cells=planner.cells(), routes=ids, catalogue=catalogue)


@dataclass(frozen=True)
class _Planner:
    study: Study
    base: External
    stages: Mapping[str, Stage]
    scoring: c.EvalConfig
    judging: c.EvalConfig | None  # of trials, on the tuning people and routes
    attacking: Mapping[str, c.AttackConfig]  # by attack; the seed is to be set
    together: c.AggregateConfig
    scouting: c.ScoutConfig | None  # of an adaptive attacker
    outside: Outside

    def cells(self) -> tuple[Cell, ...]:
        source = {} if self.outside.source is None else {"source": self.outside.source}
        data = Cell(name=DATA, stage=self.stages["data"], config=data_config(self.study), inputs=source)
        cells = [data, self.eval(BASE_EVAL, "base", None, {})]
        if self.study.statistics.calibration == "chance":
            cells.append(self.chance())
        for seed in self.study.study.seeds:
            cells += self.of_seed(seed)
        if self.judged is not None:
            cells.append(self.judged.meta(self.together))
        cells.append(
            Cell(name=AGGREGATE, stage=self.stages["aggregate"], config=self.together, inputs={}, collects=True)
        )
        results = {"results": CellOutput(cell=AGGREGATE, output="verified_results")}
        cells.append(
            Cell(
                name=TABLES,
                stage=self.stages["tables"],
                config=self.rendered(),
                inputs=results,
                collects="manifest?" in self.stages["tables"].inputs,
            )
        )
        return tuple(cells)

    def rendered(self) -> c.TablesConfig:
        """What is rendered, and from what."""
        section = self.study.tables
        return c.TablesConfig(
            figures=section.figures, only=section.only, variants=variants(self.study.methods), together=self.together
        )

    def of_seed(self, seed: int) -> list[Cell]:
        trained: dict[str, CellOutput] = {
            role: CellOutput(cell=f"imprint/{role}/seed{seed}", output="adapter") for role in self.study.roles
        }
        cells = [self.imprint(role, seed) for role in self.study.roles]
        cells.append(self.gate(seed, trained))
        for role in self.study.roles:
            cells += self.asked(role, seed, {"adapter0": trained[role]}, trained["imprint"])
        if self.judging is not None:
            for role in ("imprint", "gold"):
                taught = {"adapter0": trained[role]}
                cells.append(self.eval(f"eval/{role}/seed{seed}/tuning", role, seed, taught, tuning=True))
        searches = self.searches
        if searches is not None:
            cells.append(searches.scout(seed, trained))
        if self.judged is not None:
            cells += self.judged.imprints(seed, imprint_config(self.study, "imprint", seed))
        cells += self.probes(seed, trained["imprint"])
        for method in self.study.methods:
            below = {"imprint": trained["imprint"]} if method.start == "imprint" else {}
            taught_by = {"gold": trained["gold"]} if "oracle logits" in needs_of(method.recipe) else {}
            given = {**below, **taught_by}
            if self.judging is not None and method.name in self.grids:
                made = self.tuned(method, seed, given, list(below.values()))
            elif method.checkpoint:
                made = [self.imported(f"unlearn/{method.name}/seed{seed}", method.name, seed, f"gate/seed{seed}")]
            else:
                made = [self.unlearn(method, seed, given)]
            unlearned = CellOutput(cell=made[-1].name, output="adapter")
            adapters = _chain([*below.values(), unlearned])
            cells += [*made, *self.asked(method.name, seed, adapters, trained["imprint"])]
            if searches is not None:
                cells.append(searches.search(method.name, seed, trained, adapters))
        return cells

    @property
    def judged(self) -> Judged | None:
        """Makes the cells of a meta-evaluation; None without one."""
        section = self.study.meta
        if section is None:
            return None
        return Judged(
            study=self.study,
            section=section,
            stages=self.stages,
            shared=self.shared,
            scoring=self.scoring,
            attacking={told_as(attack): config for attack, config in self.attacking.items()},
        )

    @property
    def searches(self) -> Searches | None:
        """Makes the cells of an adaptive attacker; None without one."""
        if self.scouting is None:
            return None
        return Searches(study=self.study, stages=self.stages, config=self.scouting, shared=self.shared)

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
        config = select_config(self.study, tuple(trial.settings for trial in tried), self.judging.routes)
        stage = self.stages["select"]
        return [
            *cells,
            Cell(name=f"select/{row}", stage=stage, config=config, inputs=inputs, seed=seed, row=method.name),
        ]

    @property
    def shared(self) -> dict[str, CellOutput | External]:
        return {"base": self.base, "benchmark": CellOutput(cell=DATA, output="benchmark")}

    def imported(self, name: str, row: str, seed: int, gate: str | None = None) -> Cell:
        """The cell of a role or method that was made elsewhere; the same at every seed."""
        source = self.outside.checkpoints[row]
        return Cell(
            name=name,
            stage=self.stages["checkpoint"],
            config=checkpoint_config(row, source, self.study.roles),
            inputs={"base": self.base, "source": source},
            seed=seed,
            row=row,
            after_gate=gate,
        )

    def chance(self) -> Cell:
        """What guessing is worth on every question: it stands for gold where there is none."""
        s = self.scoring
        config = c.ChanceConfig(routes=s.routes, catalogue=s.catalogue, asking=s.asking)
        benchmark = {"benchmark": self.shared["benchmark"]}
        return Cell(name=CHANCE_EVAL, stage=self.stages["chance"], config=config, inputs=benchmark, reported=True)

    def imprint(self, role: c.Role, seed: int) -> Cell:
        name = f"imprint/{role}/seed{seed}"
        if role in imported(self.study):
            return self.imported(name, role, seed)
        config = imprint_config(self.study, role, seed)
        return Cell(name=name, stage=self.stages["imprint"], config=config, inputs=self.shared, seed=seed, row=role)

    def gate(self, seed: int, trained: Mapping[str, CellOutput]) -> Cell:
        s = self.scoring
        built_in = self.study.benchmark.id == "fictitious"  # its answers are a word or two
        config = c.GateConfig(
            seed=seed,
            tuning=s.tuning,
            max_new_tokens=c.GateConfig.max_new_tokens if built_in else s.max_new_tokens,
            batch_size=s.batch_size,
            asking=s.asking,
            loading=s.loading,
        )
        inputs = {**self.shared, **{role: trained[role] for role in ("imprint", "gold") if role in trained}}
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
            for name, config in probes_for(method.recipe, method.params, seed, self.study.model.loading).items()
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

    def asked(self, row: str, seed: int, adapters: Mapping[str, CellOutput], imprint: CellOutput) -> Iterator[Cell]:
        """One model asked as it is, and once more after each attack."""
        yield self.eval(f"eval/{row}/seed{seed}", row, seed, adapters)
        for attack, config in self.attacking.items():
            given = {"imprint": imprint} if "imprint" in attack_needs(attack) else {}
            yield Cell(
                name=attack_cell(row, seed, attack),
                stage=self.stages["attack"],
                config=replace(config, seed=seed),
                inputs={**self.shared, **given, **adapters},
                seed=seed,
                row=row,
                after_gate=f"gate/seed{seed}",
                reported=True,
            )
        yield from self.judged.attacked(row, seed, adapters) if self.judged is not None else ()

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
