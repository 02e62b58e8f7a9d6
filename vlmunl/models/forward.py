"""One forward pass, written once for training and scoring: embeddings, picture features, hidden states.

Padding never matters: it is masked, and positions are counted from the first real token on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vlmunl.models.answers import Out, States
from vlmunl.models.chat import Encoded
from vlmunl.models.families import Seen, family_of
from vlmunl.models.families.family import Reading


class Batch(NamedTuple):
    """`ids`, `mask` (real tokens) and `answers` are (B, T); `pixels` (N, C, H, W) fill the placeholders in order.

    Models that cut pictures up have `pixels` of another shape, not `whole`, and may have `extra` tensors beside them.
    """

    ids: Tensor
    mask: Tensor
    answers: Tensor
    pixels: Tensor | None
    extra: Mapping[str, Tensor] = {}
    whole: bool = True

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        pixels = self.pixels.to(device) if self.pixels is not None else None
        extra = {name: value.to(device) for name, value in self.extra.items()}
        return Batch(self.ids.to(device), self.mask.to(device), self.answers.to(device), pixels, extra, self.whole)

    @property
    def prefix(self) -> Tensor:
        """What comes before the first answer of each row, (B, T)."""
        return self.mask & (self.answers.long().cumsum(1) == 0)


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


def seen_in(model: Any, batch: Batch) -> Seen | None:
    """The projected pictures of a batch."""
    if batch.pixels is None:
        return None
    pixels = batch.pixels.to(model.dtype)
    if batch.whole and not batch.extra and family_of(model).usual:
        return image_features(model, pixels)
    return family_of(model).features(model, {"pixel_values": pixels, **batch.extra})


def embed(model: Any, ids: Tensor, image_token: int | None, features: Seen | None) -> Tensor:
    """Token embeddings (B, T, hidden) with the features in their placeholders, in order of occurrence.

    Raises:
        ValueError: the placeholders do not match the features in number.
    """
    return family_of(model).embed(model, ids, image_token, features)


def hidden_states(
    model: Any, embeds: Tensor, mask: Tensor, *, of: Batch | None = None, seen: Seen | None = None
) -> Tensor:
    """Last hidden states of the language model, (B, T, hidden); `of` is the batch, if it has more than words."""
    reading = Reading(embeds, mask)
    if of is not None:
        reading = reading._replace(ids=of.ids, seen=seen, prefix=of.prefix)
    return family_of(model).read(model, reading).states


def head_of(model: Any) -> Callable[[Tensor], Tensor]:
    """States (..., H) to scores (..., V); holds on to no more of the model than its head."""
    head: Callable[[Tensor], Tensor] = model.lm_head
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    if cap is None or model.config.model_type == "gemma3":  # which has the setting and does not read it
        return head
    return partial(_capped, head, float(cap))


def _capped(head: Callable[[Tensor], Tensor], cap: float, states: Tensor) -> Tensor:
    """Scores squashed to at most `cap` (Gemma 2, arXiv 2408.00118, section 2)."""
    return torch.tanh(head(states) / cap) * cap


def logits_of(model: Any, states: Tensor) -> Tensor:
    """The head's scores (..., V) of states (..., H)."""
    return head_of(model)(states)


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

    def __init__(self, model: Any, image_token: int | None) -> None:
        super().__init__()
        self.vlm = model
        self.image_token = image_token

    def forward(self, batch: Batch, layers: tuple[int, ...] = (), stop: bool = False) -> Answers:
        """The answers to a batch, and the states after some layers (0 is the first). With `stop` nothing above the
        last of them is computed.
        """
        core = self.vlm
        features = seen_in(core, batch)
        embeds = embed(core, batch.ids, self.image_token, features)
        with _watched(family_of(core).language(core), layers, stop) as seen:
            try:
                states = hidden_states(core, embeds, batch.mask, of=batch, seen=features)
            except _EnoughError:
                return Answers(None, None, seen)
        hidden = states[:, :-1][batch.answers[:, 1:]]
        return Answers(hidden, logits_of(core, hidden).float(), seen)


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


def text_tokens(batch: Batch, image_token: int | None) -> Tensor:
    """Which tokens are text: neither padding nor a picture's placeholder, (B, T)."""
    return batch.mask if image_token is None else batch.mask & (batch.ids != image_token)


def answers(net: Any, batch: Batch, layers: tuple[int, ...] = (), *, stop: bool = False) -> Out:
    """Run an `AnswerModel` on a batch of its own device."""
    said = net(batch, layers, stop)
    core = getattr(net, "module", net)
    text = text_tokens(batch, core.image_token)
    rows = torch.nonzero(text)[:, 0]
    return Out(
        tokens=answer_tokens(batch),
        rows=answer_rows(batch),
        samples=len(batch.ids),
        given_logits=said.logits,
        hidden=said.hidden,
        head=head_of(core.vlm),
        layers={n: States(states[text], rows) for n, states in said.layers.items()},
    )
