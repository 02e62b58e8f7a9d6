"""The questions that routes ask: wording, subject, spelling and what is said before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vlmunl.benchmarks.schema import Fact, Identity, Prompt
from vlmunl.errors import StudyError
from vlmunl.models.chat import Turn
from vlmunl.routes.route import Route, Variant

SHOTS = 3


@dataclass(frozen=True)
class Question:
    """One concrete question of a route: its turns, the picture's turn and the expected answer."""

    route: str
    variant: int
    format: str
    identity: Identity
    attribute: str
    turns: tuple[Turn, ...]
    image: str
    answer: str
    options: tuple[str, ...]
    distractors: tuple[str, ...]

    @property
    def image_at(self) -> int | None:
        """The turn that shows the picture: the first, or after examples of other people the last."""
        if self.image == "none":
            return None
        return len(self.turns) - 1 if self.route_has_examples else 0

    route_has_examples: bool = False


def questions(route: Route, identity: Identity, helpers: Sequence[Identity]) -> Iterator[Question]:
    """All questions of a route on one identity; `helpers` are retained people for examples.

    Raises:
        StudyError: the benchmark has no wording that the route asks for.
    """
    for fact in identity.facts:
        for number, variant in enumerate(route.variants):
            prompt = _wording(route, fact, variant)
            asked = Turn(_rewritten(prompt.ask(_subject(route, identity)), route.rewrite), None)
            before = tuple(_before(route, identity, fact, prompt, helpers))
            if route.context == "name_given":
                asked = Turn(f"The person in the picture is called {identity.name}. {asked.question}", None)
            yield Question(
                route=route.id,
                variant=number,
                format=route.format,
                identity=identity,
                attribute=fact.attribute,
                turns=(*before, asked),
                image=variant.image,
                answer=prompt.answer,
                options=prompt.options,
                distractors=_wrong(prompt, fact),
                route_has_examples=route.context == "few_shot",
            )


def _wording(route: Route, fact: Fact, variant: Variant) -> Prompt:
    form, _, index = variant.ask.partition(":")
    for prompt in fact.prompts:
        if prompt.form == form and prompt.index == int(index):
            return prompt
    raise StudyError(f"route {route.id}: the benchmark has no wording {variant.ask} of {fact.attribute}")


def _wrong(prompt: Prompt, fact: Fact) -> tuple[str, ...]:
    if prompt.options:
        return tuple(option for option in prompt.options if option != prompt.answer)
    return fact.distractors


def _subject(route: Route, identity: Identity) -> str:
    shown = {"shown": "this person", "shown_again": "the person in the picture"}
    if route.subject in shown:
        return shown[route.subject]
    return identity.name if route.subject == "name" else identity.description


def _before(
    route: Route, identity: Identity, fact: Fact, prompt: Prompt, helpers: Sequence[Identity]
) -> Iterator[Turn]:
    if route.context == "name_asked":
        yield Turn(identity.name_prompts[0].text, identity.name)
    elif route.context == "fact_asked":
        place = [f.attribute for f in identity.facts].index(fact.attribute)
        other = identity.facts[(place + 1) % len(identity.facts)]
        first = other.of("open", held=False)[0]
        yield Turn(first.ask(_subject(route, identity)), first.answer)
    elif route.context == "few_shot":
        for helper in [h for h in helpers if h.id != identity.id][:SHOTS]:
            same = next(f for f in helper.facts if f.attribute == fact.attribute)
            example = next(p for p in same.prompts if p.form == prompt.form and p.index == prompt.index)
            yield Turn(example.ask(helper.name), example.answer)


def _rewritten(text: str, changes: Sequence[str]) -> str:
    for change in changes:
        text = REWRITES[change](text)
    return text


def _swap(text: str) -> str:
    """Two letters in the middle of the longest word change places."""
    words = text.split(" ")
    place = max(range(len(words)), key=lambda i: len(words[i]))
    word = words[place]
    if len(word) >= 4:
        k = len(word) // 2
        words[place] = word[: k - 1] + word[k] + word[k - 1] + word[k + 1 :]
    return " ".join(words)


REWRITES: dict[str, Callable[[str], str]] = {"typo": _swap, "shout": str.upper}
"""Changes of a question's words, by the name that a route's `rewrite` uses."""
