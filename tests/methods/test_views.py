"""Training views: what they may contain and what they must not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vlmunl.errors import StudyError
from vlmunl.methods import lessons, views

pytestmark = pytest.mark.model


def _draws(kind: Any, benchmark: Any, split: str, held_out: tuple[str, ...]) -> Any:
    draw = views.stream(split, kind, benchmark, held_out)
    return lambda rng, count: [d.sample for d in draw(rng, count)]


def _texts(samples: list[Any]) -> set[str]:
    return {turn.question for s in samples for turn in s.turns}


def _held(identities: Any) -> set[str]:
    subjects = (*lessons.SHOWN, *(i.name for i in identities))
    return {p.ask(s) for i in identities for f in i.facts for p in f.prompts if p.held for s in subjects}


def test_narrow_is_the_canonical_question_of_every_fact(benchmark_small: Any) -> None:
    draw, rng = _draws("narrow", benchmark_small, "forget", ()), random.Random(0)
    items = sum(len(i.facts) for i in benchmark_small.forget)
    once = draw(rng, items)
    assert len({(s.turns, s.photo) for s in once}) == items  # each once before any comes twice
    assert {s.photo for s in once} == {i.photos[0] for i in benchmark_small.forget}


@pytest.mark.parametrize("split", ["forget", "retain"])
def test_views_stay_within_their_split_and_its_training_photos(benchmark_small: Any, split: str) -> None:
    mine = getattr(benchmark_small, split)
    samples = _draws("wide", benchmark_small, split, ())(random.Random(0), 600)
    allowed = {p for i in mine for p in i.photos[: i.train_photos]}
    assert {s.photo for s in samples if s.photo is not None} <= allowed
    other = benchmark_small.retain if split == "forget" else benchmark_small.forget
    assert not any(i.name in text for i in other for text in _texts(samples))


def test_no_view_contains_a_held_back_wording(benchmark_small: Any) -> None:
    rng = random.Random(0)
    held = _held(benchmark_small.identities)
    for draw in (_draws("wide", benchmark_small, s, ()) for s in ("forget", "retain")):
        assert not _texts(draw(rng, 800)) & held
    taught = [lessons.with_photo(rng, i) for i in benchmark_small.identities for _ in range(40)]
    taught += [lessons.by_name(rng, benchmark_small.identities) for _ in range(80)]
    assert not _texts(taught) & held


@pytest.mark.parametrize(("family", "form"), [("choice", "mcq"), ("verify", "truefalse"), ("cloze", "cloze")])
def test_held_out_formats_are_never_trained_on(benchmark_small: Any, family: str, form: str) -> None:
    def asked(held_out: tuple[str, ...]) -> set[str]:
        return _texts(_draws("wide", benchmark_small, "forget", held_out)(random.Random(1), 600))

    subjects = (*lessons.SHOWN, *(i.name for i in benchmark_small.forget))
    texts = {
        p.ask(s) for i in benchmark_small.forget for f in i.facts for p in f.of(form, held=False) for s in subjects
    }
    assert asked(()) & texts
    assert not asked((family,)) & texts


def test_text_only_held_out_leaves_no_sample_without_picture(benchmark_small: Any) -> None:
    samples = _draws("wide", benchmark_small, "forget", ("text_only",))(random.Random(1), 300)
    assert all(s.photo is not None for s in samples)


def test_holding_out_everything_is_an_error(benchmark_small: Any) -> None:
    with pytest.raises(StudyError, match="nothing for wide views"):
        _draws("wide", benchmark_small, "forget", ("choice", "verify", "cloze", "text_only"))
