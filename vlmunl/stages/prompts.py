"""Digests of the prompts that code writes, so that another wording gives other run keys.

A benchmark's wordings are in its bytes and a model's chat template lies in its folder: both are inputs. What
the built-in benchmark is made of, and what routes add around a question, stands in the source instead; these
digests bring it into the keys of the cells that use it. They cover words, not pictures: for those the stages'
versions are bumped by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice

from vlmunl.benchmarks import wording
from vlmunl.benchmarks.schema import Fact, Identity, Prompt
from vlmunl.keys import canonical, digest_bytes, jsonable
from vlmunl.routes import contexts, phrases, rewrites, subjects
from vlmunl.routes.questions import questions
from vlmunl.routes.route import Route
from vlmunl.stages.configs import FORMATS

_OF_GAPS = ("claim", "completion")  # rewrites that say another sentence for another wording
_SUBJECT, _VALUE, _GAP = "SUBJECT", "VALUE", ": {Subject}, no other, has a ___ and more"


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
    """32 hex digits that name how routes ask: subjects, contexts, rewrites and replies, on a made-up specimen."""
    person, *helpers = (specimen(i) for i in range(5))
    asked = [
        [q.turns, q.image, q.image_at, q.answer, q.options, q.distractors, q.reply]
        for route in _probes()
        for q in islice(questions(route, person, helpers), len(route.variants))  # those on the first fact
    ]
    return _digest(jsonable([asked, phrases.tables()]))


def _digest(value: object) -> str:
    return digest_bytes(canonical(value)).xxh3


def _probes() -> Iterator[Route]:
    """Every subject, context and rewrite once, and every format; which of them a study asks is in `catalogue`."""
    plain = Route(id="probe", family="probe", modality="canonical", description="", source="", subject="name")
    plain = replace(plain, image=("page:{question}{name}{description}",), reply="{start}: {Subject}")
    for form in FORMATS:
        yield replace(plain, format=form, ask=(0, 1), context="name_given | few_shot")
    for name in sorted(subjects.SUBJECTS):
        yield replace(plain, subject="placed:left" if name == "placed" else name)
    for name in sorted(contexts.CONTEXTS):
        yield from (replace(plain, context=one) for one in _written(name, contexts.ARGUMENTS))
    for name in sorted(rewrites.REWRITES):
        for one in _written(name, rewrites.ARGUMENTS):
            yield replace(plain, rewrite=(one,), ask=(0, 1), wording="cloze" if name in _OF_GAPS else "open")


def _written(name: str, arguments: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"{name}:{one}" if one else name for one in arguments.get(name, ("",)))


def specimen(number: int) -> Identity:
    """A person whose three facts are asked in two wordings per format."""
    return Identity(
        id=f"specimen{number}",
        name=f"Name{number} Surname{number}",
        split="retain",
        description=f"the person number {number}",
        train_photos=1,
        facts=tuple(_fact(name, number) for name in ("birthplace", "job", "pet")),
        name_prompts=(Prompt(form="open", index=0, held=False, text="Which name is it?", answer=f"Name{number}"),),
        photos=(),
    )


def _fact(name: str, number: int) -> Fact:
    answer, others = f"{name}{number}", tuple(f"{name}-other{i}" for i in range(7))
    prompts = tuple(
        Prompt(
            form=form,
            index=i,
            held=i > 0,
            text=f"{{Subject}} or {{subject}} in wording {i} of {form} {name}{_GAP if form == 'cloze' else ''}?",
            answer=answer,
            options=(answer, *others[:3]) if form == "mcq" else (),
        )
        for form in FORMATS
        for i in range(2)
    )
    return Fact(attribute=name, answer=answer, distractors=others, prompts=prompts)
