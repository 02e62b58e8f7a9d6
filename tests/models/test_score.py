"""Scores are a property of model and question: not of batch size, padding, order or caching."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vlmunl.models.chat import Turn
from vlmunl.models.images import decode, pixel_values
from vlmunl.models.score import Query, Scored, score

pytestmark = pytest.mark.model


@pytest.fixture
def asked(vlm: Any, benchmark_small: Any) -> tuple[list[Query], Any]:
    """Questions of all formats, with and without a picture, of very different lengths."""
    queries = []
    for place, identity in enumerate(benchmark_small.identities):
        for fact in identity.facts[:3]:
            for prompt in fact.prompts[::3]:
                wrong = tuple(o for o in prompt.options if o != prompt.answer) or fact.distractors
                for image in (place, None):
                    turns = [Turn(prompt.ask("this person" if image is not None else identity.name), None)]
                    if len(queries) % 5 == 0:
                        turns.insert(0, Turn("Who is this?", identity.name))
                    ids = vlm.chat.encode(turns, image_at=0 if image is not None else None).ids
                    queries.append(Query(tuple(ids), image, prompt.answer, wrong))
    pixels = pixel_values(vlm.processor, [decode(i.photos[0]) for i in benchmark_small.identities])
    return queries, pixels


def _same(left: list[Scored], right: list[Scored]) -> None:
    assert [r.text for r in left] == [r.text for r in right]
    assert [r.rank1 for r in left] == [r.rank1 for r in right]
    assert [r.logp for r in left] == pytest.approx([r.logp for r in right], abs=1e-4)


def test_batch_size_does_not_matter(vlm: Any, asked: Any) -> None:
    queries, pixels = asked
    large = score(vlm, queries, pixels, max_new_tokens=4, batch_size=64)
    _same(large, score(vlm, queries, pixels, max_new_tokens=4, batch_size=1))
    _same(large, score(vlm, queries, pixels, max_new_tokens=4, batch_size=7))


def test_order_does_not_matter(vlm: Any, asked: Any) -> None:
    queries, pixels = asked
    order = random.Random(0).sample(range(len(queries)), len(queries))
    shuffled = score(vlm, [queries[i] for i in order], pixels, max_new_tokens=4, batch_size=16)
    straight = score(vlm, queries, pixels, max_new_tokens=4, batch_size=16)
    _same([straight[i] for i in order], shuffled)


def test_shared_pictures_change_nothing(vlm: Any, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, pixels = asked
    shared = score(vlm, queries, pixels, max_new_tokens=4, batch_size=32)
    monkeypatch.setattr("vlmunl.models.scoring.prefix.opening_of", lambda query, token: ())
    _same(shared, score(vlm, queries, pixels, max_new_tokens=4, batch_size=32))


def test_equals_generate_and_a_plain_forward(vlm: Any, asked: Any) -> None:
    import torch

    queries, pixels = asked
    found = score(vlm, queries, pixels, max_new_tokens=6, batch_size=32)
    for query, result in list(zip(queries, found, strict=True))[::9]:
        inputs: dict[str, Any] = {"input_ids": torch.tensor([query.prompt])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if query.image is not None:
            inputs["pixel_values"] = pixels[query.image : query.image + 1]
        tokens = vlm.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, len(query.prompt) :]
        assert vlm.tokenizer.decode(tokens, skip_special_tokens=True).strip() == result.text
        answer = vlm.chat.answer_tokens(query.answer)
        inputs["input_ids"] = torch.tensor([[*query.prompt, *answer]])
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.inference_mode():
            logp = torch.log_softmax(vlm.model(**inputs).logits[0, len(query.prompt) - 1 : -1], -1)
        mean = float(logp[range(len(answer)), answer].mean())
        assert result.logp == pytest.approx(mean, abs=1e-4)


def test_answers_of_several_tokens(vlm: Any, benchmark_small: Any) -> None:
    identity = benchmark_small.identities[0]
    others = tuple(i.name for i in benchmark_small.identities[1:])
    ids = vlm.chat.encode([Turn("Who is this?", None)], image_at=0).ids
    pixels = pixel_values(vlm.processor, [decode(identity.photos[0])])
    for size in (1, 4):
        [result] = score(vlm, [Query(tuple(ids), 0, identity.name, others)], pixels, max_new_tokens=8, batch_size=size)
        assert result.logp < 0
        ranked = sorted((identity.name, *others), key=lambda name: -_logp(vlm, ids, name, pixels))
        assert result.rank1 == (ranked[0] == identity.name)


def _logp(vlm: Any, ids: list[int], name: str, pixels: Any) -> float:
    [result] = score(vlm, [Query(tuple(ids), 0, name, ())], pixels, max_new_tokens=1, batch_size=1)
    return result.logp
