"""First stage: teach the image tower to see, before any language.

Questions give a picture about one bit of supervision each; a tower that starts from nothing then needs many
thousands of steps to tell people apart. Here it names every visible trait of a drawn face, and the base
person where it is one, by linear heads that are thrown away afterwards. A step costs a tenth of a language step.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.benchmarks import corpus
from vlmunl.models.pretrain.augment import augment

if TYPE_CHECKING:
    from vlmunl.models.pretrain.gallery import Gallery
    from vlmunl.rng import Streams


@dataclass(frozen=True)
class TowerPlan:
    """Length and optimiser of the tower's stage; half of each batch shows base people."""

    steps: int = 1500
    batch: int = 96
    lr: float = 1.5e-3
    warmup: int = 100

    def lr_at(self, step: int) -> float:
        """Warm-up, then linear to 2 %."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        return self.lr * (1 - 0.98 * (step - self.warmup) / (self.steps - self.warmup))


def labels(gallery: Gallery) -> tuple[Tensor, Tensor]:
    """Trait values of every picture, (N, traits), and its base person or -1, (N,)."""
    traits = [
        [choices.index(getattr(look, t, None) or getattr(shot, t)) for t, choices in corpus.VISUAL.items()]
        for look, shot in gallery.entries
    ]
    known = len(gallery.people) * gallery.photos
    people = [i // gallery.photos if i < known else -1 for i in range(len(gallery.entries))]
    return torch.tensor(traits), torch.tensor(people)


def _features(model: Any, images: Tensor) -> Tensor:
    states: Tensor = model.model.vision_tower(images).last_hidden_state
    return states[:, 1:].flatten(1)  # as the projector will see them: without the class token


def train_tower(model: Any, gallery: Gallery, streams: Streams, plan: TowerPlan) -> list[float]:
    """Train `model.model.vision_tower` in place; returns the mean loss of every 100 steps."""
    traits, people = labels(gallery)
    width = model.config.vision_config.hidden_size * 16
    sizes = [len(choices) for choices in corpus.VISUAL.values()] + [len(gallery.people)]
    head = torch.nn.Linear(width, sum(sizes))
    init = streams.child("heads").torch()
    head.weight.data.normal_(0.0, width**-0.5, generator=init)
    head.bias.data.zero_()
    weights = [*model.model.vision_tower.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.02)
    rng, noise = streams.child("pictures").python(), streams.child("augment").torch()
    curve, recent = [], 0.0
    for step in range(plan.steps):
        chosen = _choose(rng, gallery, plan.batch)
        grey = torch.zeros(len(chosen), dtype=torch.bool)
        images = augment(gallery.pixels[chosen].float() / 127.5 - 1, grey, noise)
        scores = head(_features(model, images)).split(sizes, 1)
        targets = [*traits[chosen].unbind(1), people[chosen]]
        loss = torch.stack(
            [nnf.cross_entropy(s, t, ignore_index=-1) for s, t in zip(scores, targets, strict=True)]
        ).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = plan.lr_at(step)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent += float(loss.detach())
        if step % 100 == 99:
            curve.append(round(recent / 100, 4))
            recent = 0.0
    return curve


def _choose(rng: random.Random, gallery: Gallery, count: int) -> list[int]:
    known = len(gallery.people) * gallery.photos
    half = count // 2
    people = [rng.randrange(known) for _ in range(half)]
    return people + [rng.randrange(known, len(gallery.entries)) for _ in range(count - half)]
