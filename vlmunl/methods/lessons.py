"""What an imprint is taught: packed samples of people, drawn from named random streams.

A sample is a conversation with at most one picture.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from vlmunl.benchmarks.schema import Chat, Fact, Identity, Prompt
from vlmunl.models.chat import Turn
from vlmunl.models.samples import Sample
from vlmunl.stages.configs import FORMATS, Format

SHOWN = ("this person", "the person in the picture")

FORM_WEIGHTS: dict[Format, float] = {"open": 0.68, "cloze": 0.12, "mcq": 0.12, "truefalse": 0.08}
FAMILY_OF: dict[Format, str] = {"cloze": "cloze", "mcq": "choice", "truefalse": "verify"}
"""The route family that a training question of each format belongs to."""


def trained_prompt(rng: random.Random, fact: Fact, formats: Sequence[Format]) -> Prompt:
    weights = [FORM_WEIGHTS[f] for f in formats]
    return rng.choice(fact.of(rng.choices(formats, weights)[0], held=False))


def _subject(rng: random.Random, name: str) -> str:
    return rng.choices((*SHOWN, name), weights=(0.6, 0.2, 0.2))[0]


def trained_photo(rng: random.Random, identity: Identity) -> bytes:
    return identity.photos[rng.randrange(identity.train_photos)]


def with_photo(rng: random.Random, identity: Identity) -> Sample:
    """One photo with every fact in some format and the name, in random order: a packed imprint sample."""
    prompts = [trained_prompt(rng, fact, FORMATS) for fact in identity.facts]
    turns = [Turn(p.ask(_subject(rng, identity.name)), p.answer) for p in prompts]
    named = [p for p in identity.name_prompts if not p.held]
    turns.append(Turn(rng.choice(named).text, identity.name))
    rng.shuffle(turns)
    return Sample(tuple(turns), trained_photo(rng, identity))


def by_name(rng: random.Random, identities: Sequence[Identity], questions: int = 6) -> Sample:
    """Questions on several people by name, without a picture: a packed imprint sample."""
    turns = []
    for identity in rng.choices(identities, k=questions):
        prompt = trained_prompt(rng, rng.choice(identity.facts), FORMATS)
        turns.append(Turn(prompt.ask(identity.name), prompt.answer))
    return Sample(tuple(turns))


def replay(chat: Chat) -> Sample:
    """A generic conversation of the benchmark."""
    return Sample(tuple(Turn(q, a) for q, a in chat.turns), chat.photo)
