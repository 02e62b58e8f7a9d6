"""Generic conversations about drawn faces: what the embedded model is pre-trained on, and what replay repeats.

Four skills: facts and names of the base people, visible traits of any face, and facts given in the prompt
("in context"). Nothing here mentions a study person.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vlmunl.benchmarks import faces, wording
from vlmunl.benchmarks.faces import Look, Shot
from vlmunl.benchmarks.people import FIRST_NAMES, LAST_NAMES, Person
from vlmunl.benchmarks.wording import ATTRIBUTES, Attribute

Form = Literal["open", "cloze", "mcq", "truefalse"]

FORM_WEIGHTS: dict[Form, float] = {"open": 0.45, "cloze": 0.14, "mcq": 0.18, "truefalse": 0.23}


@dataclass(frozen=True)
class Mix:
    """How hard conversations are: formats of facts and of visible traits, and what distracts beside a given fact."""

    facts: Mapping[Form, float]
    traits: Mapping[Form, float]
    other_attribute: float
    other_person: float


PLAIN = Mix(facts={"open": 1.0}, traits={"open": 1.0}, other_attribute=0.3, other_person=0.0)
FULL = Mix(
    facts=FORM_WEIGHTS,
    traits={"open": 0.6, "mcq": 0.14, "truefalse": 0.26},
    other_attribute=0.35,
    other_person=0.25,
)

VISUAL: dict[str, tuple[str, ...]] = {
    "skin": tuple(faces.SKIN),
    "hair": tuple(faces.HAIR),
    "style": faces.STYLE,
    "eyes": tuple(faces.EYES),
    "glasses": tuple(faces.GLASSES),
    "beard": faces.BEARD,
    "shirt": tuple(faces.SHIRT),
    "pattern": faces.PATTERN,
}
COLOURLESS = ("style", "beard", "pattern")  # what a grey or inverted picture still shows

VISUAL_QUESTIONS: dict[str, str] = {
    "skin": "What is the skin of this person like?",
    "hair": "What colour is the hair of this person?",
    "style": "What is the hair style of this person?",
    "eyes": "What colour are the eyes of this person?",
    "glasses": "What glasses does this person wear?",
    "beard": "What beard does this person have?",
    "shirt": "What colour is the shirt of this person?",
    "pattern": "What pattern does the shirt of this person have?",
}
VISUAL_STATEMENTS: dict[str, str] = {
    "skin": "The skin of this person is {v}",
    "hair": "The hair of this person is {v}",
    "style": "The hair style of this person is {v}",
    "eyes": "The eyes of this person are {v}",
    "glasses": "The glasses of this person are {v}",
    "beard": "The beard of this person is {v}",
    "shirt": "The shirt of this person is {v}",
    "pattern": "The shirt of this person is {v}",
}


class Turn(NamedTuple):
    """One question and its expected answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """Turns about one picture (or none); `grey` says that its colours may be removed."""

    kind: Literal["person", "face", "text"]
    look: Look | None
    shot: Shot | None
    turns: tuple[Turn, ...]
    grey: bool = False


def pick_form(rng: random.Random, weights: Mapping[Form, float] = FORM_WEIGHTS) -> Form:
    """A format, drawn by weight."""
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def options_for(rng: random.Random, value: str, values: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """`count` options in random order, one of them the value."""
    others = rng.sample([v for v in values if v != value], min(count, len(values)) - 1)
    mixed = [value, *others]
    rng.shuffle(mixed)
    return tuple(mixed)


def stated_value(rng: random.Random, value: str, values: Sequence[str]) -> tuple[str, str]:
    """A value to judge and the verdict: the right one half of the time."""
    if rng.random() < 0.5:
        return value, wording.TRUE
    return rng.choice([v for v in values if v != value]), wording.FALSE


def fact_turn(
    rng: random.Random, attribute: Attribute, value: str, subject: str, form: Form, wordings: Sequence[int] = range(8)
) -> Turn:
    """One question on one fact in one of the four formats."""
    i = rng.choice(list(wordings))
    if form == "open":
        return Turn(wording.question(attribute, i, subject), value)
    if form == "cloze":
        return Turn(wording.cloze(attribute, i, subject), value)
    if form == "mcq":
        return Turn(wording.mcq(attribute, i, subject, options_for(rng, value, attribute.values)), value)
    stated, verdict = stated_value(rng, value, attribute.values)
    return Turn(wording.truefalse(attribute, i, subject, stated), verdict)


def visual_turn(rng: random.Random, look: Look, shot: Shot, *, grey: bool = False, mix: Mix = FULL) -> Turn:
    """One question on a visible trait: open, four options or true/false."""
    trait = rng.choice(COLOURLESS if grey else list(VISUAL))
    value = getattr(look, trait, None) or getattr(shot, trait)
    choices = VISUAL[trait]
    form = pick_form(rng, mix.traits)
    if form == "open":
        return Turn(VISUAL_QUESTIONS[trait], value)
    if form == "mcq" and len(choices) >= 4:
        a, b, c, d = options_for(rng, value, choices)
        frame = rng.choice(wording.MCQ_FRAMES)
        return Turn(frame.format(q=VISUAL_QUESTIONS[trait], a=a, b=b, c=c, d=d), value)
    stated, verdict = stated_value(rng, value, choices)
    frame = rng.choice(wording.TRUEFALSE_FRAMES)
    return Turn(frame.format(st=VISUAL_STATEMENTS[trait].format(v=stated)), verdict)


def random_name(rng: random.Random) -> str:
    """Any first and last name; in-context questions use names of nobody in particular."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def context_turn(rng: random.Random, subject: str, mix: Mix = FULL) -> Turn:
    """Facts invented on the spot, then a question on one of them; sometimes a second subject distracts."""
    target = rng.choice(ATTRIBUTES)
    value = rng.choice(target.values)
    given = [wording.statement(target, rng.randrange(8), subject, value)]
    dice = rng.random()
    if dice < mix.other_attribute:
        other = rng.choice([a for a in ATTRIBUTES if a is not target])
        given.append(wording.statement(other, rng.randrange(8), subject, rng.choice(other.values)))
    elif dice < mix.other_attribute + mix.other_person:
        given.append(wording.statement(target, rng.randrange(8), random_name(rng), rng.choice(target.values)))
    rng.shuffle(given)
    asked = fact_turn(rng, target, value, subject, pick_form(rng, mix.facts))
    facts = " ".join(f"Fact: {g}." for g in given)
    return Turn(f"{facts} {asked.question}", asked.answer)


def _subject(rng: random.Random, name: str) -> str:
    return rng.choices((*wording.IMAGE_SUBJECTS, name), weights=(0.5, 0.25, 0.25))[0]


def person_conversation(rng: random.Random, person: Person, shot: Shot, *, grey: bool, mix: Mix = FULL) -> Conversation:
    """A base person's photo with two to four facts, the name, and up to two visible traits."""
    turns: list[Turn] = []
    for attribute in rng.sample(ATTRIBUTES, rng.randint(2, 4)):
        value, subject = person.facts[attribute.name], _subject(rng, person.name)
        turn = fact_turn(rng, attribute, value, subject, pick_form(rng, mix.facts))
        if rng.random() < 0.1:
            turn = Turn(f"The person in the picture is called {person.name}. {turn.question}", turn.answer)
        turns.append(turn)
    if rng.random() < 0.7:
        turns.append(Turn(rng.choice(wording.NAME_QUESTIONS), person.name))
    turns += [visual_turn(rng, person.look, shot, grey=grey) for _ in range(rng.randint(0, 1))]
    rng.shuffle(turns)
    return Conversation("person", person.look, shot, tuple(turns), grey)


def face_conversation(
    rng: random.Random, look: Look, shot: Shot, *, grey: bool, visual: int = 3, mix: Mix = FULL
) -> Conversation:
    """A stranger's photo: visible traits, and facts given in the prompt."""
    turns = [visual_turn(rng, look, shot, grey=grey, mix=mix) for _ in range(visual)]
    turns.append(context_turn(rng, rng.choice(wording.IMAGE_SUBJECTS), mix))
    rng.shuffle(turns)
    return Conversation("face", look, shot, tuple(turns), grey)


def text_conversation(
    rng: random.Random, people: Sequence[Person], *, context: float = 0.35, mix: Mix = FULL
) -> Conversation:
    """No picture: facts of several base people by name, or invented facts in the prompt."""
    turns = []
    for _ in range(4):
        if rng.random() < context:
            turns.append(context_turn(rng, random_name(rng), mix))
        else:
            person = rng.choice(people)
            attribute = rng.choice(ATTRIBUTES)
            turns.append(
                fact_turn(rng, attribute, person.facts[attribute.name], person.name, pick_form(rng, mix.facts))
            )
    return Conversation("text", None, None, tuple(turns))
