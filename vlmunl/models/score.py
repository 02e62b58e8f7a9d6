"""Score many questions in few forward passes: the greedy answer, the right answer's likelihood, its rank.

Questions that open with a picture share the picture's part of the computation: each picture runs through the
tower and the language model once, and its keys and values are reused by every question on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vlmunl.models.chat import Encoded, Turn
from vlmunl.models.forward import collate, embed, image_features, positions
from vlmunl.models.intervene import Intervention, Touch
from vlmunl.models.vlm import VLM
from vlmunl.stage_types import Progress


@dataclass(frozen=True)
class Query:
    """A prompt (token ids), the index of its picture, the right answer and the wrong ones it is ranked against.

    `turns` is the conversation as it was asked, for interventions that judge it.
    """

    prompt: tuple[int, ...]
    image: int | None
    answer: str
    distractors: tuple[str, ...]
    turns: tuple[Turn, ...] = ()


class Scored(NamedTuple):
    """The greedy text, the mean log-probability per token of the right answer, and whether it beats all others."""

    text: str
    logp: float
    rank1: bool


class _State(NamedTuple):
    """After a prompt: log-probabilities of the next token (B, V), the cache, and the mask of all columns so far."""

    logp: Tensor
    cache: Any
    mask: Tensor


@torch.inference_mode()
def score(
    vlm: VLM,
    queries: Sequence[Query],
    pixels: Tensor | None,
    *,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress | None = None,
    intervention: Intervention | None = None,
) -> list[Scored]:
    """Score every query; results do not depend on order or on `batch_size` (to rounding of the likelihoods).

    `pixels` is (N, C, H, W); at most `batch_size` prompts, or pictures, are in one forward pass.
    """
    features = _features(vlm, pixels, batch_size)
    touch = Touch(intervention, intervention.decide(queries, features, pixels)) if intervention else Touch()
    found: dict[int, Scored] = {}
    for chunk, states in _chunks(vlm, queries, features, batch_size, touch):
        batch, mine = [queries[i] for i in chunk], touch.only(chunk)
        texts = _greedy(vlm, states, max_new_tokens, mine)
        likely = _likelihoods(vlm, batch, states, features, mine)
        found.update({i: Scored(t, *r) for i, t, r in zip(chunk, texts, likely, strict=True)})
        if progress is not None:
            progress(len(found), len(queries), "questions")
    return [found[i] for i in range(len(queries))]


def _features(vlm: VLM, pixels: Tensor | None, size: int) -> Tensor | None:
    if pixels is None or len(pixels) == 0:
        return None
    dtype = vlm.model.dtype
    return torch.cat([image_features(vlm.model, p.to(vlm.device, dtype)) for p in pixels.split(size)])


def _chunks(
    vlm: VLM, queries: Sequence[Query], features: Tensor | None, size: int, touch: Touch
) -> Iterator[tuple[list[int], _State]]:
    """Batches of queries of similar length, each with the model's state after their prompts."""
    for opening, members in _groups(vlm, queries, size, touch):
        read = _read(vlm, [queries[i] for i in members], opening, features) if opening else None
        ordered = sorted(members, key=lambda i: (len(queries[i].prompt), i))
        for start in range(0, len(ordered), size):
            chunk = ordered[start : start + size]
            yield chunk, _prefill(vlm, [queries[i] for i in chunk], len(opening), read, features, touch.only(chunk))


def _groups(vlm: VLM, queries: Sequence[Query], size: int, touch: Touch) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Queries with the same opening tokens and at most `size` pictures, whose caches fit in memory together.

    A question that is intervened in reads its picture by itself.
    """
    shared: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for i, query in enumerate(queries):
        opening = () if touch.only([i]) else _opening(query, vlm.image_token)
        picture = query.image if opening and query.image is not None else -1
        shared.setdefault(opening, {}).setdefault(picture, []).append(i)
    for opening, by_picture in shared.items():
        pictures = sorted(by_picture)
        for start in range(0, len(pictures), size):
            yield opening, [i for p in pictures[start : start + size] for i in by_picture[p]]


def _opening(query: Query, image_token: int) -> tuple[int, ...]:
    """The tokens up to the end of the picture, if the prompt begins with it; else nothing."""
    if query.image is None:
        return ()
    last = max(i for i, t in enumerate(query.prompt) if t == image_token) + 1
    return query.prompt[:last] if last < len(query.prompt) and last <= 2 * query.prompt.count(image_token) else ()


def _prefill(
    vlm: VLM, batch: Sequence[Query], opening: int, read: _Read | None, features: Tensor | None, touch: Touch
) -> _State:
    from transformers import DynamicCache

    mask = torch.ones(len(batch), opening, dtype=torch.bool, device=vlm.device)
    cache = read.cache_for(batch) if read is not None else DynamicCache()
    rest = [Encoded(list(q.prompt[opening:]), [False] * (len(q.prompt) - opening)) for q in batch]
    padded = collate(rest, None, vlm.pad_token, left=True).to(vlm.device)
    pictures = None if opening else _of_batch(batch, features)
    embeds = touch.embeds(embed(vlm.model, padded.ids, vlm.image_token, pictures), padded.ids, padded.mask)
    with touch.forward():
        state = _advance(vlm, embeds, cache, mask, padded.mask)
    return state._replace(logp=touch.logp([()] * len(batch), state.logp)) if touch else state


def _of_batch(batch: Sequence[Query], features: Tensor | None) -> Tensor | None:
    chosen = [q.image for q in batch if q.image is not None]
    return features[chosen] if features is not None and chosen else None


@dataclass(frozen=True)
class _Read:
    """Keys and values of the opening, by layer (pictures, heads, tokens, width), and each picture's row in them."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    rows: dict[int, int]

    def cache_for(self, batch: Sequence[Query]) -> Any:
        """A cache in which each row of the batch has read its own picture."""
        from transformers import DynamicCache

        chosen = [self.rows[q.image] for q in batch if q.image is not None]
        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.layers):
            cache.update(keys[chosen], values[chosen], number)
        return cache


def _read(vlm: VLM, members: Sequence[Query], opening: tuple[int, ...], features: Tensor | None) -> _Read:
    """Run the opening once for each distinct picture."""
    from transformers import DynamicCache

    assert features is not None
    distinct = sorted({q.image for q in members if q.image is not None})
    ids = torch.tensor([opening] * len(distinct), device=vlm.device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    cache = DynamicCache()
    _advance(vlm, embed(vlm.model, ids, vlm.image_token, features[distinct]), cache, mask[:, :0], mask)
    layers = tuple((layer.keys, layer.values) for layer in cache.layers)
    return _Read(layers, {image: row for row, image in enumerate(distinct)})


def _advance(vlm: VLM, embeds: Tensor, cache: Any, before: Tensor, now: Tensor) -> _State:
    mask = torch.cat([before, now], dim=1)
    out = vlm.model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=mask.long(),
        position_ids=positions(mask)[:, before.shape[1] :],
        past_key_values=cache,
        use_cache=True,
    )
    logits = vlm.model.lm_head(out.last_hidden_state[:, -1])
    return _State(torch.log_softmax(logits.float(), -1), out.past_key_values, mask)


def _greedy(vlm: VLM, state: _State, limit: int, touch: Touch) -> list[str]:
    """Greedy answers of at most `limit` tokens; a row that has ended leaves the batch. The cache is used up."""
    rows: list[list[int]] = [[] for _ in range(len(state.mask))]
    stops = torch.tensor(sorted(vlm.stop_tokens))
    active, logp, mask = torch.arange(len(rows)), state.logp, state.mask
    for length in range(1, limit + 1):
        token = logp.argmax(-1).cpu()
        going = torch.nonzero(~torch.isin(token, stops)).flatten()
        if not len(going):
            break
        if len(going) < len(active):
            active, token, mask = active[going], token[going], mask[going.to(mask.device)]
            state.cache.batch_select_indices(going.to(mask.device))
        for row, last in zip(active.tolist(), token.tolist(), strict=True):
            rows[row].append(last)
        if length == limit:
            break
        embeds = vlm.model.get_input_embeddings()(token.to(vlm.device)[:, None])
        mine = touch.only(active.tolist())
        with mine.forward():
            step = _advance(vlm, embeds, state.cache, mask, torch.ones_like(mask[:, :1]))
        logp, mask = mine.logp([rows[r] for r in active.tolist()], step.logp), step.mask
    return [str(t).strip() for t in vlm.tokenizer.batch_decode(rows, skip_special_tokens=True)]


def _likelihoods(
    vlm: VLM, batch: Sequence[Query], state: _State, features: Tensor | None, touch: Touch
) -> list[tuple[float, bool]]:
    answers = [[vlm.chat.answer_tokens(a) for a in (q.answer, *q.distractors)] for q in batch]
    if all(len(tokens) == 1 for row in answers for tokens in row):
        return [_ranked(state.logp[i, [t[0] for t in row]].tolist()) for i, row in enumerate(answers)]
    return [
        _ranked(_sequences(vlm, q, row, features, touch.only([i] * len(row))))
        for i, (q, row) in enumerate(zip(batch, answers, strict=True))
    ]


def _ranked(logp: Sequence[float]) -> tuple[float, bool]:
    """The first candidate is the right one; ties do not count as first."""
    return float(logp[0]), all(logp[0] > other for other in logp[1:])


def _sequences(
    vlm: VLM, query: Query, answers: Sequence[list[int]], features: Tensor | None, touch: Touch
) -> list[float]:
    """Mean log-probability per token of each answer of several tokens, by whole forward passes."""
    samples = [Encoded([*query.prompt, *a], [False] * len(query.prompt) + [True] * len(a)) for a in answers]
    padded = collate(samples, None, vlm.pad_token).to(vlm.device)
    pictures = _of_batch([query] * len(samples), features)
    embeds = embed(vlm.model, padded.ids, vlm.image_token, pictures)
    embeds = touch.embeds(embeds, padded.ids, padded.mask & ~padded.answers)
    with touch.forward():
        out = vlm.model.model.language_model(
            inputs_embeds=embeds,
            attention_mask=padded.mask.long(),
            position_ids=positions(padded.mask),
            use_cache=False,
        )
    predicts = padded.answers[:, 1:]
    logp = torch.log_softmax(vlm.model.lm_head(out.last_hidden_state[:, :-1]).float(), -1)
    if touch:
        _touch_answers(logp, len(query.prompt), answers, touch)
    chosen = logp.gather(-1, padded.ids[:, 1:, None])[..., 0].masked_fill(~predicts, 0.0)
    means: list[float] = (chosen.sum(1) / predicts.sum(1)).tolist()
    return means


def _touch_answers(logp: Tensor, prompt: int, answers: Sequence[list[int]], touch: Touch) -> None:
    """Intervene in log-probabilities (K, T - 1, V) of K candidates at each of their tokens; changes them in place."""
    for done in range(max(map(len, answers))):
        going = [i for i, tokens in enumerate(answers) if len(tokens) > done]
        written = [answers[i][:done] for i in going]
        logp[going, prompt - 1 + done] = touch.only(going).logp(written, logp[going, prompt - 1 + done])
