"""One forward pass, written once for training and scoring: embeddings, picture features, hidden states.

Padding never matters: it is masked, and positions are counted from the first real token on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vlmunl.models.chat import Encoded


class Batch(NamedTuple):
    """`ids`, `mask` (real tokens) and `answers` are (B, T); `pixels` (N, C, H, W) fill the placeholders in order."""

    ids: Tensor
    mask: Tensor
    answers: Tensor
    pixels: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        pixels = self.pixels.to(device) if self.pixels is not None else None
        return Batch(self.ids.to(device), self.mask.to(device), self.answers.to(device), pixels)


def collate(samples: Sequence[Encoded], pixels: Tensor | None, pad: int, *, left: bool = False) -> Batch:
    """Pad conversations to one width, on the right for training or on the left for generation."""
    width = max(len(s.ids) for s in samples)
    ids = torch.full((len(samples), width), pad)
    mask = torch.zeros(len(samples), width, dtype=torch.bool)
    answers = torch.zeros(len(samples), width, dtype=torch.bool)
    for row, sample in enumerate(samples):
        n = len(sample.ids)
        where = slice(width - n, width) if left else slice(0, n)
        ids[row, where] = torch.tensor(sample.ids)
        mask[row, where] = True
        answers[row, where] = torch.tensor(sample.answers)
    return Batch(ids, mask, answers, pixels)


def image_features(model: Any, pixels: Tensor) -> Tensor:
    """Projected picture features, (N, tokens per image, hidden)."""
    found = model.model.get_image_features(pixel_values=pixels)
    features = getattr(found, "pooler_output", found)
    return torch.stack(list(features)) if isinstance(features, list | tuple) else features


def embed(model: Any, ids: Tensor, image_token: int, features: Tensor | None) -> Tensor:
    """Token embeddings (B, T, hidden) with the features in their placeholders, in order of occurrence.

    Raises:
        ValueError: the placeholders do not match the features in number.
    """
    embeds: Tensor = model.get_input_embeddings()(ids)
    where = ids == image_token
    wanted = int(where.sum())
    given = 0 if features is None else features.shape[0] * features.shape[1]
    if wanted != given:
        raise ValueError(f"{wanted} image placeholders, {given} picture features")
    if features is None:
        return embeds
    return embeds.masked_scatter(where.unsqueeze(-1).expand_as(embeds), features.to(embeds.dtype))


def positions(mask: Tensor) -> Tensor:
    """Position of every token counted from its row's first real one, (B, T); padding gets 0."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def hidden_states(model: Any, embeds: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states of the language model, (B, T, hidden)."""
    out = model.model.language_model(
        inputs_embeds=embeds, attention_mask=mask.long(), position_ids=positions(mask), use_cache=False
    )
    states: Tensor = out.last_hidden_state
    return states


class AnswerModel(torch.nn.Module):
    """The part of a training step that sees the weights: logits at answer positions only.

    It is a module of its own so that Accelerate can wrap it for one or many devices.
    """

    def __init__(self, model: Any, image_token: int) -> None:
        super().__init__()
        self.vlm = model
        self.image_token = image_token

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (n, V) that predict the n answer tokens of the batch, row by row, and those tokens (n,)."""
        core = self.vlm
        features = image_features(core, batch.pixels) if batch.pixels is not None else None
        states = hidden_states(core, embed(core, batch.ids, self.image_token, features), batch.mask)
        predicts = batch.answers[:, 1:]
        return core.lm_head(states[:, :-1][predicts]).float(), batch.ids[:, 1:][predicts]


def answer_rows(batch: Batch) -> Tensor:
    """For each answer token in `AnswerModel`'s order, the row it belongs to, (n,)."""
    return torch.nonzero(batch.answers[:, 1:])[:, 0]
