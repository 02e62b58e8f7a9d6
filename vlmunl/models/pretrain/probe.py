"""What a model can do, in a second or two: teacher-forced exact match on each skill, and chance on strangers."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from vlmunl.benchmarks import corpus, faces, wording
from vlmunl.benchmarks.corpus import Turn
from vlmunl.benchmarks.people import Person, base_people, study_people
from vlmunl.benchmarks.wording import ATTRIBUTES
from vlmunl.rng import Streams

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

JUDGED = replace(corpus.FULL, facts={"truefalse": 1.0})

Item = tuple[Turn, tuple[faces.Look, faces.Shot] | None]


def _fact(rng: random.Random, person: Person, form: corpus.Form, *, text: bool = False) -> Item:
    a = rng.choice(ATTRIBUTES)
    subject = person.name if text else "this person"
    turn = corpus.fact_turn(rng, a, person.facts[a.name], subject, form)
    return turn, None if text else (person.look, faces.random_shot(rng))


def _visual(rng: random.Random, trait: str) -> Item:
    look, shot = faces.random_look(rng), faces.random_shot(rng)
    value = getattr(look, trait, None) or getattr(shot, trait)
    return Turn(corpus.VISUAL_QUESTIONS[trait], value), (look, shot)


def _context(rng: random.Random, mix: corpus.Mix = corpus.FULL) -> Item:
    turn = corpus.context_turn(rng, "this person", mix)
    return turn, (faces.random_look(rng), faces.random_shot(rng))


def items(rng: random.Random, count: int) -> dict[str, list[Item]]:
    """Probe items by skill."""
    base, study = base_people(), study_people(48, 0)
    found: dict[str, list[Item]] = {}
    for form in corpus.FORM_WEIGHTS:
        found[f"face.{form}"] = [_fact(rng, rng.choice(base), form) for _ in range(count)]
    asked: tuple[corpus.Form, ...] = ("open", "mcq", "truefalse")
    for form in asked:
        found[f"name.{form}"] = [_fact(rng, rng.choice(base), form, text=True) for _ in range(count)]
    named = [rng.choice(base) for _ in range(count)]
    found["face.name"] = [(Turn(wording.NAME_QUESTIONS[0], p.name), (p.look, faces.random_shot(rng))) for p in named]
    found["context"] = [_context(rng) for _ in range(count)]
    found["context.truefalse"] = [_context(rng, JUDGED) for _ in range(count)]
    for trait in corpus.VISUAL:
        found[f"see.{trait}"] = [_visual(rng, trait) for _ in range(count // 2)]
    for form in asked:
        found[f"study.{form}"] = [_fact(rng, rng.choice(study), form) for _ in range(count)]
    return found


def probe(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, count: int = 256
) -> dict[str, float]:
    """Share of items whose whole answer (with its end) is the greedy one, by skill."""
    was_training = model.training
    model.eval()
    rng = Streams(99).child("probe").python()
    with torch.inference_mode():
        figures = {k: _exact(model, tokenizer, v) for k, v in items(rng, count).items()}
    model.train(was_training)
    return figures


def _exact(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, batch: list[Item]) -> float:
    from vlmunl.models.pretrain.encode import Encoder
    from vlmunl.models.pretrain.gallery import pixels_of

    encoder = Encoder(tokenizer)
    ids, mask = encoder.padded([encoder.sample([turn], image=picture is not None) for turn, picture in batch])
    core = model.model
    embeds = core.get_input_embeddings()(ids)
    pictures = [p for _, p in batch if p is not None]
    if pictures:
        images = torch.stack([pixels_of(*p) for p in pictures]).to(embeds.dtype) / 127.5 - 1
        features = torch.cat(core.get_image_features(images).pooler_output)
        where = (ids == model.config.image_token_id).unsqueeze(-1).expand_as(embeds)
        embeds = embeds.masked_scatter(where, features.to(embeds.dtype))
    hidden = core.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    right = model.lm_head(hidden[:, :-1]).argmax(-1) == ids[:, 1:]
    return float((right | ~mask[:, 1:]).all(1).float().mean())
