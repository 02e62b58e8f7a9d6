"""The bench that edits and gradient rules work at: the model, the data, and named random streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import StudyError
from vlmunl.methods import views
from vlmunl.methods.language import Edit, Where, arguments, placed, stream_of
from vlmunl.methods.lessons import replay
from vlmunl.methods.parts import EDITS, TRANSFORMS
from vlmunl.methods.registry import code_of
from vlmunl.models import adapters
from vlmunl.models.answers import Out
from vlmunl.models.forward import AnswerModel, answers
from vlmunl.models.samples import Encoder, Sample
from vlmunl.models.update import GradientRule
from vlmunl.models.vlm import VLM
from vlmunl.rng import Streams
from vlmunl.stages.configs import UnlearnConfig

Consume = Callable[[str, Tensor], None]
CHUNK = 24
"""Samples of one probing pass."""


@dataclass
class Lab:
    """What an edit or a rule may use. `trained` is what `adapters.attach` returned, once there is training.

    An edit may add `rules` for the training that follows it, `at_start`, to be done once its adapter is in place, and
    `notes`, figures for the record. `imprint` loads the model again as it was before any edit. `probes` are the files
    of the imprint's scores by name; None on a bench of another model or other people, which is probed on the spot.
    """

    vlm: VLM
    benchmark: Benchmark
    config: UnlearnConfig
    encoder: Encoder
    streams: Streams
    trained: Any = None
    imprint: Callable[[], Any] | None = None
    rules: list[GradientRule] = field(default_factory=list)
    at_start: list[Callable[[], None]] = field(default_factory=list)
    notes: dict[str, float] = field(default_factory=dict)
    probes: Mapping[str, Path] | None = None

    @cached_property
    def where(self) -> Where:
        """The method's layers, its depth a number."""
        return placed(self.config.recipe.where, self.config.params)

    @cached_property
    def layers(self) -> dict[str, torch.nn.Linear]:
        """Name -> linear layer, of the layers that the method means; names as before any adapter."""
        found = adapters.linears(self.vlm.model)
        return {name: found[name] for name in adapters.selected(self.vlm.model, self.where)}

    def samples(self, view: str, limit: int | None = None) -> list[Sample]:
        """Each canonical question of a view's stream once (for `general`: its conversations), `limit` at most.

        Raises:
            StudyError: the benchmark has nothing for this view.
        """
        people = {"forget": self.benchmark.forget, "retain": self.benchmark.retain, "unseen": self.benchmark.unseen}
        stream = stream_of(view)
        if stream == "general":
            drawn = [views.Drawn(replay(chat)) for chat in self.benchmark.replay]
        else:
            drawn = views.canonical(people[stream])
        if not drawn:
            raise StudyError(
                f"{self.config.method} probes {view!r}, and benchmark {self.benchmark.name} has nothing for it",
                "use a method that needs no such view",
            )
        drawn = drawn[:limit]
        if "." not in view:
            return [d.sample for d in drawn]
        transform = TRANSFORMS.named(view.partition(".")[2], "view")
        return views.transformed(drawn, transform, self.streams.child("views"), self.benchmark)

    def asked(self, samples: Sequence[Sample], chunk: int = CHUNK) -> Iterator[Out]:
        """The model's answers as it is now, chunk by chunk, with gradients where weights ask for them."""
        net = AnswerModel(self.vlm.model, self.vlm.image_token)
        for start in range(0, len(samples), chunk):
            yield answers(net, self.encoder.batch(samples[start : start + chunk]).to(self.vlm.device))

    def gradients(self, samples: Sequence[Sample], consume: Consume, chunk: int = 1) -> int:
        """Give the gradients of the mean NLL of each chunk on the weights of `layers` to `consume(name, gradient)`.

        They come layer by layer during the backward pass and are freed at once. Returns the number of chunks.
        """
        weights = {name: layer.weight for name, layer in self.layers.items()}
        model, count = self.vlm.model, 0
        before = {p: p.requires_grad for p in model.parameters()}
        model.requires_grad_(False)
        hooks = []
        for name, weight in weights.items():
            weight.requires_grad_(True)
            hooks.append(weight.register_post_accumulate_grad_hook(_consumed(name, consume)))
        try:
            for out in self.asked(samples, chunk):
                torch.autograd.backward(out.mean)
                count += 1
        finally:
            for hook in hooks:
                hook.remove()
            for p, needed in before.items():
                p.requires_grad_(needed)
        return count


def _consumed(name: str, consume: Consume) -> Callable[[Tensor], None]:
    def hook(weight: Tensor) -> None:
        assert weight.grad is not None
        consume(name, weight.grad)
        weight.grad = None

    return hook


def apply(edits: Sequence[Edit], lab: Lab) -> None:
    """Make the edits in their order.

    Raises:
        StudyError: an edit finds nothing to edit.
    """
    for edit in edits:
        part = EDITS.named(edit.edit, "edit")
        code_of(part.run)(lab, **arguments(part, edit.args, lab.config.params))
