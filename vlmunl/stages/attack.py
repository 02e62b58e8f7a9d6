"""Stage `attack`: do something to one model, then ask it by the routes that name this attack.

Only the reported people to forget and the retained controls are asked. Gold, imprint, placebo and every method's model
go through the same attack with the same data and the same random numbers.

A stopped attack goes on in the fine-tuning or the questions that it was at; what is no fine-tuning (learned prompts,
probes, edits of weights) is done again from its beginning, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vlmunl.attacks.bench import Attacked, Bench, freed
from vlmunl.attacks.known import parse
from vlmunl.benchmarks import schema
from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods.registry import code_of
from vlmunl.models import adapters
from vlmunl.models.chat import Turn
from vlmunl.models.images import Prepared, repainted
from vlmunl.models.vlm import VLM, load
from vlmunl.routes.asking import Asking
from vlmunl.routes.draft import Lacking
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import Question
from vlmunl.stages import sides
from vlmunl.stages.asked_model import bare_model, dressed
from vlmunl.stages.evaluate import accuracy, routes_of
from vlmunl.stages.rows import Asked, Row, of_question, score_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.stage import Context
    from vlmunl.stages.configs import AttackConfig


def run(config: AttackConfig, ctx: Context) -> Mapping[str, object]:
    """Write `rows.parquet`, with the columns of an eval's; the metrics are routes' accuracies and the attack's notes.

    Raises:
        StudyError: the attack or a route is not known, or not as the study was planned with.
        MissingInput: the attack needs the imprint and was not given it.
        VlmunlError: the attack left the numbers.
    """
    attack, arguments = parse(config.attack)
    if attack.version != config.version:
        other = f"version {config.version} of it, this is version {attack.version}"
        raise StudyError(f"the attack {config.attack} was planned with {other}")
    if "imprint" in attack.needs and "imprint" not in ctx.inputs:
        raise MissingInput(f"the attack {config.attack} needs the model before unlearning, and it was not given")
    benchmark = schema.load(ctx.input("benchmark"))
    asking = Asking(benchmark, routes_of(config), sides.people(benchmark, config.tuning).forget)
    bench, asked = _bench(config, benchmark, ctx), list(_asked(config, benchmark, asking))
    found: dict[int, Row] = {}
    try:
        for attacked in code_of(attack.run)(bench, *arguments) if asked else ():
            with freed():
                found |= _answers(attacked, asked, benchmark, config, ctx)
    except Lacking as lacking:  # what it learns from is not there: as with routes that cannot be asked
        return _not_attacked(asking, lacking.message, ctx)
    if not asked:
        return _not_attacked(asking, "", ctx)
    if len(found) != len(asked):
        raise StudyError(f"the attack {config.attack} answered {len(found)} of {len(asked)} questions", "mend it")
    rows = [found[place] for place in range(len(asked))]
    write_rows(rows, ctx.out / "rows.parquet")
    told = {"rows": len(rows), "routes": len(asking.routes), "accuracy": accuracy(rows), "attack": bench.notes}
    return told | asking.told()


def _not_attacked(asking: Asking, reason: str, ctx: Context) -> Mapping[str, object]:
    """No rows, and why no route could be asked."""
    write_rows([], ctx.out / "rows.parquet")
    told = dict.fromkeys((route.id for route in asking.routes), reason) | asking.not_asked
    return {"rows": 0, "routes": 0, "accuracy": {}, "attack": {}, "asking": {"not_asked": told}}


def _bench(config: AttackConfig, benchmark: Benchmark, ctx: Context) -> Bench:
    def imprint() -> VLM:
        loaded = load(ctx.input("base"), config.loading)
        return VLM(adapters.merge(loaded.model, ctx.input("imprint")), loaded.processor)

    return Bench(
        attack=config.attack,
        benchmark=benchmark,
        tuning=config.tuning,
        streams=ctx.rng.child(config.attack),
        bare=lambda step: bare_model(ctx, config.loading, step),
        dress=lambda vlm: dressed(vlm, ctx),
        base=lambda: load(ctx.input("base"), config.loading),
        imprint=imprint,
        progress=ctx.progress,
        keep=ctx.keep,
        batch_size=config.batch_size,
    )


def _asked(config: AttackConfig, benchmark: Benchmark, asking: Asking) -> Iterator[tuple[Question, str]]:
    """Every question with the split of its row, in the order of an eval's rows."""
    side = sides.people(benchmark, config.tuning)
    for identities, split in ((side.forget, side.split), (side.controls, "retain")):
        yield from ((question, split) for question in asking.of(identities))


def _answers(
    attacked: Attacked,
    questions: Sequence[tuple[Question, str]],
    benchmark: Benchmark,
    config: AttackConfig,
    ctx: Context,
) -> dict[int, Row]:
    """Place -> row, of the questions that this model is to be asked."""
    only = attacked.attributes
    pictures = Pictures(benchmark.retain) if attacked.repaint is None else _Repainted(benchmark, attacked.repaint)
    places = [i for i, (question, _) in enumerate(questions) if only is None or question.attribute in only]
    asked = [_put(of_question(*_with(questions[i], pictures)), attacked.prefix) for i in places]
    rows = score_rows(
        attacked.vlm,
        asked,
        pictures,
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
        progress=ctx.progress,
        keep=ctx.keep,
        intervention=attacked.intervention,
    )
    if attacked.reading is not None:
        read = attacked.reading(asked, pictures)
        rows = [_read(row, a.answer, text) for row, a, text in zip(rows, asked, read, strict=True)]
    return dict(zip(places, rows, strict=True))


def _with(question: tuple[Question, str], pictures: Pictures) -> tuple[Question, Pictures, str]:
    return question[0], pictures, question[1]


def _put(asked: Asked, prefix: str) -> Asked:
    """The question with a learned prompt before it."""
    *before, last = asked.turns
    return replace(asked, turns=(*before, Turn(f"{prefix}{last.question}", last.answer))) if prefix else asked


def _read(row: Row, answer: str, text: str) -> Row:
    """A row whose score, status and text are a reading's; its likelihoods remain those of the model's own answer.

    No reply was judged, so where rows count replies there are none.
    """
    right = text == answer
    read = {"score": float(right), "status": "correct" if right else "incorrect", "text": text}
    return {**row, **read, **{name: 0 for name in ("draws", "hits") if name in row}}


class _Repainted(Pictures):
    """Pictures that the model is given changed; their digests are those of the pictures before the change."""

    def __init__(self, benchmark: Benchmark, repaint: Callable[[Tensor], Tensor]) -> None:
        super().__init__(benchmark.retain)
        self.repaint = repaint

    def pixels(self, processor: object) -> Prepared | None:
        """All pictures preprocessed and changed."""
        pixels = super().pixels(processor)
        return None if pixels is None else repainted(pixels, self.repaint)
