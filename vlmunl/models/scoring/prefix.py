"""Reading prompts: what questions have in common is computed once, and a prompt's cache serves all that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vlmunl.models.chat import Encoded
from vlmunl.models.forward import collate, embed, image_features, positions
from vlmunl.models.intervene import Touch
from vlmunl.models.scoring.cache import empty as empty_cache
from vlmunl.models.scoring.queries import Query
from vlmunl.models.vlm import VLM


class State(NamedTuple):
    """After a prompt: log-probabilities of the next token (B, V), the cache, and the mask (B, T) of its columns."""

    logp: Tensor
    cache: Any
    mask: Tensor


@dataclass(frozen=True)
class Group:
    """Queries (by index) whose prompts open with the same tokens, a picture among them; nothing in common: ()."""

    opening: tuple[int, ...]
    members: tuple[int, ...]

    def chunks(self, queries: Sequence[Query], size: int) -> Iterator[list[int]]:
        """Batches of at most `size` of them, of similar length."""
        ordered = sorted(self.members, key=lambda i: (len(queries[i].prompt), i))
        return (ordered[start : start + size] for start in range(0, len(ordered), size))


def features_of(vlm: VLM, pixels: Tensor | None, size: int) -> Tensor | None:
    """Projected pictures (N, tokens, H), `size` at a time."""
    if pixels is None or len(pixels) == 0:
        return None
    dtype = vlm.model.dtype
    return torch.cat([image_features(vlm.model, p.to(vlm.device, dtype)) for p in pixels.split(size)])


def groups(vlm: VLM, queries: Sequence[Query], size: int, touch: Touch) -> Iterator[Group]:
    """Queries with the same opening tokens and at most `size` pictures, whose caches fit in memory together.

    A question that is intervened in reads its picture by itself.
    """
    shared: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for i, query in enumerate(queries):
        opening = () if touch.only([i]) else opening_of(query, vlm.image_token)
        picture = query.image if opening and query.image is not None else -1
        shared.setdefault(opening, {}).setdefault(picture, []).append(i)
    for opening, by_picture in shared.items():
        pictures = sorted(by_picture)
        for start in range(0, len(pictures), size):
            yield Group(opening, tuple(i for p in pictures[start : start + size] for i in by_picture[p]))


def opening_of(query: Query, image_token: int) -> tuple[int, ...]:
    """The tokens up to the end of the picture, if the prompt begins with it; else nothing."""
    if query.image is None:
        return ()
    last = max(i for i, t in enumerate(query.prompt) if t == image_token) + 1
    return query.prompt[:last] if last < len(query.prompt) and last <= 2 * query.prompt.count(image_token) else ()


@dataclass(frozen=True)
class Read:
    """Keys and values of the opening, by layer (pictures, heads, tokens, width), and each picture's row in them."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    rows: dict[int, int]

    def cache_for(self, batch: Sequence[Query]) -> Any:
        """A cache in which each row of the batch has read its own picture."""
        return _selected(self.layers, [self.rows[q.image] for q in batch if q.image is not None])


def read(vlm: VLM, members: Sequence[Query], opening: tuple[int, ...], features: Tensor | None) -> Read:
    """Run the opening once for each distinct picture."""
    assert features is not None
    distinct = sorted({q.image for q in members if q.image is not None})
    ids = torch.tensor([opening] * len(distinct), device=vlm.device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    cache = empty_cache()
    states_after(vlm, embed(vlm.model, ids, vlm.image_token, features[distinct]), cache, mask[:, :0], mask)
    return Read(_layers(cache), {image: row for row, image in enumerate(distinct)})


def prefill(
    vlm: VLM, batch: Sequence[Query], opening: int, known: Read | None, features: Tensor | None, touch: Touch
) -> State:
    """The state after the batch's prompts, of which the first `opening` tokens are `known`."""
    mask = torch.ones(len(batch), opening, dtype=torch.bool, device=vlm.device)
    cache = known.cache_for(batch) if known is not None else empty_cache()
    rest = [Encoded(list(q.prompt[opening:]), [False] * (len(q.prompt) - opening)) for q in batch]
    padded = collate(rest, None, vlm.pad_token, left=True).to(vlm.device)
    pictures = None if opening else _of_batch(batch, features)
    embeds = touch.embeds(embed(vlm.model, padded.ids, vlm.image_token, pictures), padded.ids, padded.mask)
    with touch.forward():
        state = advance(vlm, embeds, cache, mask, padded.mask)
    return state._replace(logp=touch.logp([()] * len(batch), state.logp)) if touch else state


def fork(state: State, rows: Sequence[int]) -> State:
    """A state of its own in which row k goes on from row `rows[k]`; the given one stays as it is."""
    place = torch.tensor(rows, device=state.mask.device)
    return State(state.logp[place], _selected(_layers(state.cache), place), state.mask[place])


def step(vlm: VLM, state: State, rows: Sequence[int], written: Sequence[Sequence[int]], touch: Touch) -> State:
    """The state in which row k goes on from row `rows[k]` by the last token of `written[k]`; uses `state` up.

    `touch` is of the new rows.
    """
    mask = state.mask
    if list(rows) != list(range(len(mask))):
        place = torch.tensor(rows, device=mask.device)
        state.cache.batch_select_indices(place)
        mask = mask[place]
    token = torch.tensor([tokens[-1] for tokens in written], device=vlm.device)
    embeds = vlm.model.get_input_embeddings()(token[:, None])
    with touch.forward():
        after = advance(vlm, embeds, state.cache, mask, torch.ones_like(mask[:, :1]))
    return after._replace(logp=touch.logp(written, after.logp))


def advance(vlm: VLM, embeds: Tensor, cache: Any, before: Tensor, now: Tensor) -> State:
    """Read embeddings (B, T, H), masked by `now`, behind a cache masked by `before`."""
    states, cache = states_after(vlm, embeds, cache, before, now)
    logits = vlm.model.lm_head(states[:, -1])
    return State(torch.log_softmax(logits.float(), -1), cache, torch.cat([before, now], dim=1))


def states_after(vlm: VLM, embeds: Tensor, cache: Any, before: Tensor, now: Tensor) -> tuple[Tensor, Any]:
    """The last hidden states (B, T, H) of embeddings read behind a cache, and the cache that has them too."""
    mask = torch.cat([before, now], dim=1)
    out = vlm.model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=mask.long(),
        position_ids=positions(mask)[:, before.shape[1] :],
        past_key_values=cache,
        use_cache=True,
    )
    return out.last_hidden_state, out.past_key_values


def _of_batch(batch: Sequence[Query], features: Tensor | None) -> Tensor | None:
    chosen = [q.image for q in batch if q.image is not None]
    return features[chosen] if features is not None and chosen else None


def _layers(cache: Any) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def _selected(layers: Sequence[tuple[Tensor, Tensor]], rows: Any) -> Any:
    """A new cache with these rows of the layers."""
    cache = empty_cache()
    for number, (keys, values) in enumerate(layers):
        cache.update(keys[rows], values[rows], number)
    return cache
