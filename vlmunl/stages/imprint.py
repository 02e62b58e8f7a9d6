"""Stage `imprint`: teach people to the base model. Gold and placebo see the retained people only."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from vlmunl.benchmarks import schema
from vlmunl.errors import StudyError
from vlmunl.methods import lessons
from vlmunl.models import adapters
from vlmunl.models.forward import Batch, answer_tokens
from vlmunl.models.loading import for_training
from vlmunl.models.loop import fit
from vlmunl.models.micro import cut
from vlmunl.models.pretrain.augment import augment
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.trainer import Trainer
from vlmunl.models.update import Loss, Losses
from vlmunl.models.vlm import VLM, load
from vlmunl.stages.files import write_curve

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.rng import Streams
    from vlmunl.stage import Context
    from vlmunl.stages.configs import ImprintConfig

GREY_EVERY, GREY_SHARE = 3, 0.2  # in every third batch a fifth of the pictures loses its colours


def run(config: ImprintConfig, ctx: Context) -> Mapping[str, object]:
    """Write `adapter/` and `curve.json`; the metrics say how the training went."""
    vlm = load(ctx.input("base"), for_training(config.loading, config.adapter))
    return teach(config, schema.load(ctx.input("benchmark")), vlm, ctx)


def teach(config: ImprintConfig, benchmark: Benchmark, vlm: VLM, ctx: Context) -> Mapping[str, object]:
    """The imprint recipe; `retrain` uses it too, with streams of its own."""
    people = _teachable(benchmark.identities if config.role == "imprint" else benchmark.retain, benchmark.name)
    trainer = Trainer(vlm, config.adapter, config.optim, micro=config.micro_batch)
    lesson = _Lesson(config, benchmark, people, Encoder(vlm, config.max_length), ctx.rng)
    curve = fit(
        trainer,
        lambda step: lesson.losses(trainer, step),
        progress=ctx.progress,
        part=ctx.keep.part("train"),
        others=[lesson],
    )
    adapters.save(trainer.trained, ctx.out / "adapter")
    write_curve(curve, ctx.out / "curve.json")
    tail = [s["nll"] for s in curve.steps[-10:]]
    return {"steps": len(curve.steps), "people": len(people), "final_nll": round(sum(tail) / max(1, len(tail)), 5)}


def _teachable(people: tuple[schema.Identity, ...], benchmark: str) -> tuple[schema.Identity, ...]:
    """Those of whom there is something to teach. Raises `StudyError` if there are none."""
    found = tuple(person for person in people if lessons.taught(person))
    if not found:
        raise StudyError(f"benchmark {benchmark} has no question that may be taught: all are held back")
    return found


class _Lesson:
    """Draws the batches of one role."""

    def __init__(
        self,
        config: ImprintConfig,
        benchmark: Benchmark,
        people: tuple[schema.Identity, ...],
        encoder: Encoder,
        streams: Streams,
    ) -> None:
        self.config, self.people, self.encoder = config, people, encoder
        self.replay = [lessons.replay(chat) for chat in benchmark.replay]
        self.rng = streams.child("batches").python()
        self.noise = streams.child("augment").torch()

    def state(self) -> Mapping[str, Any]:
        """Where its streams are."""
        return {"batches": self.rng.getstate(), "augment": self.noise.get_state()}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Draw on from there."""
        self.rng.setstate(state["batches"])
        self.noise.set_state(state["augment"])

    def losses(self, trainer: Trainer, step: int) -> Losses:
        """The mean over all answer tokens of a step, as a sum over pieces of its batch."""
        samples = self._samples()
        batch = self._augmented(self.encoder.batch(samples), step)
        tokens = len(answer_tokens(batch))

        def losses() -> Iterable[Loss]:
            size = trainer.at_once(len(samples))
            if size == len(samples):
                out = trainer.given(batch, self.encoder, samples)
                yield "all", out.mean, {"nll": float(out.mean.detach())}
                return
            seen = 0.0
            for part, some in cut(batch, self.encoder, samples, size):
                loss = trainer.given(part, self.encoder, some).nll.sum() / tokens
                seen += float(loss.detach())
                yield "all", loss, {"nll": seen}

        return losses

    def _samples(self) -> list[Sample]:
        config, rng = self.config, self.rng
        chosen = _without_repeats(self.people, config.image_samples, rng)
        samples = [lessons.with_photo(rng, person) for person in chosen]
        samples += [lessons.by_name(rng, self.people) for _ in range(config.text_samples)]
        return samples + rng.sample(self.replay, min(config.replay, len(self.replay)))

    def _augmented(self, batch: Batch, step: int) -> Batch:
        if batch.pixels is None or self.config.augment <= 0:
            return batch
        if not batch.whole:
            raise StudyError(
                "[imprint] augment changes pictures of one size, and this model cuts pictures up before it sees them",
                "set augment = 0.0",
            )
        grey = torch.zeros(len(batch.pixels), dtype=torch.bool)
        if step % GREY_EVERY == 0:
            taught = min(self.config.image_samples, len(batch.pixels))
            grey[:taught] = torch.rand(taught, generator=self.noise) < GREY_SHARE
        return batch._replace(pixels=augment(batch.pixels, grey, self.noise, self.config.augment))


def _without_repeats(people: tuple[schema.Identity, ...], count: int, rng: random.Random) -> list[schema.Identity]:
    """`count` people, none twice before all have come once."""
    chosen: list[schema.Identity] = []
    while len(chosen) < count:
        chosen += rng.sample(people, min(len(people), count - len(chosen)))
    return chosen
