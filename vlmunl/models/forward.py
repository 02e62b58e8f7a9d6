"""One forward pass, written once for training and scoring: embeddings, picture features, hidden states.

Padding never matters: it is masked, and positions are counted from the first real token on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


class Answers(NamedTuple):
    """What `AnswerModel` gives: `hidden` (n, H) and `logits` (n, V) predict the n answer tokens of the batch, row by
    row; both are None when the pass ended at an inner layer. `layers` are whole states (B, T, H).
    """

    hidden: Tensor | None
    logits: Tensor | None
    layers: dict[int, Tensor]


class AnswerModel(torch.nn.Module):
    """The part of a training step that sees the weights: logits at answer positions only.

    It is a module of its own so that Accelerate can wrap it for one or many devices.
    """

    def __init__(self, model: Any, image_token: int) -> None:
        super().__init__()
        self.vlm = model
        self.image_token = image_token

    def forward(self, batch: Batch, layers: tuple[int, ...] = (), stop: bool = False) -> Answers:
        """The answers to a batch, and the states after some layers (0 is the first). With `stop` nothing above the
        last of them is computed.
        """
        core = self.vlm
        features = image_features(core, batch.pixels) if batch.pixels is not None else None
        embeds = embed(core, batch.ids, self.image_token, features)
        with _watched(core.model.language_model, layers, stop) as seen:
            try:
                states = hidden_states(core, embeds, batch.mask)
            except _EnoughError:
                return Answers(None, None, seen)
        hidden = states[:, :-1][batch.answers[:, 1:]]
        return Answers(hidden, core.lm_head(hidden).float(), seen)


class _EnoughError(Exception):
    """Everything that was asked for has been seen."""


@contextmanager
def _watched(language: Any, layers: tuple[int, ...], stop: bool) -> Iterator[dict[int, Tensor]]:
    """Collect what some layers give; with `stop` end the pass after the last of them."""
    seen: dict[int, Tensor] = {}

    def hook(index: int, output: Any) -> None:
        seen[index] = output[0] if isinstance(output, tuple) else output
        if stop and index == max(layers):
            raise _EnoughError

    handles = [language.layers[i].register_forward_hook(lambda _m, _i, output, i=i: hook(i, output)) for i in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def answer_tokens(batch: Batch) -> Tensor:
    """The answer tokens in `AnswerModel`'s order, (n,)."""
    return batch.ids[:, 1:][batch.answers[:, 1:]]


def answer_rows(batch: Batch) -> Tensor:
    """For each answer token in `AnswerModel`'s order, the row it belongs to, (n,)."""
    return torch.nonzero(batch.answers[:, 1:])[:, 0]


def text_tokens(batch: Batch, image_token: int) -> Tensor:
    """Which tokens are text: neither padding nor a picture's placeholder, (B, T)."""
    return batch.mask & (batch.ids != image_token)
