"""Stage `unlearn`: apply one method to the imprint (or, to retrain, start again from the base model)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from vlmunl.benchmarks import schema
from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods import compared, parts
from vlmunl.methods.infer import wrapping
from vlmunl.methods.lab import Lab, apply
from vlmunl.methods.language import arguments
from vlmunl.methods.objective import Objective, strangers_nll
from vlmunl.methods.reference import Reference
from vlmunl.methods.registry import code_of
from vlmunl.methods.stopping import stopper
from vlmunl.models import adapters
from vlmunl.models.answers import Out
from vlmunl.models.forward import AnswerModel, answers
from vlmunl.models.frozen_vision import remembered
from vlmunl.models.loading import for_training
from vlmunl.models.loop import Curve, fit
from vlmunl.models.resume import Figures
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.trainer import Trainer
from vlmunl.models.vlm import VLM, load
from vlmunl.stages.files import write_curve
from vlmunl.stages.imprint import teach

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.stage import Context
    from vlmunl.stages.configs import UnlearnConfig


def run(config: UnlearnConfig, ctx: Context) -> Mapping[str, object]:
    """Write `adapter/` and `curve.json`. The adapter goes on top of the imprint's, or on the base to retrain; a
    wrapper lies in it too.

    Raises:
        StudyError: the recipe cannot be carried out, or the method starts from the base and there is no imprint recipe.
        MissingInput: the method starts from the imprint or chooses by scores of it, and these were not given.
    """
    benchmark = schema.load(ctx.input("benchmark"))
    vlm = load(ctx.input("base"), for_training(config.loading, (config.lesson or config).adapter))
    if config.lesson is not None:
        return teach(config.lesson, benchmark, vlm, ctx)
    if "imprint" not in ctx.inputs:
        raise MissingInput(f"{config.method} starts from an imprint, and none was given")
    parts.check(config.recipe, config.params)
    if parts.versions(config.recipe) != dict(config.parts):
        raise StudyError(f"{config.method} was planned with other versions of its parts than there are now")
    if lost := sorted(set(parts.probes_of(config.recipe, config.params)) - set(ctx.inputs)):
        raise MissingInput(f"{config.method} chooses by {lost[0]}, scores of the imprint, and they were not given")
    imprinted = VLM(adapters.merge(vlm.model, ctx.input("imprint")), vlm.processor)
    return _unlearn(config, benchmark, imprinted, ctx)


def _unlearn(config: UnlearnConfig, benchmark: Benchmark, vlm: VLM, ctx: Context) -> Mapping[str, object]:
    recipe, encoder = config.recipe, Encoder(vlm)
    lab = Lab(vlm, benchmark, config, encoder, ctx.rng)
    lab.probes = {name: ctx.input(name) for name in ctx.inputs if name.startswith("probe.")}
    held = for_training(config.loading, config.adapter)
    lab.imprint = lambda: adapters.merge(load(ctx.input("base"), held).model, ctx.input("imprint"))
    objective = Objective(config, benchmark, encoder, ctx.rng)
    objective.oracle = _gold(objective, ctx)
    strangers = strangers_nll(objective, lambda s: _plain(vlm, encoder, s), benchmark) if config.stop.strangers else 0.0
    objective.reference = compared.before_unlearning(objective, vlm, edited=bool(recipe.before))
    wrapper, plan = wrapping.planned(recipe.infer, config.params) if recipe.infer is not None else (None, None)
    apply(recipe.before, lab)
    curve = Curve([], "no training")
    trains = bool(recipe.terms) and not (wrapper is not None and wrapper.trains)
    if trains:
        curve = _train(config, lab, objective, strangers, ctx)
    apply(recipe.after, lab)
    fitted = wrapper.fit(lab, lambda bench: _on_bench(bench, ctx)) if wrapper is not None else None
    if trains or recipe.before or recipe.after or fitted is None:
        _save(lab, ctx, edited=bool(recipe.before or recipe.after))
    if fitted is not None and plan is not None:
        wrapping.save(plan, fitted, ctx.out / "adapter")
        curve = fitted.curve or curve
    write_curve(curve, ctx.out / "curve.json")
    last = {f"last_{name}": value for name, value in (curve.steps[-1] if curve.steps else {}).items()}
    return {"steps": len(curve.steps), "ended": curve.ended, **last, **lab.notes}


def _train(config: UnlearnConfig, lab: Lab, objective: Objective, strangers: float, ctx: Context) -> Curve:
    """The gradient steps of the recipe; leaves what was trained in `lab.trained`.

    They are what a stopped cell takes up again. All before and after them (edits, probes, the answers of gold) is done
    again, which gives the same; so is what a wrapper does without the recipe's terms.
    """
    trainer = Trainer(lab.vlm, config.adapter, config.optim, lab.where, micro=config.micro_batch)
    lab.trained = trainer.trained
    for make_ready in lab.at_start:
        make_ready()
    trainer.rules = [*_rules(lab), *lab.rules]
    compared.training_begins(objective, trainer)
    with remembered(adapters.core(trainer.trained)):
        return fit(
            trainer,
            lambda step: objective.step(trainer, step),
            progress=ctx.progress,
            stop=stopper(config.stop, lambda: strangers),
            part=ctx.keep.part("train"),
            others=[objective, Figures(lab.notes)],
        )


def _on_bench(bench: Lab, ctx: Context) -> Curve:
    """The recipe's terms on a bench of a wrapper's own: another model, or a part of the people."""
    objective = Objective(bench.config, bench.benchmark, bench.encoder, bench.streams)
    objective.oracle = _gold(objective, ctx)
    strangers = 0.0
    if bench.config.stop.strangers:
        strangers = strangers_nll(objective, lambda s: _plain(bench.vlm, bench.encoder, s), bench.benchmark)
    objective.reference = compared.before_unlearning(objective, bench.vlm, edited=False)
    return _train(bench.config, bench, objective, strangers, ctx)


def _rules(lab: Lab) -> list[Any]:
    found = []
    for rule in lab.config.recipe.rules:
        part = parts.RULES.named(rule.rule, "rule")
        found.append(code_of(part.run)(lab, **arguments(part, rule.args, lab.config.params)))
    return found


# ----------------------------------------------------------------------- the models to compare with


def _gold(objective: Objective, ctx: Context) -> Reference | None:
    """The gold model's answers, if a term asks for them.

    Raises:
        MissingInput: one does, and the gold model was not given.
    """
    if "oracle logits" not in objective.needs:
        return None
    if "gold" not in ctx.inputs:
        raise MissingInput(f"{objective.config.method} learns from the gold model, and none was given")
    loaded = load(ctx.input("base"), objective.config.loading)
    return compared.gold(objective, VLM(adapters.merge(loaded.model, ctx.input("gold")), loaded.processor))


def _plain(vlm: VLM, encoder: Encoder, samples: Sequence[Sample]) -> Out:
    """The model's answers as it is, without gradients."""
    with torch.no_grad():
        return answers(AnswerModel(vlm.model, vlm.image_token), encoder.batch(samples).to(vlm.device))


# ------------------------------------------------------------------------------------------- saving


def _save(lab: Lab, ctx: Context, *, edited: bool) -> None:
    """The adapter of a training; if edits changed weights of the imprint, every one that is no longer the imprint's.

    Raises:
        StudyError: the edits changed nothing.
    """
    folder = ctx.out / "adapter"
    if lab.trained is not None and not edited:
        adapters.save(lab.trained, folder)
        return
    assert lab.imprint is not None
    before = lab.imprint()
    if hasattr(lab.trained, "peft_config") and not adapters.changed(before, adapters.core(lab.trained)):
        adapters.save(lab.trained, folder)  # the edits changed the adapter alone
        return
    model = adapters.merged(lab.trained) if lab.trained is not None else lab.vlm.model
    changed = adapters.changed(before, model)
    if not changed:
        raise StudyError(f"{lab.config.method} changed no weight", "its selector, score or rate found nothing to do")
    adapters.save_weights(changed, folder)
