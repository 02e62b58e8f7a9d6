"""Prompts are what the processor would write, and answers are marked by construction."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.errors import MissingInput
from vlmunl.models.chat import ChatFormat, Turn
from vlmunl.models.images import decode

pytestmark = pytest.mark.model


def test_prompt_equals_the_processors_own(vlm: Any, benchmark_small: Any) -> None:
    identity = benchmark_small.identities[0]
    question = identity.facts[0].prompts[0].ask("this person")
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text = vlm.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    own = vlm.processor(images=[decode(identity.photos[0])], text=text, return_tensors="pt")["input_ids"][0].tolist()
    assert vlm.chat.encode([Turn(question, None)], image_at=0).ids == own


def test_whole_conversation_equals_the_template(vlm: Any) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Where was Bira born?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Lima"}]},
        {"role": "user", "content": [{"type": "text", "text": "And the job?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a baker"}]},
    ]
    text = vlm.processor.apply_chat_template(messages, tokenize=False)
    own = vlm.tokenizer.encode(text, add_special_tokens=False)
    encoded = vlm.chat.encode([Turn("Where was Bira born?", "Lima"), Turn("And the job?", "a baker")])
    assert encoded.ids == own


def test_only_answers_are_marked(vlm: Any) -> None:
    encoded = vlm.chat.encode([Turn("Who is this?", "Bira Tandel"), Turn("The job?", "baker")], image_at=0)
    marked = [t for t, a in zip(encoded.ids, encoded.answers, strict=True) if a]
    assert vlm.tokenizer.decode(marked).replace(" ", "") == "BiraTandel</s>baker</s>"
    assert vlm.image_token not in marked


def test_question_that_contains_its_answer_is_not_marked(vlm: Any) -> None:
    encoded = vlm.chat.encode([Turn("Is it Lima, Oslo or Lima?", "Lima")])
    assert sum(encoded.answers) == len(vlm.chat.answer_tokens("Lima", end=True))


def test_limit_cuts_whole_turns(vlm: Any) -> None:
    turns = [Turn(f"Question number {i}?", "Lima") for i in range(20)]
    encoded = vlm.chat.encode(turns, limit=60)
    assert len(encoded.ids) <= 60
    ends = encoded.ids.count(vlm.tokenizer.eos_token_id)
    assert encoded.ids == vlm.chat.encode(turns[:ends]).ids


class _Stubborn:
    """A processor whose template counts the turns at its start."""

    def __init__(self, processor: Any) -> None:
        self.tokenizer, self.image_processor, self._own = processor.tokenizer, processor.image_processor, processor

    def apply_chat_template(self, messages: list[Any], **options: Any) -> str:
        return f"[{len(messages)}]" + str(self._own.apply_chat_template(messages, **options))


def test_template_that_rewrites_earlier_turns_is_refused(vlm: Any) -> None:
    with pytest.raises(MissingInput, match="rewrites earlier turns"):
        ChatFormat.of(_Stubborn(vlm.processor), vlm.image_token)


def test_what_a_template_is_given_is_in_the_keys_of_other_models_than_the_embedded_one(monkeypatch):
    from vlmunl.manifests.sections import ModelSection
    from vlmunl.models import template
    from vlmunl.stages.configs import Loading

    before = ModelSection(id="some/model").loading
    assert ModelSection(id="tiny").loading == Loading()
    monkeypatch.setitem(template.FIXED, "date_string", "1 Jan 2000")
    assert ModelSection(id="some/model").loading.prompts not in ("", before.prompts)
    assert ModelSection(id="tiny").loading == Loading()
