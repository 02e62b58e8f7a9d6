"""Relearning: a short fine-tuning on something else than what is asked afterwards.

All three train a LoRA of rank 16 on the language model and the projector, by AdamW, and merge it. Unlearned and gold
models draw the same samples in the same order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from vlmunl.attacks.bench import Attacked, Attackers, Bench
from vlmunl.benchmarks.schema import Identity
from vlmunl.methods import lessons
from vlmunl.models import adapters
from vlmunl.models.chat import Turn
from vlmunl.models.frozen_vision import remembered
from vlmunl.models.loop import fit
from vlmunl.models.resume import Stream
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.trainer import Trainer
from vlmunl.models.update import Diverged, Loss, Losses
from vlmunl.models.vlm import VLM
from vlmunl.rng import isolated
from vlmunl.routes.draft import Lacking
from vlmunl.stages.configs import FORMATS, Adapter, Optim

LR, WARMUP = 2e-3, 2
PHOTOS, NAMES, CHATS = 8, 4, 16
"""Samples of a step: photos with many facts of a person each, packs of questions by name, generic conversations."""

Draw = Callable[[random.Random], list[Sample]]


def people(bench: Bench, steps: int) -> Attackers:
    """Learn the people set aside by photo and by name; the reported people are asked."""
    aside = bench.aside

    def draw(rng: random.Random) -> list[Sample]:
        chosen = rng.sample(aside, min(PHOTOS, len(aside)))
        by_photo = [lessons.with_photo(rng, person) for person in chosen]
        return by_photo + [lessons.by_name(rng, aside) for _ in range(NAMES)]

    yield Attacked(*bench.dress(tuned(bench, steps, draw, "people")))


def attributes(bench: Bench, steps: int) -> Attackers:
    """Learn every second attribute of the reported people to forget and ask about the others, then the other way round.

    Raises:
        Lacking: a person has fewer than two facts.
    """
    asked = bench.reported.forget
    names = list(dict.fromkeys(fact.attribute for person in asked for fact in person.facts))
    if len(names) < 2:
        raise Lacking(f"{bench.attack} needs people with at least two facts", "leave its routes out")
    for fold in (0, 1):
        learned = frozenset(names[fold::2])

        def draw(rng: random.Random, learned: frozenset[str] = learned) -> list[Sample]:
            those = [person for person in asked if lessons.taught(person, only=learned)]
            chosen = rng.sample(those, min(PHOTOS, len(those)))
            return [_about(rng, person, learned) for person in chosen]

        vlm, intervention = bench.dress(tuned(bench, steps, draw, f"fold{fold}"))
        yield Attacked(vlm, intervention, attributes=frozenset(names) - learned)


def unrelated(bench: Bench, steps: int) -> Attackers:
    """Learn the benchmark's generic conversations.

    Raises:
        Lacking: the benchmark has none.
    """
    replay = [lessons.replay(chat) for chat in bench.benchmark.replay]
    if not replay:
        raise Lacking(f"{bench.attack} learns from generic conversations, and this benchmark has none")

    def draw(rng: random.Random) -> list[Sample]:
        return rng.sample(replay, min(CHATS, len(replay)))

    yield Attacked(*bench.dress(tuned(bench, steps, draw, "unrelated")))


def _about(rng: random.Random, person: Identity, learned: frozenset[str]) -> Sample:
    """One photo with some facts of a person in random order and wordings."""
    prompts = [lessons.trained_prompt(rng, fact, FORMATS) for fact in lessons.taught(person, only=learned)]
    calls = (*lessons.SHOWN, person.name) if lessons.is_shown(person) else (person.name,)
    turns = [Turn(p.ask(rng.choice(calls)), p.answer) for p in prompts]
    rng.shuffle(turns)
    return Sample(tuple(turns), lessons.trained_photo(rng, person))


def tuned(bench: Bench, steps: int, draw: Draw, name: str) -> VLM:
    """The bare model after so many steps on what `draw` draws.

    Raises:
        VlmunlError: the loss is not a finite number.
    """
    vlm, streams = bench.bare(1.0), bench.streams.child(name)
    encoder, rng = Encoder(vlm), streams.child("batches").python()
    with isolated(streams.child("init"), torch=True):
        trainer = Trainer(vlm, Adapter(), Optim(steps=steps, lr=LR, warmup=WARMUP))

    def losses(samples: Sequence[Sample]) -> Losses:
        def made() -> Iterable[Loss]:
            out = trainer.asked(encoder, samples)
            yield "all", out.mean, {"nll": float(out.mean.detach())}

        return made

    try:
        with remembered(adapters.core(trainer.trained)):
            curve = fit(
                trainer,
                lambda step: losses(draw(rng)),
                progress=bench.progress,
                part=bench.keep.part("train"),
                others=[Stream(rng)],
            )
    except Diverged as error:
        done = len(error.details.get("curve", ()))
        raise bench.refused(float("nan"), done + 1) from error
    bench.notes |= {f"{name}_first_nll": curve.steps[0]["nll"], f"{name}_last_nll": curve.steps[-1]["nll"]}
    model = adapters.merged(trainer.trained).requires_grad_(False)
    return VLM(model.eval(), vlm.processor)
