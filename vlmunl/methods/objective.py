"""A recipe at work: the batches of each step, one forward per view, and the terms on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import StudyError
from vlmunl.methods import views
from vlmunl.methods.batches import Batches, Drawing, turns
from vlmunl.methods.duals import DualWeight
from vlmunl.methods.language import FORGET, RETAIN, Effect, Recipe, Side, Term, arguments, stream_of, value_of
from vlmunl.methods.losses.seen import Loss as LossFunction
from vlmunl.methods.losses.seen import Seen
from vlmunl.methods.parts import LOSSES, TRANSFORMS, refuse_held_out
from vlmunl.methods.reference import Reference
from vlmunl.methods.registry import code_of
from vlmunl.models.answers import Out
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.trainer import Trainer
from vlmunl.models.update import Loss, Losses
from vlmunl.models.update import Side as LossSide
from vlmunl.rng import Streams
from vlmunl.stages.configs import UnlearnConfig

_STOPPABLE = ("forgets", "flattens", "answers")
"""Effects of terms that have done their work on a sample once its answer is unlikely enough."""


@dataclass(frozen=True)
class Bound:
    """A term with its code and its numbers."""

    term: Term
    loss: LossFunction
    needs: frozenset[str]
    args: Mapping[str, float]
    weight: float
    effect: Effect

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
        return cls(term, code_of(part.run), frozenset(part.needs), args, weight, part.effect)


class Objective:
    """The losses of every step of a recipe."""

    def __init__(self, config: UnlearnConfig, benchmark: Benchmark, encoder: Encoder, streams: Streams) -> None:
        self.config, self.benchmark, self.encoder, self.streams = config, benchmark, encoder, streams
        self.recipe: Recipe = config.recipe
        self.terms = [Bound.of(term, config.params) for term in self.recipe.terms]
        self.needs = frozenset(need for bound in self.terms for need in bound.needs)
        self.watched = self._watched()
        names = dict.fromkeys([*(stream_of(view) for view in self.recipe.views()), *self.watched])
        self.batches = Batches(config, benchmark, streams, tuple(names))
        self.layer = -1
        self.duals = {id(b): DualWeight.of(b.term.dual, config.params) for b in self.terms if b.term.dual is not None}
        self.reference: Reference | None = None
        self.oracle: Reference | None = None
        self._directions: dict[int, Tensor] = {}
        self._shown: dict[tuple[object, ...], Sample] = {}
        refuse_held_out(self.recipe, config.held_out)

    # ------------------------------------------------------------------------------ whose turn it is

    def sides(self, step: int) -> tuple[Side, ...]:
        """The sides that have a turn in a step."""
        return turns(self.recipe, self.benchmark, self.config.batch, step)

    def _watched(self) -> tuple[str, ...]:
        """The streams whose NLL the stop rule asks for, and no term tells."""
        stop = self.config.stop
        wanted = {FORGET: stop.forget_nll > 0 or stop.strangers > 0, RETAIN: stop.retain_rise > 0}
        told = {b.term.view for b in self.terms if "layer" not in b.needs}
        return tuple(stream for stream, asked in wanted.items() if asked and stream not in told)

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

    def state(self) -> Mapping[str, Any]:
        """What it remembers from step to step: dual weights, and what the reference was asked."""
        reference = self.reference.state() if self.reference is not None else None
        return {"duals": [dual.state() for dual in self.duals.values()], "reference": reference}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Go on after so many steps: their batches are drawn again."""
        for dual, kept in zip(self.duals.values(), state["duals"], strict=True):
            dual.resume(kept)
        if self.reference is not None:
            self.reference.resume(state["reference"])
        for step in range(steps):
            self.batches.next(self.sides(step))

    # ------------------------------------------------------------------------------------ the losses

    def step(self, trainer: Trainer, index: int) -> Losses:
        """The losses of a step; asked again they are of the same batches."""
        sides = self.sides(index)
        drawing = self.batches.next(sides)
        seen: dict[str, float] = {}
        for stream in self.watched:
            if stream in drawing:
                seen |= self._watch(trainer, stream, drawing)

        def losses() -> Iterable[Loss]:
            found = seen
            for view in dict.fromkeys(b.term.view for b in self.terms):
                if stream_of(view) in drawing:
                    for side, loss, figures in self._on_view(trainer, view, drawing, index):
                        yield side, loss, figures | found
                        found = {}

        return losses

    def _watch(self, trainer: Trainer, stream: str, drawing: Drawing) -> dict[str, float]:
        """The NLL of a stream that no term answers, for the stop rule."""
        with torch.no_grad():
            return {f"{stream}_nll": float(self._asked(trainer, self.samples(stream, drawing), ()).mean)}

    def samples(self, view: str, drawing: Drawing) -> list[Sample]:
        """The samples of a view, whose stream has been drawn; each is shown another way once, and remembered."""
        drawn = drawing[stream_of(view)]
        if "." not in view:
            return [d.sample for d in drawn]
        keys = [(view, d.place, d.sample) for d in drawn]
        new = {key: d for key, d in zip(keys, drawn, strict=True) if key not in self._shown}
        transform = TRANSFORMS.named(view.partition(".")[2], "view")
        made = views.transformed(list(new.values()), transform, self.streams.child("views"), self.benchmark)
        self._shown.update(zip(new, made, strict=True))
        return [self._shown[key] for key in keys]

    def _on_view(
        self, trainer: Trainer, view: str, drawing: Drawing, index: int
    ) -> Iterable[tuple[LossSide, Tensor, dict[str, float]]]:
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
                weight = bound.weight
                if bound.term.dual is not None:
                    weight = figures[f"{view}_weight"] = self.duals[id(bound)].at(index, float(value.detach()))
                if bound.needs:  # the NLL does not tell how it goes
                    figures[f"{view}_{bound.term.loss}"] = float(value.detach())
                total = total + weight * value
            yield "constraint" if constraint else terms[0].term.side, total, figures

    def _asked(self, trainer: Trainer, samples: Sequence[Sample], terms: Sequence[Bound]) -> Out:
        inner = [b for b in terms if "layer" in b.needs]
        layers = (self.layer,) if inner else ()
        return trainer.asked(self.encoder, samples, layers, stop=bool(inner) and len(inner) == len(terms))

    def _value(
        self, bound: Bound, out: Out, samples: Sequence[Sample], others: Mapping[str, Out], drawing: Drawing
    ) -> Tensor:
        ref = self.reference.of(samples) if self.reference is not None and bound.refers else None
        oracle = self.oracle.of(samples) if self.oracle is not None and "oracle logits" in bound.needs else None
        other_ref = None
        if bound.refers_to_other and bound.term.other is not None and self.reference is not None:
            other_ref = self.reference.of(self.samples(bound.term.other, drawing))
        other = others.get(bound.term.other) if bound.term.other else None
        seen = Seen(out, ref, other, other_ref, oracle, self.layer, self.direction)
        limit = self.config.stop.each
        if limit > 0 and bound.effect in _STOPPABLE and bound.term.side == FORGET and out.answered:
            seen = seen.only((out.total / out.lengths).detach() <= limit)  # forgotten samples teach nothing more
        if seen.out.samples == 0:
            return out.tokens.new_zeros((), dtype=torch.float32)
        return bound.loss(seen, **bound.args)

    # --------------------------------------------------------------------------------------- vectors

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
