"""From samples to batches: conversations encoded once, pictures preprocessed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vlmunl.models.chat import Turn
from vlmunl.models.forward import Batch, collate
from vlmunl.models.images import decode, pixel_values
from vlmunl.models.vlm import VLM


@dataclass(frozen=True)
class Sample:
    """A conversation; `photo` goes with its first turn."""

    turns: tuple[Turn, ...]
    photo: bytes | None = None


@dataclass
class Encoder:
    """Turns samples into right-padded batches for one model. `limit` is the longest conversation in tokens."""

    vlm: VLM
    limit: int = 128
    _pixels: dict[bytes, Tensor] = field(default_factory=dict, repr=False)

    def batch(self, samples: Sequence[Sample]) -> Batch:
        """Whole turns that pass the limit are left out, never a part of one."""
        chat = self.vlm.chat
        encoded = [chat.encode(s.turns, image_at=0 if s.photo is not None else None, limit=self.limit) for s in samples]
        photos = [s.photo for s in samples if s.photo is not None]
        return collate(encoded, self._pictures(photos), self.vlm.pad_token)

    def _pictures(self, photos: Sequence[bytes]) -> Tensor | None:
        if not photos:
            return None
        new = [p for p in dict.fromkeys(photos) if p not in self._pixels]
        if new:
            values = pixel_values(self.vlm.processor, [decode(p) for p in new])
            self._pixels.update(zip(new, values, strict=True))
        return torch.stack([self._pixels[p] for p in photos])
