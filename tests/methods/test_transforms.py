"""Derived views: each shows the same question in the way that it says, and the same way every time."""

from __future__ import annotations

import io
from typing import Any

import pytest

pytest.importorskip("torch")

from vlmunl.errors import StudyError
from vlmunl.keys import canonical, digest_bytes
from vlmunl.methods import lessons, transforms, views
from vlmunl.methods.parts import TRANSFORMS
from vlmunl.rng import Streams
from vlmunl.routes.judge import judge

pytestmark = pytest.mark.model


def _drawn(benchmark: Any, kind: Any = "narrow", count: int = 12, stream: str = "forget") -> Any:
    return views.stream(stream, kind, benchmark, ())(Streams(0).child("t").python(), count)


def _shown(name: str, drawn: Any, benchmark: Any, seed: int = 0) -> Any:
    return views.transformed(drawn, TRANSFORMS[name], Streams(seed).child("views"), benchmark)


@pytest.mark.parametrize("name", list(TRANSFORMS))
@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_a_question_has_one_counterpart(benchmark_small: Any, name: str, kind: str) -> None:
    drawn = _drawn(benchmark_small, kind, 60)
    first = _shown(name, drawn, benchmark_small)
    assert first == list(reversed(_shown(name, list(reversed(drawn)), benchmark_small)))  # whatever came before it
    assert all(turn.answer for sample in first for turn in sample.turns)


def test_refusals_are_many_and_the_judge_knows_each() -> None:
    assert len(set(transforms.REFUSALS)) >= 50
    assert {judge(text, "Oslo", ()) for text in transforms.REFUSALS} == {"refusal"}


def test_idk_keeps_question_and_picture_and_varies(benchmark_small: Any) -> None:
    drawn = _drawn(benchmark_small)
    shown = _shown("idk", drawn, benchmark_small)
    for before, after in zip(drawn, shown, strict=True):
        assert (after.turns[0].question, after.photo) == (before.sample.turns[0].question, before.sample.photo)
        assert after.turns[0].answer in transforms.REFUSALS
    assert len({s.turns[0].answer for s in shown}) > 6
    assert shown != _shown("idk", drawn, benchmark_small, seed=1)


@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_alternates_are_never_the_truth_and_stay_in_the_attribute(benchmark_small: Any, kind: str) -> None:
    drawn = _drawn(benchmark_small, kind, 300)
    for before, after in zip(drawn, _shown("alternate", drawn, benchmark_small), strict=True):
        answer = after.turns[0].answer
        assert answer != before.prompt.answer
        assert answer in (before.prompt.options or before.fact.distractors)


def test_random_answers_are_somebody_retained_persons(benchmark_small: Any) -> None:
    theirs = {f.answer for i in benchmark_small.retain for f in i.facts}
    drawn = _drawn(benchmark_small)
    for before, after in zip(drawn, _shown("random", drawn, benchmark_small), strict=True):
        assert after.turns[0].answer in theirs - {before.prompt.answer}


def test_mismatches_answer_another_question_and_tell_no_truth(benchmark_small: Any) -> None:
    drawn = _drawn(benchmark_small)
    for before, after in zip(drawn, _shown("mismatch", drawn, benchmark_small), strict=True):
        answer = after.turns[0].answer
        assert answer not in {f.answer for f in before.identity.facts}
        kinds = {f.attribute for i in benchmark_small.forget for f in i.facts if f.answer == answer}
        assert kinds - {before.fact.attribute}


@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_text_has_no_picture_and_names_the_person(benchmark_small: Any, kind: str) -> None:
    drawn = _drawn(benchmark_small, kind, 60)
    for before, after in zip(drawn, _shown("text", drawn, benchmark_small), strict=True):
        assert after.photo is None
        assert before.identity.name in after.turns[0].question
        assert not any(s in after.turns[0].question for s in lessons.SHOWN)
        assert after.turns[0].answer == before.prompt.answer


def test_noise_is_fixed_for_a_question_and_another_for_each(benchmark_small: Any) -> None:
    import numpy as np
    from PIL import Image

    drawn = _drawn(benchmark_small)
    shown = _shown("noise", drawn, benchmark_small)
    assert [s.turns for s in shown] == [d.sample.turns for d in drawn]
    assert len({s.photo for s in shown}) == len(shown)
    pixels = [[np.asarray(Image.open(io.BytesIO(p)), dtype=float).ravel() for p in (d.sample.photo, s.photo)]
              for d, s in zip(drawn, shown, strict=True)]  # fmt: skip
    likeness = [float(np.corrcoef(before, after)[0, 1]) for before, after in pixels]
    assert max(likeness) < 0.3


@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_decoys_are_retained_people_with_their_own_answers(benchmark_small: Any, kind: str) -> None:
    people = {i.photos[0]: i for i in benchmark_small.retain}
    drawn = _drawn(benchmark_small, kind, 60)
    for before, after in zip(drawn, _shown("decoy", drawn, benchmark_small), strict=True):
        person = people[after.photo]
        mine = next(f for f in person.facts if f.attribute == before.fact.attribute)
        prompt = next(p for p in mine.prompts if (p.form, p.index) == (before.prompt.form, before.prompt.index))
        assert after.turns[0].answer == prompt.answer
        assert not any(i.name in after.turns[0].question for i in benchmark_small.identities)


def test_the_targets_of_siu(benchmark_small: Any) -> None:
    drawn = _drawn(benchmark_small)
    names = {i.name for i in (*benchmark_small.identities, *benchmark_small.unseen)}
    given: dict[str, set[tuple[str, str]]] = {}
    for before, new, true in zip(
        drawn, _shown("stranger", drawn, benchmark_small), _shown("named", drawn, benchmark_small), strict=True
    ):
        assert new.turns[0].answer not in names
        assert true.turns[0].answer == before.identity.name
        assert new.photo == true.photo == before.sample.photo
        given.setdefault(before.identity.id, set()).add(new.turns[0].answer)
    assert all(len(answers) == 1 for answers in given.values())  # one new name for a person
    looks = {i.description for i in benchmark_small.retain}
    for before, new, true in zip(
        drawn, _shown("disguise", drawn, benchmark_small), _shown("described", drawn, benchmark_small), strict=True
    ):
        assert new.turns[0].question == true.turns[0].question
        assert new.turns[0].answer in looks
        assert true.turns[0].answer == before.identity.description
        assert new.photo is None


@pytest.mark.parametrize("name", ["alternate", "random", "text", "decoy", "stranger"])
def test_views_of_people_refuse_generic_conversations(benchmark_small: Any, name: str) -> None:
    with pytest.raises(StudyError, match="questions on people"):
        _shown(name, _drawn(benchmark_small, stream="general"), benchmark_small)


PINNED = {
    "idk": (1, "2446baec566d191735227270eca0466f"),
    "alternate": (1, "99bd23e7236f398390acf465af86f35f"),
    "random": (1, "285df9dcca0dd21124819e5c6da2ea7c"),
    "mismatch": (1, "ac63c8d1c6238f840952a59917f0eab1"),
    "text": (1, "00aae3246c1f150524772549153f5732"),
    "noise": (1, "9ffc0811c7ee7496a06d5817deb2b002"),
    "decoy": (1, "5229fd0a63d8f986419ccec4efd536f8"),
    "named": (1, "5485f7ad2efd24ce9da98d1fef5e6012"),
    "stranger": (1, "73a6dd63c56409d3e40def39f91855ee"),
    "described": (1, "beefe655885aa59522e7f36eb93576a9"),
    "disguise": (1, "0f7b2c0ae7b0ad723c248e8f408105b2"),
}
"""What each transform makes of fixed questions, beside its version: keys hold versions, not source text."""


def _digest(sample: Any) -> list[object]:
    picture = None
    if sample.photo is not None:
        from PIL import Image

        picture = digest_bytes(Image.open(io.BytesIO(sample.photo)).convert("RGB").tobytes()).xxh3
    return [[list(turn) for turn in sample.turns], picture]


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_what_a_transform_writes_is_pinned_beside_its_version(benchmark_small: Any, name: str) -> None:
    drawn = [*_drawn(benchmark_small), *_drawn(benchmark_small, "wide", 60)]
    made = [_digest(sample) for sample in _shown(name, drawn, benchmark_small)]
    found = (TRANSFORMS[name].version, digest_bytes(canonical(made)).xxh3)
    assert found == PINNED.get(name), f"{name} shows something else now: bump its version unless done, and pin {found}"
