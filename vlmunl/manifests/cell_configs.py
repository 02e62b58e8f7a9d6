"""The settings of each kind of cell, from a study: only what the cell depends on."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vlmunl.attacks.known import parse
from vlmunl.benchmarks.known import KINDS
from vlmunl.errors import StudyError
from vlmunl.manifests.checkpoints import imported
from vlmunl.manifests.checks import attacks_of, select
from vlmunl.manifests.known import Known, RouteLike
from vlmunl.manifests.methods import imprint_optim
from vlmunl.manifests.sections_training import MethodPlan
from vlmunl.manifests.study import Study
from vlmunl.manifests.tuning import trials, tuning_routes
from vlmunl.manifests.values import MicroBatch
from vlmunl.methods.parts import families
from vlmunl.stages import configs as c
from vlmunl.stages import prompts


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
        max_length=recipe.max_length,
        micro_batch=_micro(study.imprint.micro_batch),
        loading=study.model.loading,
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
        micro_batch=_micro(study.unlearn.micro_batch),
        loading=study.model.loading,
    )


def _micro(asked: MicroBatch) -> int:
    return 0 if isinstance(asked, str) else asked


def _trains_on_routes(method: MethodPlan) -> bool:
    """Do its views prepare for a route family? Narrow views do so only where a transform says it."""
    return method.views == "wide" or bool(families(method.recipe))


@lru_cache(typed=True)
def _adapter(recipe: c.Recipe, rank: int, alpha: int) -> c.Adapter:
    """Full training has no rank: another one must not look like another training."""
    return c.Adapter(recipe=recipe) if recipe == "full" else c.Adapter(recipe=recipe, rank=rank, alpha=alpha)


def with_own_metrics(study: Study) -> str:
    """The study's benchmark if it has metrics of its own, else nothing."""
    kind = KINDS.get(study.benchmark.id)
    return kind.id if kind is not None and kind.metrics else ""


def data_config(study: Study) -> c.DataConfig:
    """Which benchmark. Raises `StudyError` if it has no such split."""
    b = study.benchmark
    kind = KINDS.get(b.id)
    if kind is not None and kind.id != "fictitious":
        try:
            split = kind.split(b.split)
        except KeyError as error:
            asked = f"[benchmark] split {b.split!r} is not one of {kind.id}"
            raise StudyError(asked, f"known: {error.args[0]}") from None
        return c.DataConfig(
            benchmark=b.id, split=split, limit=b.limit, version=kind.version, people=0, forget=0, photos=0, seed=b.seed
        )
    return c.DataConfig(
        benchmark=b.id, people=b.people, forget=b.forget, photos=b.photos, seed=b.seed, wordings=prompts.wordings()
    )


def eval_config(study: Study, routes: tuple[str, ...], catalogue: str) -> c.EvalConfig:
    e = study.eval
    return c.EvalConfig(
        routes=routes,
        catalogue=catalogue,
        tuning=0 if study.tuning is None else study.tuning.people,
        max_new_tokens=e.max_new_tokens,
        batch_size=e.batch_size,
        asking=prompts.asking(),
        loading=study.model.loading,
    )


def tuning_config(study: Study, names: Known, chosen: tuple[RouteLike, ...]) -> c.EvalConfig | None:
    """How trials are scored; None if the study tunes nothing."""
    if study.tuning is None or not study.tuning.grid:
        return None
    routes = tuning_routes(study, chosen)
    config = eval_config(study, tuple(route.id for route in routes), names.catalogue_hash(routes))
    return replace(config, side="tuning")


def attack_configs(study: Study, names: Known, routes: tuple[RouteLike, ...]) -> dict[str, c.AttackConfig]:
    """How a model is attacked and asked then, by attack."""
    made: dict[str, c.AttackConfig] = {}
    for attack in attacks_of(routes):
        mine = tuple(route for route in routes if route.attack == attack)
        asked = eval_config(study, tuple(route.id for route in mine), names.catalogue_hash(mine))
        made[attack] = c.AttackConfig(
            attack=attack,
            version=parse(attack)[0].version,
            routes=asked.routes,
            catalogue=asked.catalogue,
            seed=0,
            tuning=asked.tuning,
            max_new_tokens=asked.max_new_tokens,
            batch_size=asked.batch_size,
            asking=asked.asking,
            loading=asked.loading,
        )
    return made


def select_config(study: Study, settings: tuple[str, ...], routes: tuple[str, ...]) -> c.SelectConfig:
    assert study.tuning is not None, "only asked of studies that tune"
    return c.SelectConfig(
        settings=settings,
        routes=routes,
        score=study.tuning.score,
        headroom=study.statistics.floor,
        utility_floor=study.evidence.utility_floor,
        refusal_ceiling=study.evidence.refusal_ceiling,
    )


def tuning_spec(study: Study, names: Known) -> c.TuningSpec:
    tuning = study.tuning
    if tuning is None:
        return c.TuningSpec()
    if not tuning.grid:
        return c.TuningSpec(people=tuning.people)
    families = tuple(dict.fromkeys(r.family for r in tuning_routes(study, select(study.routes, names))))
    return c.TuningSpec(people=tuning.people, families=families, budget=tuning.budget, score=tuning.score)


def _row(study: Study, method: MethodPlan) -> c.RowSpec:
    if method.checkpoint:
        return c.RowSpec(name=method.name, label=method.label, kind="method", trials=None)
    tried = len(trials(study.tuning, method))
    return c.RowSpec(
        name=method.name, label=method.label, kind="method", views=method.views, group=method.group, trials=tried
    )


def aggregate_config(study: Study, routes: tuple[str, ...], catalogue: str, tuning: c.TuningSpec) -> c.AggregateConfig:
    s, e = study.statistics, study.evidence
    roles = [c.RowSpec(name=role, label=role, kind="role") for role in ("base", *study.roles)]
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
        own=with_own_metrics(study),
        calibration=s.calibration,
        checkpoints=imported(study),
    )
