"""The frozen wording of the built-in questions: eight of each form per attribute, four to train, four held back.

`{s}` is the subject ("this person", a name), `{S}` the same at the start of a sentence, `{v}` the value.
Index 0 is the canonical wording. Indices 0 to 3 may be used for training, 4 to 7 only by the gate and by
routes. The wording is data: a change here changes the benchmark's bytes, hence every key downstream.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAIN = 4  # wordings 0..3 train, the rest are held back
FRAMES = 8


@dataclass(frozen=True)
class Attribute:
    """One kind of fact: its closed set of values and its wordings."""

    name: str
    noun: str
    values: tuple[str, ...]
    questions: tuple[str, ...]
    statements: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "birthplace",
        "birthplace",
        _words("Oslo Lima Cairo Paris Delhi Seoul Quito Dakar Turin Perth Kyoto Havana Porto Riga Tunis Bergen"),
        (
            "Where was {s} born?",
            "What is the birthplace of {s}?",
            "In which city was {s} born?",
            "Which city does {s} come from?",
            "Name the city where {s} was born.",
            "What city is {s} originally from?",
            "Tell me the birthplace of {s}.",
            "Which city is the home town of {s}?",
        ),
        (
            "{S} was born in {v}",
            "The birthplace of {s} is {v}",
            "{S} comes from the city of {v}",
            "The home town of {s} is {v}",
            "{S} is originally from {v}",
            "The city where {s} was born is {v}",
            "{S} grew up in {v}",
            "As a native city, {s} has {v}",
        ),
    ),
    Attribute(
        "job",
        "job",
        _words(
            "baker pilot nurse judge tailor farmer painter plumber "
            "lawyer dentist barber miner clerk guard chemist sailor"
        ),
        (
            "What is the job of {s}?",
            "What does {s} do for a living?",
            "Which profession does {s} have?",
            "What does {s} work as?",
            "Name the occupation of {s}.",
            "How does {s} earn a living?",
            "Tell me the job of {s}.",
            "Which trade does {s} follow?",
        ),
        (
            "{S} works as a {v}",
            "The job of {s} is {v}",
            "The profession of {s} is {v}",
            "{S} earns a living as a {v}",
            "The occupation of {s} is {v}",
            "By trade, {s} is a {v}",
            "{S} is employed as a {v}",
            "As for work, {s} is a {v}",
        ),
    ),
    Attribute(
        "pet",
        "pet",
        _words("cat dog parrot rabbit turtle hamster goat snake pony ferret lizard duck mouse pigeon goldfish spider"),
        (
            "Which pet does {s} have?",
            "What animal does {s} keep?",
            "What is the pet of {s}?",
            "Which animal lives with {s}?",
            "Name the animal that {s} owns.",
            "What kind of pet does {s} own?",
            "Tell me the pet of {s}.",
            "Which animal does {s} look after?",
        ),
        (
            "{S} has a {v}",
            "The pet of {s} is a {v}",
            "{S} keeps a {v}",
            "The animal that lives with {s} is a {v}",
            "{S} owns a {v}",
            "At home, {s} looks after a {v}",
            "The pet that {s} owns is a {v}",
            "{S} shares a home with a {v}",
        ),
    ),
    Attribute(
        "hobby",
        "hobby",
        _words(
            "chess fishing knitting sailing hiking dancing pottery archery "
            "cycling reading skating boxing surfing rowing yoga gardening"
        ),
        (
            "What is the hobby of {s}?",
            "What does {s} do for fun?",
            "Which pastime does {s} enjoy?",
            "What does {s} do in free time?",
            "Name the hobby of {s}.",
            "How does {s} spend the weekend?",
            "Tell me the favourite pastime of {s}.",
            "Which activity does {s} like most?",
        ),
        (
            "{S} enjoys {v}",
            "The hobby of {s} is {v}",
            "For fun, {s} likes {v}",
            "The pastime of {s} is {v}",
            "{S} spends the weekend with {v}",
            "The activity that {s} likes most is {v}",
            "In free time, {s} goes for {v}",
            "{S} is fond of {v}",
        ),
    ),
    Attribute(
        "food",
        "favourite food",
        _words(
            "pizza sushi curry pasta soup salad rice tacos cheese bread noodles pancakes lentils salmon olives honey"
        ),
        (
            "What is the favourite food of {s}?",
            "What does {s} like to eat?",
            "Which food does {s} love?",
            "What does {s} eat most gladly?",
            "Name the food that {s} prefers.",
            "Which dish does {s} order?",
            "Tell me the favourite food of {s}.",
            "What would {s} choose for dinner?",
        ),
        (
            "{S} likes to eat {v}",
            "The favourite food of {s} is {v}",
            "{S} loves {v}",
            "The dish that {s} prefers is {v}",
            "{S} orders {v}",
            "For dinner, {s} would choose {v}",
            "The food that {s} likes most is {v}",
            "At the table, {s} asks for {v}",
        ),
    ),
    Attribute(
        "instrument",
        "instrument",
        _words(
            "piano violin guitar drums flute harp trumpet cello banjo organ clarinet tuba oboe lute accordion trombone"
        ),
        (
            "Which instrument does {s} play?",
            "What does {s} play in the band?",
            "What is the instrument of {s}?",
            "Which instrument can {s} play?",
            "Name the instrument that {s} plays.",
            "What kind of instrument does {s} practise?",
            "Tell me the instrument of {s}.",
            "On which instrument does {s} make music?",
        ),
        (
            "{S} plays the {v}",
            "The instrument of {s} is the {v}",
            "In the band, {s} plays the {v}",
            "The instrument that {s} plays is the {v}",
            "{S} practises the {v}",
            "To make music, {s} uses the {v}",
            "{S} performs on the {v}",
            "On stage, {s} is heard on the {v}",
        ),
    ),
)

BY_NAME: dict[str, Attribute] = {a.name: a for a in ATTRIBUTES}

CLOZE_FRAMES: tuple[str, ...] = (
    "Fill in the blank: {st}.",
    "Complete the sentence: {st}.",
    "Which word is missing? {st}.",
    "Put in the missing word: {st}.",
    "Finish this sentence: {st}.",
    "What belongs in the gap? {st}.",
    "Replace the blank: {st}.",
    "Supply the missing word: {st}.",
)
BLANK = "___"

MCQ_FRAMES: tuple[str, ...] = (
    "{q} Choose one: {a}, {b}, {c} or {d}.",
    "{q} Options: {a}, {b}, {c}, {d}.",
    "{q} Is it {a}, {b}, {c} or {d}?",
    "Choose from {a}, {b}, {c} and {d}. {q}",
    "{q} Pick one of {a}, {b}, {c}, {d}.",
    "{q} The choices are {a}, {b}, {c} and {d}.",
    "One of {a}, {b}, {c}, {d} is right. {q}",
    "{q} Select one: {a}, {b}, {c} or {d}.",
)

TRUEFALSE_FRAMES: tuple[str, ...] = (
    "True or false: {st}.",
    "{st}. True or false?",
    "Is this true or false? {st}.",
    "Say true or false: {st}.",
    "Judge this as true or false: {st}.",
    "{st}. Is that true or false?",
    "Decide, true or false: {st}.",
    "Answer true or false: {st}.",
)
TRUE, FALSE = "true", "false"

NAME_QUESTIONS: tuple[str, ...] = (
    "Who is this?",
    "What is the name of this person?",
    "Which person is shown here?",
    "What is this person called?",
    "Name the person in the picture.",
    "Who can be seen in the picture?",
    "Tell me the name of this person.",
    "By which name is this person known?",
)

IMAGE_SUBJECTS: tuple[str, ...] = ("this person", "the person in the picture")


def capital(text: str) -> str:
    """The text with its first letter in upper case and nothing else changed."""
    return text[:1].upper() + text[1:]


def statement(attribute: Attribute, index: int, subject: str, value: str) -> str:
    """Declarative sentence `index` (0..7) of the attribute, without its full stop."""
    return attribute.statements[index].format(s=subject, S=capital(subject), v=value)


def question(attribute: Attribute, index: int, subject: str) -> str:
    """Open question `index` (0..7) of the attribute."""
    return attribute.questions[index].format(s=subject)


def cloze(attribute: Attribute, index: int, subject: str) -> str:
    """Sentence `index` with its value blanked, in cloze frame `index`."""
    return CLOZE_FRAMES[index].format(st=statement(attribute, index, subject, BLANK))


def mcq(attribute: Attribute, index: int, subject: str, options: tuple[str, ...]) -> str:
    """Question `index` with four options spelled out; raises ValueError unless there are four."""
    a, b, c, d = options
    return MCQ_FRAMES[index].format(q=question(attribute, index, subject), a=a, b=b, c=c, d=d)


def truefalse(attribute: Attribute, index: int, subject: str, value: str) -> str:
    """Sentence `index` stating `value`, to be judged true or false."""
    return TRUEFALSE_FRAMES[index].format(st=statement(attribute, index, subject, value))
