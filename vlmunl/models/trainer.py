"""A model in training: its answers with gradients, and one update of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from vlmunl.methods.language import Where
from vlmunl.models import adapters
from vlmunl.models.answers import Out
from vlmunl.models.forward import AnswerModel, Batch, answers, head_of
from vlmunl.models.memory import OutOfMemory, Size, ran_out, remedies
from vlmunl.models.micro import pieces, rows, together
from vlmunl.models.prepared import accelerator, head_apart, prepared, rate
from vlmunl.models.ranks import Ranks, ranks
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.sharding import whole
from vlmunl.models.trained import described
from vlmunl.models.update import Diverged, GradientRule, Gradients, Losses, Side, Update
from vlmunl.models.vlm import VLM
from vlmunl.stage_env import note
from vlmunl.stages.configs import Adapter, Optim

T = TypeVar("T")


@dataclass
class Trainer:
    """A model in training: `out` runs it. Only layers that `where` names are trained, if it is given.

    `rules` are applied in their order; without any, the gradients of all losses are simply added up. At most `micro`
    samples are in one pass of one process (0: all), fewer where memory runs out. Where several processes work on the
    cell each computes a part of every batch (`vlmunl.models.ranks`).
    """

    vlm: VLM
    recipe: Adapter
    optim: Optim
    where: Where | None = None
    rules: Sequence[GradientRule] = ()
    micro: int = 0
    trained: Any = field(init=False)
    _net: Any = field(init=False)
    _accelerator: Any = field(init=False)
    _optimisers: tuple[Any, ...] = field(init=False)
    _size: Size = field(init=False)
    _ranks: Ranks = field(init=False)
    _head: Callable[[Tensor], Tensor] | None = field(init=False)

    def __post_init__(self) -> None:
        self._ranks = ranks()
        self._accelerator = accelerator(self.optim)
        self.trained = adapters.attach(self.vlm.model, self.recipe, self.where)
        net = AnswerModel(adapters.core(self.trained), self.vlm.image_token)
        self._head = head_apart(net.vlm) if self._ranks.sharded else None
        self._net, self._optimisers = prepared(self._accelerator, net, self.optim, self._ranks)
        self._net.train()
        self.weights = [p for p in self._net.parameters() if p.requires_grad]
        self._ranks.align(self.weights)
        self._size = Size("micro_batch", self.micro)
        note("trained", described(self.trained))

    def out(self, batch: Batch, layers: tuple[int, ...] = (), *, stop: bool = False) -> Out:
        """The model's answers on a batch, with gradients, all computed in this process."""
        here = batch.to(self._accelerator.device)
        if self._head is None:
            return answers(self._net, here, layers, stop=stop)
        # Divided weights come and go with whole passes, and the head's are not there between them.
        out = replace(answers(self._net, here, layers), head=self._head)
        return replace(out, given_logits=None, hidden=None) if stop else out

    def alike(self, batch: Batch, layers: tuple[int, ...] = ()) -> Out:
        """The model's answers on a batch that every process computes."""
        return self._ranks.agreed(lambda: self.out(batch, layers))

    def asked(
        self, encoder: Encoder, samples: Sequence[Sample], layers: tuple[int, ...] = (), *, stop: bool = False
    ) -> Out:
        """The answers to samples, with gradients; as many at once as there is room for."""
        size = self._size.saw(self._most(len(samples)))
        if self._ranks.alone:
            return together(lambda part: self.out(part, layers, stop=stop), pieces(encoder, samples, size))
        mine = self._ranks.share([sample.photo is not None for sample in samples])
        parts = pieces(encoder, [samples[i] for i in mine], len(mine) if self._ranks.sharded else size)
        own = self._ranks.agreed(lambda: together(lambda part: self.out(part, layers, stop=stop), parts))
        return self._ranks.whole(own, len(samples))

    def given(self, batch: Batch, encoder: Encoder, samples: Sequence[Sample]) -> Out:
        """The answers to a batch of samples whose pictures may have been changed, with gradients."""
        if self._ranks.alone:
            return self.out(batch)
        part = rows(batch, encoder, samples, self._ranks.share([sample.photo is not None for sample in samples]))
        return self._ranks.whole(self._ranks.agreed(lambda: self.out(part)), len(samples))

    def at_once(self, samples: int) -> int:
        """How many of so many samples to compute at once, by all processes together."""
        return min(samples, self._ranks.count * self._size.saw(self._most(samples)))

    @property
    def optimisers(self) -> tuple[Any, ...]:
        """Those that move the weights."""
        return self._optimisers

    @property
    def pieces(self) -> tuple[int, int]:
        """The most samples in one pass, as memory has allowed so far, and the largest batch that came."""
        return self._size.most, self._size.asked

    def resume_pieces(self, most: int, asked: int) -> None:
        """Go on with them."""
        self._size.most = most
        self._size.saw(asked)

    @property
    def head(self) -> Callable[[Tensor], Tensor]:
        """The head that answers come from."""
        return self._head or head_of(getattr(self._net, "module", self._net).vlm)

    def _most(self, samples: int) -> int:
        """The largest share of a process in so many samples."""
        return math.ceil(samples / self._ranks.count)

    @contextmanager
    def untrained(self) -> Iterator[None]:
        """The model as it was before this training, without gradients: its adapter is switched off meanwhile.

        Raises:
            ValueError: all weights are trained, so there is nothing to switch off.
        """
        if self.recipe.recipe == "full":
            raise ValueError("a model whose own weights are trained cannot be switched back")
        with torch.no_grad(), self.trained.disable_adapter():
            yield

    def step(self, index: int, losses: Losses) -> dict[str, float]:
        """One update. The losses are made and differentiated one after the other, so only one graph is alive.

        Raises:
            Diverged: a loss is not a finite number.
            OutOfMemory: there is no room for a single sample, or for the optimiser's state.
        """
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate(self.optim, index)
        figures: dict[str, float] = {}
        update = self._gradients(index, losses, figures) if self.rules else None
        if update is None:
            figures |= self._with_room(lambda: self._added_up(index, losses))
        else:
            for rule in self.rules:
                rule.before(update)
            self._add_up(update.gradients)
        norm = self._clipped()
        self._move()
        if update is not None:
            for rule in self.rules:
                rule.after(update)
        return figures | {"gradient_norm": norm}

    def _clipped(self) -> float:
        """Clip the gradients; returns their norm before."""
        if self._ranks.engine:  # it clips in its step
            self._net.step()
            return float(self._net.get_global_grad_norm())
        norm = self._accelerator.clip_grad_norm_(self.weights, self.optim.clip)
        return float(whole(norm))

    def _added_up(self, index: int, losses: Losses) -> dict[str, float]:
        """All losses differentiated one after the other."""
        figures: dict[str, float] = {}
        at_end: list[Tensor] = []
        for side, loss, seen in losses():
            if side != "constraint":  # there is no rule to see its gradient
                if self._ranks.engine:
                    at_end.append(loss)
                else:
                    self._backward(index, loss)
            figures.update(seen)
        if at_end:
            self._backward(index, torch.stack(at_end).sum())
        self._ranks.add_gradients(self.weights)
        return figures

    def _move(self) -> None:
        if self._ranks.engine:
            return
        try:
            for optimiser in self._optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
        except (RuntimeError, MemoryError) as error:  # a half-made step cannot be made again
            if not ran_out(error):
                raise
            raise OutOfMemory(f"out of memory for the optimiser's state; {self._advice()}") from None

    def _with_room(self, work: Callable[[], T]) -> T:
        def clean() -> None:
            for weight in self.weights:
                weight.grad = None

        return self._size.with_room(work, clean, self._advice)

    def _advice(self) -> str:
        return remedies(adapters.core(self.trained), self.recipe.recipe)

    def _backward(self, index: int, loss: Tensor) -> None:
        if not math.isfinite(float(loss.detach())):
            raise Diverged(f"the loss is {float(loss.detach())} at step {index + 1}", "use a smaller lr")
        if loss.requires_grad or not self._ranks.alone:
            self._ranks.agreed(lambda: self._differentiate(loss))

    def _differentiate(self, loss: Tensor) -> None:
        if loss.requires_grad:  # a batch of which nothing is left has nothing to teach
            if self._ranks.engine:
                self._net.backward(loss * self._ranks.count)
            else:
                self._accelerator.backward(loss * self._ranks.count if self._ranks.sharded else loss)

    def _gradients(self, index: int, losses: Losses, figures: dict[str, float]) -> Update:
        """The gradients of each side by itself."""

        def make(figures: dict[str, float], found_losses: dict[Side, float]) -> Gradients:
            return self._with_room(lambda: once(figures, found_losses))

        def once(figures: dict[str, float], found_losses: dict[Side, float]) -> Gradients:
            found_losses.clear()
            found: Gradients = {}
            for side, loss, seen in losses():
                self._backward(index, loss)
                self._ranks.add_gradients(self.weights)
                figures.update(seen)
                found_losses[side] = found_losses.get(side, 0.0) + self._mean(loss)
                mine = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
                found[side] = [a + b for a, b in zip(found[side], mine, strict=True)] if side in found else mine
                for weight in self.weights:
                    weight.grad = None
            return found

        before: dict[Side, float] = {}
        return Update(
            step=index,
            weights=self.weights,
            gradients=make(figures, before),
            losses=before,
            again=lambda: make({}, {}),
            measured=lambda: self._with_room(lambda: self._measured(losses)),
            optimisers=self._optimisers,
            figures=figures,
        )

    def _measured(self, losses: Losses) -> dict[Side, float]:
        found: dict[Side, float] = {}
        with torch.no_grad():
            for side, loss, _ in losses():
                found[side] = found.get(side, 0.0) + self._mean(loss)
        return found

    def _mean(self, loss: Tensor) -> float:
        """Over all processes."""
        return float(self._accelerator.reduce(loss.detach(), "mean"))

    def _add_up(self, gradients: Gradients) -> None:
        parts = [grads for side, grads in gradients.items() if side != "constraint"]
        for weight, *grads in zip(self.weights, *parts, strict=True):
            weight.grad = torch.stack(grads).sum(0) if len(grads) > 1 else grads[0]
