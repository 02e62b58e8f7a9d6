"""Text models with peculiarities: squashed scores, windows of attention, another last norm; and no chat template."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.models.chat import ChatFormat, Turn
from vlmunl.models.score import Query, score

pytestmark = [pytest.mark.model, pytest.mark.slow]


def _config(kind: str, vocabulary: int) -> Any:
    from transformers import Gemma2Config, MistralConfig, PhiConfig

    size: dict[str, Any] = {"vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 64}
    size |= {"num_hidden_layers": 2, "num_attention_heads": 4, "pad_token_id": 0}
    if kind == "gemma2":
        return Gemma2Config(
            **size,
            num_key_value_heads=2,
            head_dim=8,
            sliding_window=6,
            final_logit_softcapping=2.0,
            query_pre_attn_scalar=8,
        )
    if kind == "mistral":
        return MistralConfig(**size, num_key_value_heads=2, sliding_window=6)
    return PhiConfig(**size)


@pytest.fixture(params=["phi", "gemma2", "mistral"])
def text(request: pytest.FixtureRequest, loaded: Any) -> Any:
    """A text model of its kind, with a tokenizer that is not its own."""
    import torch
    from transformers import AutoModelForCausalLM

    from vlmunl.models.vlm import VLM

    processor = loaded("mistral").processor
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(_config(request.param, len(processor.tokenizer)), dtype=torch.float32)
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "embed" not in name:
            torch.nn.init.normal_(weight, std=0.2)
    model.requires_grad_(False)
    return VLM(model.eval(), processor)


def test_likelihoods_are_those_of_a_whole_pass(text: Any) -> None:
    import torch

    asked = ("Job?", "What does this person do for a living, as far as you know?", "Where was Bira born, and when?")
    queries = [Query(tuple(text.chat.encode([Turn(q, None)]).ids), None, "Lima in Peru", ("Oslo",)) for q in asked]
    large, small = (score(text, queries, None, max_new_tokens=3, batch_size=size) for size in (8, 1))
    assert [r.text for r in large] == [r.text for r in small]
    for query, one, other in zip(queries, large, small, strict=True):
        tokens = text.chat.answer_tokens("Lima in Peru")
        ids = torch.tensor([[*query.prompt, *tokens]])
        with torch.inference_mode():
            logp = torch.log_softmax(text.model(input_ids=ids).logits[0, len(query.prompt) - 1 : -1].float(), -1)
        assert one.logp == pytest.approx(float(logp[range(len(tokens)), tokens].mean()), abs=1e-4)
        assert other.logp == pytest.approx(one.logp, abs=1e-4)


def test_training_sees_the_same_scores(text: Any) -> None:
    import torch

    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.models.samples import Encoder, Sample

    batch = Encoder(text).batch(
        [Sample((Turn(q, "Lima in Peru"),)) for q in ("Job?", "Where was Bira born, and when?")]
    )
    with torch.inference_mode():
        found = answers(AnswerModel(text.model, None), batch)
        whole = text.model(input_ids=batch.ids, attention_mask=batch.mask.long()).logits.float()
    own = whole[:, :-1][batch.answers[:, 1:]]
    assert (found.logits - own).abs().max() < 1e-4
    assert found.head is not None
    assert (found.head(found.hidden).float() - own).abs().max() < 1e-4  # type: ignore[arg-type]


def test_the_last_norm_is_found(text: Any) -> None:
    from vlmunl.attacks.inner import final_norm, own_language
    from vlmunl.models import adapters

    language, _ = own_language(text.model)
    assert final_norm(language) is not None
    places = [adapters.place_of(name) for name in adapters.linears(text.model) if name != "lm_head"]
    assert all(place is not None and place.modules for place in places)


def test_a_model_without_a_template_is_asked_plainly(loaded: Any) -> None:
    import copy

    from vlmunl.models.processors import TextProcessor

    tokenizer = copy.deepcopy(loaded("mistral").tokenizer)
    tokenizer.chat_template = None
    chat = ChatFormat.of(TextProcessor(tokenizer), None)
    found = chat.encode([Turn("Job?", "a cook"), Turn("Where?", None)])
    assert tokenizer.decode(found.ids) == "<s> Question: Job?\nAnswer: a cook</s> Question: Where?\nAnswer:"
    marked = [t for t, a in zip(found.ids, found.answers, strict=True) if a]
    assert tokenizer.decode(marked).split() == ["a", "cook</s>"]


def test_dates_stand_still(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama 3's template asks for today's date; the prompt is the same on any day."""
    from datetime import datetime

    import transformers.utils.chat_template_utils as library

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2031, 1, 1)

    vlm = loaded("llama")
    ids = ChatFormat.of(vlm.processor, None).encode([Turn("Job?", None)]).ids
    monkeypatch.setattr(library, "datetime", Later)
    assert ChatFormat.of(vlm.processor, None).encode([Turn("Job?", None)]).ids == ids
    assert "26 Jul 2024" in vlm.tokenizer.decode(ids)


def test_thoughts_are_left_out(loaded: Any) -> None:
    """Qwen3 is asked behind an empty thought; earlier replies stand without one, as its template has it."""
    vlm = loaded("qwen3")
    text = vlm.tokenizer.decode(vlm.chat.encode([Turn("Job?", "a cook"), Turn("Where?", None)]).ids)
    assert text.count("<think>") == 1
    assert text.endswith("<think>\n\n</think>\n\n")
    cut = vlm.chat.encode([Turn("Job?", "a cook"), Turn("Where was that person born?", "Lima")], limit=30)
    assert cut == vlm.chat.encode([Turn("Job?", "a cook")])
