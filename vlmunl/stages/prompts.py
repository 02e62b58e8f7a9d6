"""Digests of the prompts that code writes, so that another wording gives other run keys.

A benchmark's wordings are in its bytes and a model's chat template lies in its folder: both are inputs. What
the built-in benchmark is made of, and what routes add around a question, stands in the source instead; these
digests bring it into the keys of the cells that use it. They cover words, not pictures: for those the stages'
versions are bumped by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import get_args

from vlmunl.benchmarks import wording
from vlmunl.benchmarks.schema import Fact, Identity, Prompt
from vlmunl.keys import canonical, digest_bytes, jsonable
from vlmunl.routes.questions import REWRITES, questions
from vlmunl.routes.route import Context, Route, Subject
from vlmunl.stages.configs import FORMATS

_SUBJECT, _VALUE = "SUBJECT", "VALUE"


@cache
def wordings() -> str:
    """32 hex digits that name every question and statement of the built-in benchmark, trained and held back."""
    texts: list[object] = [wording.TRAIN, wording.FRAMES, wording.TRUE, wording.FALSE, list(wording.NAME_QUESTIONS)]
    for attribute in wording.ATTRIBUTES:
        texts.append([attribute.name, attribute.noun, list(attribute.values)])
        for i in range(wording.FRAMES):
            texts.append(
                [
                    wording.question(attribute, i, _SUBJECT),
                    wording.cloze(attribute, i, _SUBJECT),
                    wording.mcq(attribute, i, _SUBJECT, ("a", "b", "c", "d")),
                    wording.truefalse(attribute, i, _SUBJECT, _VALUE),
                ]
            )
    return _digest(texts)


@cache
def asking() -> str:
    """32 hex digits that name how routes ask: subject, context, spelling and examples, on a made-up specimen."""
    person, *helpers = (_specimen(i) for i in range(5))
    asked = [[q.turns, q.image_at, q.answer, q.distractors] for r in _probes() for q in questions(r, person, helpers)]
    return _digest(jsonable(asked))


def _digest(value: object) -> str:
    return digest_bytes(canonical(value)).xxh3


def _probes() -> Iterator[Route]:
    """Every subject, context and spelling once, in every format; which of them a study asks is in `catalogue`."""
    plain = Route(id="probe", family="probe", modality="canonical", description="", source="", ask=(0, 1))
    for form in FORMATS:
        route = replace(plain, format=form)
        yield from (replace(route, subject=subject) for subject in get_args(Subject))
        yield from (replace(route, context=context, subject="name") for context in get_args(Context))
        yield from (replace(route, rewrite=(name,)) for name in REWRITES)


def _specimen(number: int) -> Identity:
    """A person whose two facts are asked in two wordings per format."""
    return Identity(
        id=f"specimen{number}",
        name=f"Name{number} Surname{number}",
        split="retain",
        description=f"the person number {number}",
        train_photos=1,
        facts=tuple(_fact(name, number) for name in ("colour", "animal")),
        name_prompts=(Prompt(form="open", index=0, held=False, text="Which name is it?", answer=f"Name{number}"),),
        photos=(),
    )


def _fact(name: str, number: int) -> Fact:
    answer, others = f"{name}{number}", tuple(f"{name}-other{i}" for i in range(3))
    prompts = tuple(
        Prompt(
            form=form,
            index=i,
            held=i > 0,
            text=f"{{Subject}} or {{subject}} in wording {i} of {form} {name}?",
            answer=answer,
            options=(answer, *others) if form == "mcq" else (),
        )
        for form in FORMATS
        for i in range(2)
    )
    return Fact(attribute=name, answer=answer, distractors=others, prompts=prompts)
