"""Stage `unlearn`: apply one method to the imprint (or, to retrain, start again from the base model)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vlmunl.benchmarks import schema
from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods import views
from vlmunl.methods.recipes import Recipe, recipe_of
from vlmunl.methods.specs import METHODS
from vlmunl.models import adapters
from vlmunl.models.loop import Loss, Trainer, fit
from vlmunl.models.samples import Encoder
from vlmunl.models.vlm import VLM, load
from vlmunl.stages.files import write_curve
from vlmunl.stages.imprint import teach

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.stage import Context
    from vlmunl.stages.configs import UnlearnConfig


def run(config: UnlearnConfig, ctx: Context) -> Mapping[str, object]:
    """Write `adapter/` and `curve.json`. The adapter goes on top of the imprint's, or on the base to retrain.

    Raises:
        StudyError: the method is not known, or it starts from the base model and there is no recipe for that.
        MissingInput: the method starts from the imprint, and no imprint was given.
    """
    benchmark, vlm = schema.load(ctx.input("benchmark")), load(ctx.input("base"))
    recipe = recipe_of(config.method)
    if METHODS[config.method].start == "base":
        if config.lesson is None:
            raise StudyError(f"{config.method} starts from the base model, and no imprint recipe was given")
        return teach(config.lesson, benchmark, vlm, ctx)
    if "imprint" not in ctx.inputs:
        raise MissingInput(f"{config.method} starts from an imprint, and none was given")
    imprinted = VLM(adapters.merge(vlm.model, ctx.input("imprint")), vlm.processor)
    return _unlearn(config, recipe, benchmark, imprinted, ctx)


def _unlearn(
    config: UnlearnConfig, recipe: Recipe, benchmark: Benchmark, vlm: VLM, ctx: Context
) -> Mapping[str, object]:
    trainer = Trainer(vlm, config.adapter, config.optim)
    objective = Objective(config, recipe, benchmark, Encoder(vlm), ctx)
    curve = fit(trainer, lambda step: objective.losses(trainer), progress=ctx.progress, stop=config.stop)
    adapters.save(trainer.trained, ctx.out / "adapter")
    write_curve(curve, ctx.out / "curve.json")
    last = curve.steps[-1] if curve.steps else {}
    return {"steps": len(curve.steps), "ended": curve.ended, **{f"last_{k}": v for k, v in last.items()}}


class Objective:
    """A recipe on its views: the forget and the retain batch of each step, and the terms on them."""

    def __init__(
        self, config: UnlearnConfig, recipe: Recipe, benchmark: Benchmark, encoder: Encoder, ctx: Context
    ) -> None:
        self.recipe, self.params, self.size, self.encoder = recipe, config.params, config.batch, encoder
        self.used = tuple(dict.fromkeys(term.view for term in recipe))
        self.draws = {name: views.view(config.views, benchmark, name, config.held_out) for name in self.used}
        self.rngs = {name: ctx.rng.child("batches", name).python() for name in self.used}

    def losses(self, trainer: Trainer) -> Iterable[Loss]:
        """One loss per view, each with the NLL of its batch."""
        for name in self.used:
            batch = self.encoder.batch(self.draws[name](self.rngs[name], self.size))
            mine = [term for term in self.recipe if term.view == name]
            reference = trainer.reference(batch) if any(t.needs_reference for t in mine) else None
            out = trainer.out(batch)
            loss = sum((t.weighted(out, reference, self.params) for t in mine), start=out.logits.new_zeros(()))
            yield loss, {f"{name}_nll": float(out.mean.detach())}
