"""What a route is, line by line, with a question that it puts on a made-up person. No torch, no PIL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmunl.benchmarks import wording
from vlmunl.benchmarks.schema import Fact, Identity, Prompt
from vlmunl.errors import StudyError
from vlmunl.models.chat import OWN
from vlmunl.routes.questions import Question, questions
from vlmunl.routes.route import Route

TIERS: dict[str, str] = {
    "T0": "prompts alone",
    "T1": "several drawn replies",
    "T2": "probabilities of given answers",
    "T3": "activations and gradients",
    "T4": "changes of the weights",
    "T5": "the model as it was before it forgot",
}
"""What whoever asks must have."""

_PEOPLE = (
    ("Mira Solden", ("Lima", "baker", "parrot", "chess", "soup", "cello")),
    ("Timo Varlan", ("Oslo", "pilot", "cat", "sailing", "rice", "harp")),
    ("Nela Brusk", ("Turin", "judge", "goat", "boxing", "bread", "tuba")),
    ("Jaro Pellim", ("Dakar", "miner", "duck", "yoga", "olives", "lute")),
    ("Sona Hildar", ("Riga", "clerk", "pony", "rowing", "honey", "oboe")),
)


def specimens() -> tuple[Identity, ...]:
    """A person and four others, who are in no benchmark and have no photos."""
    return tuple(_specimen(i, name, values) for i, (name, values) in enumerate(_PEOPLE))


def _specimen(number: int, name: str, values: Sequence[str]) -> Identity:
    facts = tuple(_fact(a, v) for a, v in zip(wording.ATTRIBUTES, values, strict=True))
    return Identity(
        id=f"specimen{number}",
        name=name,
        split="retain",
        description="the person with long red hair, tan skin, green eyes",
        train_photos=1,
        facts=facts,
        name_prompts=(Prompt(form="open", index=0, held=False, text=wording.NAME_QUESTIONS[0], answer=name),),
        photos=(),
    )


def _fact(attribute: wording.Attribute, value: str) -> Fact:
    others = tuple(v for v in attribute.values if v != value)
    prompts = tuple(p for i in range(wording.FRAMES) for p in _prompts(attribute, i, value, others))
    return Fact(attribute=attribute.name, answer=value, distractors=others, prompts=prompts)


def _prompts(attribute: wording.Attribute, i: int, value: str, others: tuple[str, ...]) -> Iterator[Prompt]:
    """Wording `i` in every format; each block of four has the answer in every place and two true statements."""
    held = i >= wording.TRAIN
    options = (*others[: i % 4], value, *others[i % 4 : 3])
    stated = value if i % 2 == 0 else others[0]
    truth = wording.TRUE if i % 2 == 0 else wording.FALSE
    cloze = wording.CLOZE_FRAMES[i].format(st=_statement(attribute, i, wording.BLANK))
    truefalse = wording.TRUEFALSE_FRAMES[i].format(st=_statement(attribute, i, stated))
    yield Prompt(form="open", index=i, held=held, text=wording.question(attribute, i, "{subject}"), answer=value)
    yield Prompt(form="cloze", index=i, held=held, text=cloze, answer=value)
    text = wording.mcq(attribute, i, "{subject}", (options[0], options[1], options[2], options[3]))
    yield Prompt(form="mcq", index=i, held=held, text=text, answer=value, options=options)
    both = (wording.TRUE, wording.FALSE)
    yield Prompt(form="truefalse", index=i, held=held, text=truefalse, answer=truth, options=both)


def _statement(attribute: wording.Attribute, i: int, value: str) -> str:
    return attribute.statements[i].format(s="{subject}", S="{Subject}", v=value)


def example(route: Route) -> Question | None:
    """The route's first question on the made-up person; None if it cannot be put."""
    person, *helpers = specimens()
    try:
        return next(questions(route, person, helpers), None)
    except StudyError:
        return None


def said(question: Question) -> str:
    """A question as a script: who says what, and where the picture is shown."""
    lines = []
    for i, turn in enumerate(question.turns):
        shown = "[picture] " if i == question.image_at else ""
        lines.append(f"user: {shown}{turn.question}")
        if turn.answer is not None:
            lines.append(f"model: {'(its own reply)' if turn.answer == OWN else turn.answer}")
    if question.reply:
        lines.append(f"model: {question.reply} ...")
    return "\n".join(lines)


def rows(route: Route) -> list[tuple[str, str]]:
    """(title, text) of all that there is to say; a text may have several lines."""
    shown = example(route)
    found = [
        ("what it does", route.description),
        ("family", route.family + (f" ({' and '.join(route.mixes)})" if route.mixes else "")),
        ("modality", route.modality),
        ("tier", f"{route.tier}: {TIERS[route.tier]}"),
        ("format", route.format),
        ("budget", f"{route.budget} repl{'y' if route.budget == 1 else 'ies'} per item"),
        ("gives away", route.leak or "nothing of the person's facts"),
        ("picture", "\n".join(route.image)),
        ("wording", ", ".join(f"{route.wording or route.format}:{i}" for i in route.ask)),
        ("subject", route.subject),
        ("said before", route.context if route.context != "none" else ""),
        ("rewrite", "\n".join(route.rewrite)),
        ("reply begins", route.reply),
        ("decoding", route.decoding),
        ("attack", route.attack),
        ("source", route.source),
        ("example", "" if shown is None else said(shown)),
        ("its answer", "" if shown is None else shown.answer),
    ]
    return [(title, text) for title, text in found if text]
