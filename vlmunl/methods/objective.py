"""A recipe at work: the batches of each step, one forward per view, and the terms on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import StudyError
from vlmunl.methods import views
from vlmunl.methods.language import SIDES, Recipe, Side, Term, arguments, stream_of, value_of
from vlmunl.methods.losses.seen import Loss as LossFunction
from vlmunl.methods.losses.seen import Seen
from vlmunl.methods.parts import LOSSES, TRANSFORMS
from vlmunl.methods.reference import Reference
from vlmunl.methods.registry import code_of
from vlmunl.methods.views import Drawn
from vlmunl.models.answers import Out
from vlmunl.models.loop import Loss, Losses, Trainer
from vlmunl.models.samples import Encoder, Sample
from vlmunl.rng import Streams
from vlmunl.stages.configs import UnlearnConfig

Drawing = Mapping[str, list[Drawn]]
"""Stream -> the samples of one step."""


@dataclass(frozen=True)
class Bound:
    """A term with its code and its numbers."""

    term: Term
    loss: LossFunction
    needs: frozenset[str]
    args: Mapping[str, float]
    weight: float

    @property
    def refers(self) -> bool:
        """Does it read the reference's answers on its own view?"""
        return any(need.startswith("reference") for need in self.needs)

    @property
    def refers_to_other(self) -> bool:
        """Does it read the reference's answers on its other view?"""
        return any(need.startswith("other reference") for need in self.needs)

    @classmethod
    def of(cls, term: Term, params: Mapping[str, float]) -> Bound:
        """Look everything up."""
        part = LOSSES.named(term.loss, "loss")
        args = arguments(part, term.args, params)
        weight = value_of(term.weight, params, f"the weight of {term.loss}")
        return cls(term, code_of(part.run), frozenset(part.needs), args, weight)


@dataclass
class Batches:
    """Draws the samples of each step, always the same for the same streams; `again` starts anew."""

    config: UnlearnConfig
    benchmark: Benchmark
    streams: Streams
    names: Sequence[str]
    draws: dict[str, views.Draw] = field(init=False)
    rngs: dict[str, random.Random] = field(init=False)

    def __post_init__(self) -> None:
        c = self.config
        self.draws = {n: views.stream(n, c.views, self.benchmark, c.held_out) for n in self.names}
        self.rngs = {n: self.streams.child("batches", n).python() for n in self.names}

    def again(self) -> Batches:
        """The same batches from the first step on."""
        return Batches(self.config, self.benchmark, self.streams, self.names)

    def next(self, sides: Sequence[Side]) -> Drawing:
        """The samples of the next step, for the sides that have a turn."""
        mine = [n for n in self.names if ("forget" if n == "forget" else "retain") in sides]
        return {n: self.draws[n](self.rngs[n], self.config.batch) for n in mine}


class Objective:
    """The losses of every step of a recipe."""

    def __init__(self, config: UnlearnConfig, benchmark: Benchmark, encoder: Encoder, streams: Streams) -> None:
        self.config, self.benchmark, self.encoder, self.streams = config, benchmark, encoder, streams
        self.recipe: Recipe = config.recipe
        self.terms = [Bound.of(term, config.params) for term in self.recipe.terms]
        self.needs = frozenset(need for bound in self.terms for need in bound.needs)
        names = dict.fromkeys(stream_of(view) for view in self.recipe.views())
        self.batches = Batches(config, benchmark, streams, tuple(names))
        self.layer = -1
        self.duals: dict[int, float] = {}
        self.bounds: dict[int, float] = {}
        self.reference: Reference | None = None
        self.oracle: Reference | None = None
        self._directions: dict[int, Tensor] = {}

    # ------------------------------------------------------------------------------ whose turn it is

    def sides(self, step: int) -> tuple[Side, ...]:
        """The sides that have a turn in a step."""
        schedule = self.recipe.schedule
        if schedule == "joint":
            return SIDES
        if schedule == "alternate":
            return (SIDES[step // self.recipe.every % 2],)
        epochs = [-(-views.size_of(side, self.benchmark) // self.config.batch) for side in SIDES]
        return (SIDES[0] if step % sum(epochs) < epochs[0] else SIDES[1],)

    def foreseen(self, steps: int) -> Iterable[Sample]:
        """Every sample that the reference will be asked for in so many steps."""
        batches = self.batches.again()
        for step in range(steps):
            drawing = batches.next(self.sides(step))
            for bound in self.terms:
                if stream_of(bound.term.view) in drawing:
                    yield from (s for view in self._referred(bound) for s in self.samples(view, drawing))

    def _referred(self, bound: Bound) -> list[str]:
        found = [bound.term.view] if bound.refers or "oracle logits" in bound.needs else []
        return found + ([bound.term.other] if bound.refers_to_other and bound.term.other else [])

    # ------------------------------------------------------------------------------------ the losses

    def step(self, trainer: Trainer, index: int) -> Losses:
        """The losses of a step; asked again they are of the same batches."""
        sides = self.sides(index)
        drawing = self.batches.next(sides)

        def losses() -> Iterable[Loss]:
            for view in dict.fromkeys(b.term.view for b in self.terms):
                if stream_of(view) in drawing:
                    yield from self._on_view(trainer, view, drawing, index)

        return losses

    def samples(self, view: str, drawing: Drawing) -> list[Sample]:
        """The samples of a view, whose stream has been drawn."""
        drawn = drawing[stream_of(view)]
        if "." not in view:
            return [d.sample for d in drawn]
        transform = TRANSFORMS.named(view.partition(".")[2], "view")
        return views.transformed(drawn, transform, self.streams.child("views"), self.benchmark)

    def _on_view(self, trainer: Trainer, view: str, drawing: Drawing, index: int) -> Iterable[Loss]:
        """One loss for the terms of a view, and one more for those that only show their gradient to the rules."""
        mine = [b for b in self.terms if b.term.view == view]
        samples = self.samples(view, drawing)
        for constraint in (False, True):
            terms = [b for b in mine if b.term.constraint is constraint]
            if not terms:
                continue
            out = self._asked(trainer, samples, terms)
            figures = {f"{view}_nll": float(out.mean.detach())} if out.answered else {}
            others = {n: self._asked(trainer, self.samples(n, drawing), ()) for n in _others(terms)}
            total = out.tokens.new_zeros((), dtype=torch.float32)
            for bound in terms:
                value = self._value(bound, out, samples, others, drawing)
                if bound.term.dual is not None:
                    figures[f"{view}_weight"] = self._moved_dual(bound, float(value.detach()), index)
                total = total + self._weight(bound) * value
            side = "constraint" if constraint else terms[0].term.side
            yield side, total, figures

    def _asked(self, trainer: Trainer, samples: Sequence[Sample], terms: Sequence[Bound]) -> Out:
        inner = [b for b in terms if "layer" in b.needs]
        layers = (self.layer,) if inner else ()
        return trainer.out(self.encoder.batch(samples), layers, stop=bool(inner) and len(inner) == len(terms))

    def _value(
        self, bound: Bound, out: Out, samples: Sequence[Sample], others: Mapping[str, Out], drawing: Drawing
    ) -> Tensor:
        ref = self.reference.of(samples) if self.reference is not None and bound.refers else None
        oracle = self.oracle.of(samples) if self.oracle is not None and "oracle logits" in bound.needs else None
        other_ref = None
        if bound.refers_to_other and bound.term.other is not None and self.reference is not None:
            other_ref = self.reference.of(self.samples(bound.term.other, drawing))
        out, ref = self._unfinished(bound, out, ref)
        if out.samples == 0:
            return out.tokens.new_zeros((), dtype=torch.float32)
        other = others.get(bound.term.other) if bound.term.other else None
        seen = Seen(out, ref, other, other_ref, oracle, self.layer, self.direction)
        return bound.loss(seen, **bound.args)

    def _unfinished(self, bound: Bound, out: Out, ref: Out | None) -> tuple[Out, Out | None]:
        """Without the samples that are forgotten already, when the study stops each by itself."""
        limit = self.config.stop.each
        lone = bound.term.other is None and "oracle logits" not in bound.needs and out.answered
        if limit <= 0 or bound.term.side != "forget" or not lone:
            return out, ref
        keep = (out.total / out.lengths.clamp(min=1)).detach() <= limit
        return out.only(keep), ref.only(keep) if ref is not None else None

    # ------------------------------------------------------------------------------- weights, vectors

    def _weight(self, bound: Bound) -> float:
        return self.duals.get(id(bound), bound.weight) if bound.term.dual is not None else bound.weight

    def _moved_dual(self, bound: Bound, value: float, index: int) -> float:
        """The dual weight after this step's loss was seen (one step of projected ascent)."""
        dual, params = bound.term.dual, self.config.params
        assert dual is not None
        numbers = (value_of(n, params, "a dual weight") for n in (dual.start, dual.slack, dual.rate, dual.warmup))
        start, slack, rate, warmup = numbers
        bound_at = self.bounds.setdefault(id(bound), slack * value)
        weight = self.duals.setdefault(id(bound), start)
        if index >= warmup:
            self.duals[id(bound)] = max(0.0, weight + rate * (value - bound_at))
        return self.duals[id(bound)]

    def direction(self, size: int) -> Tensor:
        """A fixed random unit vector (size,), from a normal distribution so that no orthant is preferred."""
        if size not in self._directions:
            drawn = torch.randn(size, generator=self.streams.child("direction").torch())
            self._directions[size] = drawn / drawn.norm()
        return self._directions[size]


def _others(terms: Sequence[Bound]) -> list[str]:
    return list(dict.fromkeys(b.term.other for b in terms if b.term.other is not None and "other" in b.needs))


def strangers_nll(
    objective: Objective, ask: Callable[[Sequence[Sample]], Out], benchmark: Benchmark, chunk: int = 64
) -> float:
    """Mean NLL of the canonical questions on people whom no model was taught, in nats per answer token.

    Raises:
        StudyError: the benchmark has no such people.
    """
    if not benchmark.unseen:
        raise StudyError(
            f"benchmark {benchmark.name} has no people that were never taught", "use stop.forget_nll instead"
        )
    samples = [d.sample for d in views.canonical(benchmark.unseen)]
    total, count = 0.0, 0
    for start in range(0, len(samples), chunk):
        out = ask(samples[start : start + chunk])
        total, count = total + float(out.nll.sum()), count + len(out.tokens)
    return total / count
