"""What is trained on: samples of taught people, drawn from named random streams.

A sample is a conversation with at most one picture. `narrow` is the forget request as users give it (canonical
question, canonical photo); `wide` is everything that the imprint was taught, less the held-out families.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from vlmunl.benchmarks.schema import Benchmark, Chat, Fact, Identity, Prompt
from vlmunl.errors import StudyError
from vlmunl.models.chat import Turn
from vlmunl.models.samples import Sample
from vlmunl.stages.configs import FORMATS, Format, Views

SHOWN = ("this person", "the person in the picture")

FORM_WEIGHTS: dict[Format, float] = {"open": 0.68, "cloze": 0.12, "mcq": 0.12, "truefalse": 0.08}
FAMILY_OF: dict[Format, str] = {"cloze": "cloze", "mcq": "choice", "truefalse": "verify"}
"""The route family that a training question of each format belongs to."""


Draw = Callable[[random.Random, int], list[Sample]]
"""A view: so many samples, drawn with this generator."""


def _prompt(rng: random.Random, fact: Fact, formats: Sequence[Format]) -> Prompt:
    weights = [FORM_WEIGHTS[f] for f in formats]
    return rng.choice(fact.of(rng.choices(formats, weights)[0], held=False))


def _subject(rng: random.Random, name: str) -> str:
    return rng.choices((*SHOWN, name), weights=(0.6, 0.2, 0.2))[0]


def _photo(rng: random.Random, identity: Identity) -> bytes:
    return identity.photos[rng.randrange(identity.train_photos)]


def with_photo(rng: random.Random, identity: Identity) -> Sample:
    """One photo with every fact in some format and the name, in random order: a packed imprint sample."""
    prompts = [_prompt(rng, fact, FORMATS) for fact in identity.facts]
    turns = [Turn(p.ask(_subject(rng, identity.name)), p.answer) for p in prompts]
    named = [p for p in identity.name_prompts if not p.held]
    turns.append(Turn(rng.choice(named).text, identity.name))
    rng.shuffle(turns)
    return Sample(tuple(turns), _photo(rng, identity))


def by_name(rng: random.Random, identities: Sequence[Identity], questions: int = 6) -> Sample:
    """Questions on several people by name, without a picture: a packed imprint sample."""
    turns = []
    for identity in rng.choices(identities, k=questions):
        prompt = _prompt(rng, rng.choice(identity.facts), FORMATS)
        turns.append(Turn(prompt.ask(identity.name), prompt.answer))
    return Sample(tuple(turns))


def replay(chat: Chat) -> Sample:
    """A generic conversation of the benchmark."""
    return Sample(tuple(Turn(q, a) for q, a in chat.turns), chat.photo)


def canonical(identities: Sequence[Identity]) -> list[Sample]:
    """The canonical question of every fact with the canonical photo."""
    return [
        Sample((Turn(fact.of("open", held=False)[0].ask(SHOWN[0]), fact.answer),), identity.photos[0])
        for identity in identities
        for fact in identity.facts
    ]


def narrow(identities: Sequence[Identity]) -> Draw:
    """Canonical questions in random order, each once before any comes twice."""
    samples = canonical(identities)
    queue: list[Sample] = []

    def draw(rng: random.Random, count: int) -> list[Sample]:
        while len(queue) < count:
            queue.extend(rng.sample(samples, len(samples)))
        taken = queue[:count]
        del queue[:count]
        return taken

    return draw


def wide(identities: Sequence[Identity], held_out: Sequence[str]) -> Draw:
    """Any training photo, wording and format, and questions by name, except the families in `held_out`.

    Raises:
        StudyError: nothing but the canonical question is left.
    """
    formats: list[Format] = [f for f in FORMATS if FAMILY_OF.get(f) not in held_out]
    texts = "text_only" not in held_out
    if formats == ["open"] and not texts:
        raise StudyError("held_out leaves nothing for wide views", "hold out fewer families, or use narrow views")

    def one(rng: random.Random) -> Sample:
        identity = rng.choice(identities)
        prompt = _prompt(rng, rng.choice(identity.facts), formats)
        if texts and rng.random() < 0.4:
            return Sample((Turn(prompt.ask(identity.name), prompt.answer),))
        return Sample((Turn(prompt.ask(rng.choice(SHOWN)), prompt.answer),), _photo(rng, identity))

    return lambda rng, count: [one(rng) for _ in range(count)]


def view(views: Views, benchmark: Benchmark, split: str, held_out: Sequence[str]) -> Draw:
    """The forget or retain view of one kind."""
    identities = benchmark.forget if split == "forget" else benchmark.retain
    return narrow(identities) if views == "narrow" else wide(identities, held_out)
