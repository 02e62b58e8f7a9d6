"""Each route asks what its description says, and never gives the answer away."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from vlmunl.benchmarks.schema import Benchmark, Fact, Identity
from vlmunl.errors import StudyError
from vlmunl.models.chat import OWN
from vlmunl.routes.catalogue import CATALOGUE, Route
from vlmunl.routes.judge import judge
from vlmunl.routes.questions import Question, questions

pytestmark = pytest.mark.model


def _asked(route: str, benchmark: Benchmark, place: int = 0) -> list[Question]:
    return list(questions(CATALOGUE[route], benchmark.forget[place], benchmark.retain))


@pytest.mark.parametrize("route", CATALOGUE)
def test_one_question_per_fact_and_variant(route: str, benchmark_small: Benchmark) -> None:
    asked = _asked(route, benchmark_small)
    assert len(asked) == 6 * len(CATALOGUE[route].variants)
    assert all(q.turns[-1].answer is None and "{" not in q.turns[-1].question for q in asked)
    assert (CATALOGUE[route].image == ("none",)) == all(q.image_at is None for q in asked)


@pytest.mark.parametrize("route", CATALOGUE)
def test_questions_are_well_formed(route: str, benchmark_small: Benchmark) -> None:
    for q in _asked(route, benchmark_small):
        text = q.turns[-1].question
        assert text == text.strip() != ""
        assert q.format == CATALOGUE[route].format
        assert q.answer
        assert q.answer not in q.distractors
        assert len(set(q.distractors)) == len(q.distractors) > 0
        assert all(t.answer for t in q.turns[:-1])
        assert q.image_at is None or 0 <= q.image_at < len(q.turns)
        assert (q.format in ("mcq", "truefalse")) == bool(q.options), "options are listed where they are the format"
        if q.options:
            assert q.answer in q.options
            assert set(q.distractors) == set(q.options) - {q.answer}
            assert len(set(q.options)) == len(q.options)
            assert all(o.lower() in text.lower() for o in q.options)


@pytest.mark.parametrize("route", [r for r in CATALOGUE if not CATALOGUE[r].leak])
def test_without_a_leak_note_the_answer_is_nowhere_in_the_prompt(route: str, benchmark_small: Benchmark) -> None:
    for person in benchmark_small.identities:
        for q in questions(CATALOGUE[route], person, benchmark_small.retain):
            own = q.turns[q.shown_at :]  # before it stand examples of other people, whose answers may be the same
            said = " ".join([*(t.question for t in own), *(t.answer or "" for t in own), q.reply, unquote(q.image)])
            assert q.answer.lower() not in re.findall(r"[a-z]+", said.lower())
            assert f'"{q.answer[0].upper()}"' not in said


def _other_life(person: Identity, k: int) -> Identity:
    """The same person with every fact another: value and distractor `k` change places wherever they stand."""

    def fact(f: Fact) -> Fact:
        swap = {f.answer: f.distractors[k], f.distractors[k]: f.answer}

        def changed(text: str) -> str:
            return re.sub(r"\w+", lambda m: swap.get(m[0], m[0]), text)

        prompts = tuple(
            replace(p, text=changed(p.text), answer=changed(p.answer), options=tuple(map(changed, p.options)))
            for p in f.prompts
        )
        wrong = tuple(map(changed, f.distractors))
        return replace(f, answer=changed(f.answer), distractors=wrong, prompts=prompts)

    return replace(person, facts=tuple(map(fact, person.facts)))


@pytest.mark.parametrize("route", [r for r in CATALOGUE if not CATALOGUE[r].attack])  # others note what they learn
def test_a_leak_is_noted_exactly_where_the_prompt_depends_on_the_persons_facts(
    route: str, benchmark_small: Benchmark
) -> None:
    """Would anything that is sent be different if the person's facts were? That is what giving something away means."""
    person, helpers = benchmark_small.forget[0], benchmark_small.retain

    def sent(who: Identity) -> list[object]:
        return [(q.turns, q.image, q.reply) for q in questions(CATALOGUE[route], who, helpers)]

    differs = any(sent(_other_life(person, k)) != sent(person) for k in range(15))
    assert differs == bool(CATALOGUE[route].leak)


BALANCED = [r for r in CATALOGUE if CATALOGUE[r].format == "truefalse"]


@pytest.mark.parametrize("route", BALANCED)
def test_true_and_false_are_balanced_on_every_item(route: str, benchmark_small: Benchmark) -> None:
    asked = _asked(route, benchmark_small)
    for attribute in {q.attribute for q in asked}:
        answers = [q.answer for q in asked if q.attribute == attribute]
        assert {answers.count(option) for option in asked[0].options} == {2}


@pytest.mark.parametrize("route", [r for r in CATALOGUE if CATALOGUE[r].format == "mcq" and r != "choice_none"])
def test_the_answer_stands_in_every_place_equally_often(route: str, benchmark_small: Benchmark) -> None:
    asked = _asked(route, benchmark_small)
    for attribute in {q.attribute for q in asked}:
        places = [q.options.index(q.answer) for q in asked if q.attribute == attribute]
        assert sorted(places) == sorted([0, 1, 2, 3] * (len(places) // 4))


def test_none_of_these_is_right_in_half_of_the_questions_and_always_offered(benchmark_small: Benchmark) -> None:
    asked = [q for q in _asked("choice_none", benchmark_small) if q.attribute == "pet"]
    fact = next(f for f in benchmark_small.forget[0].facts if f.attribute == "pet")
    assert [q.answer == "none of these" for q in asked] == [False, True, False, True]
    assert all(q.options[-1] == "none of these" and len(q.options) == 5 for q in asked)
    assert [fact.answer in q.options for q in asked] == [True, False, True, False]


def test_mismatched_routes_are_scored_for_the_person_of_the_item(benchmark_small: Benchmark) -> None:
    for person in benchmark_small.identities:
        facts = {f.attribute: f.answer for f in person.facts}
        for q in questions(CATALOGUE["wrong_name"], person, benchmark_small.retain):
            named = [o for o in benchmark_small.retain if o.name in q.turns[-1].question]
            assert len(named) == 1
            assert named[0].id != person.id
            assert q.image == "photo:0", "the picture is the person's own"
            assert q.answer == facts[q.attribute]
            assert q.answer not in [f.answer for f in named[0].facts], "the two answers can be told apart"
        for q in questions(CATALOGUE["wrong_image"], person, benchmark_small.retain):
            assert person.name in q.turns[-1].question
            assert q.image == "other:0"
            assert q.answer == facts[q.attribute]


def test_reverse_asks_for_the_name_among_names(benchmark_small: Benchmark) -> None:
    person = benchmark_small.forget[0]
    for route in ("reverse", "reverse_choice"):
        for q in _asked(route, benchmark_small):
            fact = next(f for f in person.facts if f.attribute == q.attribute)
            assert q.answer == person.name
            assert fact.answer in q.turns[-1].question
            assert set(q.distractors) <= {p.name for p in benchmark_small.retain}
            assert q.image_at is None


def test_own_replies_stand_in_the_turns_that_the_model_is_to_fill(benchmark_small: Benchmark) -> None:
    for route, count in (("chained_own", 1), ("chain", 2), ("decomposed", 2), ("chained_oracle", 0)):
        for q in _asked(route, benchmark_small):
            assert [t.answer for t in q.turns].count(OWN) == count
            assert q.turns[-1].answer is None
            assert q.image_at == 0


def test_replies_begin_as_declared(benchmark_small: Benchmark) -> None:
    first = next(q for q in _asked("prefix_sentence", benchmark_small) if q.attribute == "birthplace")
    assert first.reply == "This person was born in"
    assert {q.reply for q in _asked("prefix", benchmark_small)} == {"The answer is"}
    assert {q.reply for q in _asked("canonical", benchmark_small)} == {""}


def test_examples_are_of_other_people(benchmark_small: Benchmark) -> None:
    person = benchmark_small.forget[0]
    for q in _asked("few_shot", benchmark_small):
        assert len(q.turns) == 4
        assert all(person.name not in t.question for t in q.turns[:3])
        assert person.name in q.turns[3].question


def test_description_names_no_one(benchmark_small: Benchmark) -> None:
    person = benchmark_small.forget[0]
    assert all(person.name.split()[0] not in q.turns[-1].question for q in _asked("description", benchmark_small))


def test_a_wording_the_benchmark_lacks_is_named(benchmark_small: Benchmark) -> None:
    route = Route(**{**vars(CATALOGUE["para_4"]), "ask": (99,)})
    with pytest.raises(StudyError, match="no wording open:99"):
        list(questions(route, benchmark_small.forget[0], ()))


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("Lima", (), "correct"),
        (" lima. ", (), "correct"),
        ("Oslo", (), "incorrect"),
        ("", (), "invalid"),
        ("...", (), "invalid"),
        ("I don't know.", (), "refusal"),
        ("Quito", ("Lima", "Oslo"), "invalid"),
        ("Oslo", ("Lima", "Oslo"), "incorrect"),
    ],
)
def test_judgement(text: str, options: tuple[str, ...], status: str) -> None:
    assert judge(text, "Lima", options) == status
