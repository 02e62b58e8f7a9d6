"""Score many questions in few forward passes: replies, the right answer's likelihood token by token, its rank.

Questions that open with a picture share the picture's part of the computation: each picture runs through the
tower and the language model once, and its keys and values are reused by every question on it. A prompt is read once,
whatever is asked of it: its replies by all decodings, the right answer and the wrong ones go on from one cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from vlmunl.models.families import Seen
from vlmunl.models.images import Prepared
from vlmunl.models.intervene import Intervention, Touch
from vlmunl.models.memory import Size, ran_out, remedies
from vlmunl.models.ranks import ranks
from vlmunl.models.scoring import drawing
from vlmunl.models.scoring.decodings import STATISTICS, decoding
from vlmunl.models.scoring.likelihood import likelihoods
from vlmunl.models.scoring.prefix import Group, Read, State, features_of, groups, prefill, read
from vlmunl.models.scoring.queries import Likelihood, Query, Scored, Tokens, failed
from vlmunl.models.vlm import VLM
from vlmunl.rng import Streams
from vlmunl.stage_types import NOT_KEPT, Part, Progress

__all__ = ["Query", "Scored", "score"]

_Way = tuple[str, Streams | None]


@torch.inference_mode()
def score(
    vlm: VLM,
    queries: Sequence[Query],
    pixels: Prepared | None,
    *,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress | None = None,
    intervention: Intervention | None = None,
    part: Part = NOT_KEPT,
) -> list[Scored]:
    """Score every query; results do not depend on order or on `batch_size` (to rounding of the likelihoods).

    `pixels` are the pictures as `images.prepared` makes them, (N, C, H, W) if all are of one size; at most `batch_size`
    prompts, pictures, candidates or draws are in one forward pass. Queries that differ in their decoding alone are
    read together, equal ones answered once. A batch that cannot be computed gives `Scored.error`, and the others go on.
    Where memory runs out the batches get smaller. Several processes answer a share of the questions each, and all
    get all answers; alone the answers go into `part` from time to time, and those that are there are not sought again.

    Raises:
        Stopped: a stop is asked for, and the answers so far are kept.
        OutOfMemory: there is no room for a single question.
        StudyError: a decoding cannot be read.
    """
    asked = _Work.of(queries)
    shares = asked.shares(ranks().count)
    work = asked.only(shares[ranks().rank])
    found: dict[int, _Answered] = {}
    size = Size("batch_size", batch_size)
    if (kept := part.load()) is not None:
        found |= {i: _unpacked(work.ways(i), *told) for i, told in kept["found"]}
        size.most = kept["size"]
    size.saw(len(work.distinct))

    def answer() -> None:
        features = features_of(vlm, pixels, size.most)
        touch = Touch(intervention, intervention.decide(work.distinct, features, pixels)) if intervention else Touch()
        room = _Room(vlm, features, max_new_tokens, size.most)
        _answer(room, work, touch, found, progress, part)

    if len(found) < len(work.distinct):
        size.with_room(answer, lambda: None, lambda: remedies(vlm.model))
    part.end(len(found), lambda: _packed(work, found, size.most))
    everyone = ranks().each(found)
    together = {share[i]: done for share, part in zip(shares, everyone, strict=True) for i, done in part.items()}
    return asked.results(together)


def _answer(
    room: _Room, work: _Work, touch: Touch, found: dict[int, _Answered], progress: Progress | None, part: Part
) -> None:
    """Answer all distinct questions that are not answered yet."""
    vlm, features, size = room.vlm, room.features, room.size
    for group in groups(vlm, work.distinct, size, touch):
        known: Read | None = None
        for chunk in group.chunks(work.distinct, size):
            if all(i in found for i in chunk):
                continue
            try:
                if known is None and group.opening:
                    known = read(vlm, [work.distinct[i] for i in group.members], group.opening, features)
                found |= room.answered(work, group, chunk, known, touch.only(chunk))
            except (RuntimeError, ValueError) as error:
                if ran_out(error):
                    raise
                found |= {i: _Answered(failed(f"{type(error).__name__}: {error}")) for i in chunk}
            if progress is not None:
                progress(sum(len(work.askers[i]) for i in found), sum(map(len, work.askers)), "questions")
            if len(found) < len(work.distinct) and part.due():
                part.save(len(found), len(work.distinct), _packed(work, found, size))


@dataclass(frozen=True)
class _Answered:
    """What was found of one distinct question: what all who ask it share, and the replies by their ways."""

    shared: Scored
    replies: dict[_Way, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    """The distinct questions, and for each the places of the queries that ask it."""

    queries: Sequence[Query]
    distinct: list[Query]
    askers: list[list[int]]

    @classmethod
    def of(cls, queries: Sequence[Query]) -> _Work:
        """Queries whose prompt, picture and answers are the same are one question."""
        places: dict[Query, list[int]] = {}
        for i, query in enumerate(queries):
            places.setdefault(replace(query, decoding="greedy", stream=None), []).append(i)
        return cls(queries, list(places), list(places.values()))

    def shares(self, count: int) -> list[list[int]]:
        """The distinct questions in `count` parts of one size, those on one picture together as far as can be."""
        pictures = [-1 if query.image is None else query.image for query in self.distinct]
        order = sorted(range(len(pictures)), key=pictures.__getitem__) if count > 1 else list(range(len(pictures)))
        return [sorted(order[len(order) * k // count : len(order) * (k + 1) // count]) for k in range(count)]

    def only(self, share: Sequence[int]) -> _Work:
        """Some of the distinct questions, numbered anew."""
        return _Work(self.queries, [self.distinct[i] for i in share], [self.askers[i] for i in share])

    def ways(self, number: int) -> list[_Way]:
        """How the replies to a distinct question are to be drawn, beside the greedy one."""
        asked = (self.queries[i] for i in self.askers[number])
        return list(dict.fromkeys((q.decoding, q.stream) for q in asked if decoding(q.decoding).kind in _DRAWN))

    def results(self, found: dict[int, _Answered]) -> list[Scored]:
        """One result for each query, in their order."""
        out: dict[int, Scored] = {}
        for number, askers in enumerate(self.askers):
            answered = found[number]
            for i in askers:
                query = self.queries[i]
                kind = decoding(query.decoding).kind
                if answered.shared.error:
                    replies: tuple[str, ...] = ()
                elif kind in _DRAWN:
                    replies = answered.replies[query.decoding, query.stream]
                else:
                    replies = () if kind in STATISTICS else (answered.shared.text,)
                out[i] = answered.shared._replace(replies=replies)
        return [out[i] for i in range(len(self.queries))]


_DRAWN = ("sample", "beam")


def _packed(work: _Work, found: Mapping[int, _Answered], size: int) -> dict[str, Any]:
    """The answers as a checkpoint can hold them; which batches they came in follows from the size of batches."""

    def one(number: int, answered: _Answered) -> tuple[Any, ...]:
        shared = answered.shared
        likely = None if shared.likelihood is None else (tuple(shared.likelihood.right), shared.likelihood.wrong)
        replies = [answered.replies.get(way) for way in work.ways(number)]
        return (shared.text, shared.logp, shared.rank1, shared.error), likely, replies

    return {"found": [(i, one(i, answered)) for i, answered in found.items()], "size": size}


def _unpacked(ways: Sequence[_Way], shared: tuple[Any, ...], likely: tuple[Any, ...] | None, replies: Any) -> _Answered:
    """The answer to a question that `_packed` was given."""
    text, logp, rank1, error = shared
    likelihood = None if likely is None else Likelihood(Tokens(*likely[0]), likely[1])
    drawn = {way: texts for way, texts in zip(ways, replies, strict=True) if texts is not None}
    return _Answered(Scored(text, logp, rank1, (), likelihood, error), drawn)


@dataclass(frozen=True)
class _Room:
    """What every batch is computed with."""

    vlm: VLM
    features: Seen | None
    limit: int
    size: int

    def answered(
        self, work: _Work, group: Group, chunk: Sequence[int], known: Read | None, touch: Touch
    ) -> dict[int, _Answered]:
        """The answers to one batch of distinct questions."""
        batch = [work.distinct[i] for i in chunk]
        state = prefill(self.vlm, batch, len(group.opening), known, self.features, touch)
        likely = likelihoods(self.vlm, batch, state, touch, self.size)
        drawn = self._drawn(state, [work.ways(i) for i in chunk], touch)
        texts = drawing.greedy(self.vlm, state, self.limit, touch)  # last: it uses the cache up
        rows = zip(chunk, texts, likely, drawn, strict=True)
        return {i: _Answered(_shared(text, likelihood), replies) for i, text, likelihood, replies in rows}

    def _drawn(self, state: State, ways: Sequence[Sequence[_Way]], touch: Touch) -> list[dict[_Way, tuple[str, ...]]]:
        """The replies by the decodings other than greedy, for each row of the batch."""
        found: list[dict[_Way, tuple[str, ...]]] = [{} for _ in ways]
        for name in dict.fromkeys(text for row in ways for text, _ in row):
            how = decoding(name)
            asked = [(row, stream) for row, mine in enumerate(ways) for text, stream in mine if text == name]
            some = max(1, self.size // how.draws)
            for start in range(0, len(asked), some):
                part = asked[start : start + some]
                rows, streams = [row for row, _ in part], [stream for _, stream in part]
                replies = self._replies(name, state, rows, streams, touch)
                for row, stream, texts in zip(rows, streams, replies, strict=True):
                    found[row][name, stream] = texts
        return found

    def _replies(
        self, name: str, state: State, rows: Sequence[int], streams: Sequence[Streams | None], touch: Touch
    ) -> list[tuple[str, ...]]:
        how, mine = decoding(name), touch.only(rows)
        if how.kind == "beam":
            return drawing.beams(self.vlm, state, rows, how.draws, self.limit, mine)
        given = [stream for stream in streams if stream is not None]
        if len(given) < len(streams):
            raise ValueError(f"{name} needs a stream to draw from")
        return drawing.sampled(self.vlm, state, rows, given, how, self.limit, mine)


def _shared(text: str | None, likelihood: Likelihood | None) -> Scored:
    if text is None or (likelihood is not None and not _is_number(likelihood)):
        return failed(drawing.NOT_A_NUMBER)
    if likelihood is None:
        return Scored(text, 0.0, False)
    logp = likelihood.logp  # ties do not count as first
    return Scored(text, logp, all(logp > other for other in likelihood.wrong), (), likelihood)


def _is_number(likelihood: Likelihood) -> bool:
    values = (*likelihood.right.logp, *likelihood.right.mean, *likelihood.right.sd, *likelihood.wrong)
    return all(v == v for v in values)
