"""`[meta]`: pools of models with and without the knowledge, by construction, and the cell that judges the measures.

With it: the imprints, imprints that were taught for at least the share `known_from` of the steps, and imprints that
were taught the same facts by name alone or with photos alone, whose knowledge not every question brings out. Without
it: base, gold, placebo, and methods that start again from the base model. Not in a pool: imprints taught more briefly,
which are shown all the same, and every unlearned model: whether it still knows is the question, and no measure may
answer it for itself. For the same reason every model is measured against gold and imprint of another seed than its own.

By the unlearned models and gold it is told how stable a measure is: where the study relearns or quantises, they are
asked everything that WCR is made of once more after that, in cells of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vlmunl.manifests.cells import Cell, CellOutput
from vlmunl.manifests.schema import Problem, join, read
from vlmunl.manifests.sections_measuring import MetaSection
from vlmunl.manifests.study import Study
from vlmunl.stage_types import External, Stage
from vlmunl.stages import configs as c
from vlmunl.stages.configs import ROLES

META = "meta"
STABILITY = ("quantize", "relearn")
"""Beginnings of the attacks by which a measure's stability is judged."""


def read_meta(table: object) -> MetaSection | None:
    """The section; None if there is none. Raises `Problem`."""
    return None if table is None else read(MetaSection, table, META)


def check_meta(study: Study) -> None:
    """Can anything be judged? Raises `Problem`."""
    if study.meta is None:
        return
    if len(study.study.seeds) < 2:
        raise Problem(META, "needs two seeds, so that no model is measured against itself; add one to study.seeds")
    for i, way in enumerate(study.meta.only):
        if way in study.meta.only[:i]:
            raise Problem(join("meta.only", i), f"{way!r} is listed twice; list it once")
    rows = [stop_row(share) for share in study.meta.stops]
    for i, row in enumerate(rows):
        if row in rows[:i]:
            raise Problem(join("meta.stops", i), f"{study.meta.stops[i]:g} is listed twice (in per cent); list it once")


def stop_row(share: float) -> str:
    """The name of an imprint that was taught for a share of the steps: `stop25`."""
    return f"stop{round(100 * share)}"


def extra_rows(section: MetaSection) -> dict[str, bool | None]:
    """The imprints that a meta-evaluation adds at each seed, and whether they count as taught."""
    stops = {stop_row(share): True if share >= section.known_from else None for share in section.stops}
    return {**stops, **{f"only_{way}": True for way in section.only}}


def cell_names(study: Study, attacks: Sequence[str]) -> list[str]:
    """The cells that a meta-evaluation adds to a study with these attacks, written as in a cell's name."""
    if study.meta is None:
        return []
    seeds = study.study.seeds
    rows = [f"{row}/seed{seed}" for seed in seeds for row in extra_rows(study.meta)]
    after = [
        attacked_cell(row, seed, told)
        for row in attacked_rows(study)
        for seed in seeds
        for told in attacks
        if told.startswith(STABILITY)
    ]
    return [*(f"imprint/{row}" for row in rows), *(f"eval/{row}/meta" for row in rows), *after, META]


def attacked_rows(study: Study) -> tuple[str, ...]:
    """The models by which the measures' stability is told: gold and every unlearned one."""
    return ("gold", *(m.name for m in study.methods if m.start != "base"))


def attacked_cell(row: str, seed: int, told: str) -> str:
    """The cell that asks an attacked model all that WCR is made of."""
    return f"{META}/{row}/seed{seed}/{told}"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Makes the cells. `shared` are the inputs base and benchmark, `scoring` is how the study asks, `attacking` how it
    attacks, by attack as it is written in the name of a cell.
    """

    study: Study
    section: MetaSection
    stages: Mapping[str, Stage]
    shared: Mapping[str, CellOutput | External]
    scoring: c.EvalConfig
    attacking: Mapping[str, c.AttackConfig]

    def taught(self, whole: c.ImprintConfig) -> dict[str, c.ImprintConfig]:
        """Name -> recipe of the imprints that are taught more briefly, or in one way only; `whole` is the imprint's."""
        found = {}
        for share in self.section.stops:
            optim = replace(whole.optim, steps=math.ceil(share * whole.optim.steps))
            found[stop_row(share)] = replace(whole, optim=optim)
        samples = whole.image_samples + whole.text_samples
        for way in self.section.only:
            shown, told = (0, samples) if way == "name" else (samples, 0)
            found[f"only_{way}"] = replace(whole, image_samples=shown, text_samples=told)
        return found

    def imprints(self, seed: int, whole: c.ImprintConfig) -> list[Cell]:
        """These imprints at one seed, and their scoring by the study's routes."""
        cells: list[Cell] = []
        for row, recipe in self.taught(whole).items():
            cells.append(
                Cell(
                    name=f"imprint/{row}/seed{seed}",
                    stage=self.stages["imprint"],
                    config=recipe,
                    inputs=self.shared,
                    seed=seed,
                )
            )
            taught = CellOutput(cell=cells[-1].name, output="adapter")
            cells.append(
                Cell(
                    name=f"eval/{row}/seed{seed}/meta",
                    stage=self.stages["eval"],
                    config=self.scoring,
                    inputs={**self.shared, "adapter0": taught},
                    seed=seed,
                    after_gate=f"gate/seed{seed}",
                )
            )
        return cells

    @property
    def used(self) -> dict[str, c.AttackConfig]:
        """The attacks by which stability is judged."""
        return {told: config for told, config in self.attacking.items() if told.startswith(STABILITY)}

    def attacked(self, row: str, seed: int, adapters: Mapping[str, CellOutput]) -> list[Cell]:
        """One model asked all that WCR is made of, once after each of these attacks."""
        if row not in attacked_rows(self.study):
            return []
        return [
            Cell(
                name=attacked_cell(row, seed, told),
                stage=self.stages["attack"],
                config=replace(config, seed=seed, routes=self.scoring.routes, catalogue=self.scoring.catalogue),
                inputs={**self.shared, **adapters},
                seed=seed,
                after_gate=f"gate/seed{seed}",
            )
            for told, config in self.used.items()
        ]

    def meta(self, together: c.AggregateConfig) -> Cell:
        """The cell that judges."""
        used, seeds = tuple(self.used), self.study.study.seeds
        methods = attacked_rows(self.study)[1:]
        models = self.models()
        config = c.MetaConfig(
            study=together.study,
            title=together.title,
            seeds=seeds,
            models=models,
            routes=self.scoring.routes,
            catalogue=self.scoring.catalogue,
            tiers=together.tiers,
            gate=together.gate,
            statistics=together.statistics,
            attacks=used,
            methods=methods if used else (),
        )
        rows = (*ROLES, *(methods if used else ()))
        names = [*(model.cell for model in models), *(f"gate/seed{seed}" for seed in seeds)]
        names += [f"eval/{row}/seed{seed}" for row in rows for seed in seeds]
        names += [attacked_cell(row, s, told) for told in used for row in attacked_rows(self.study) for s in seeds]
        inputs = {name: CellOutput(cell=name, output="rows") for name in dict.fromkeys(names)}
        return Cell(name=META, stage=self.stages["meta"], config=config, inputs=inputs)

    def models(self) -> tuple[c.MetaModel, ...]:
        """Every model of the pools that the study does not exclude, each with the next seed as its yardstick."""
        seeds, excluded = self.study.study.seeds, {e.cell for e in self.study.evidence.exclude}
        never = ("gold", "placebo", *(m.name for m in self.study.methods if m.start == "base"))
        found = [c.MetaModel(cell="eval/base", row="base", yardstick=seeds[0], knows=False)]
        for i, seed in enumerate(seeds):
            other = seeds[(i + 1) % len(seeds)]
            found.append(c.MetaModel(cell=f"eval/imprint/seed{seed}", row="imprint", yardstick=other, knows=True))
            for row in never:
                found.append(c.MetaModel(cell=f"eval/{row}/seed{seed}", row=row, yardstick=other, knows=False))
            for row, taught in extra_rows(self.section).items():
                cell = f"eval/{row}/seed{seed}/meta"
                found.append(c.MetaModel(cell=cell, row=row, yardstick=other, knows=taught))
        return tuple(model for model in found if not excluded & set(_made_by(model)))


def _made_by(model: c.MetaModel) -> tuple[str, ...]:
    """The cells whose exclusion takes a model out of its pool."""
    seed = model.cell.removesuffix("/meta").rpartition("/")[2]
    return (model.cell, f"imprint/{model.row}/{seed}", f"unlearn/{model.row}/{seed}")
