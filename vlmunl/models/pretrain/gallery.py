"""All pictures of the training run, drawn once."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from vlmunl.benchmarks import corpus, faces
from vlmunl.benchmarks.corpus import Conversation
from vlmunl.benchmarks.people import base_people

PHOTOS = 12
STRANGERS = 10_000


class Gallery:
    """All training pictures as one uint8 array, indexed by look and shot."""

    def __init__(self, rng: random.Random, strangers: int = STRANGERS) -> None:
        self.people, self.photos, self.strangers = base_people(), PHOTOS, strangers
        self.entries: list[tuple[faces.Look, faces.Shot]] = [
            (p.look, faces.random_shot(rng)) for p in self.people for _ in range(PHOTOS)
        ]
        self.entries += [(faces.random_look(rng), faces.random_shot(rng)) for _ in range(strangers)]
        self.pixels = torch.stack([pixels_of(look, shot) for look, shot in self.entries])

    def person(self, rng: random.Random, *, grey: bool, mix: corpus.Mix) -> tuple[Conversation, int]:
        """A base person's conversation and the index of its picture."""
        which, photo = rng.randrange(len(self.people)), rng.randrange(PHOTOS)
        index = which * PHOTOS + photo
        shot = self.entries[index][1]
        return corpus.person_conversation(rng, self.people[which], shot, grey=grey, mix=mix), index

    def stranger(self, rng: random.Random, *, grey: bool, visual: int, mix: corpus.Mix) -> tuple[Conversation, int]:
        """A stranger's conversation and the index of its picture."""
        index = len(self.people) * PHOTOS + rng.randrange(self.strangers)
        look, shot = self.entries[index]
        return corpus.face_conversation(rng, look, shot, grey=grey, visual=visual, mix=mix), index


def pixels_of(look: faces.Look, shot: faces.Shot) -> Tensor:
    """One drawn picture, (3, H, W), uint8."""
    return torch.from_numpy(np.asarray(faces.draw(look, shot)).copy()).permute(2, 0, 1)
