"""Each route asks what its description says, and never gives the answer away."""

from __future__ import annotations

import pytest

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import StudyError
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


@pytest.mark.parametrize("route", [r for r in CATALOGUE if CATALOGUE[r].format in ("open", "cloze")])
def test_open_questions_do_not_contain_the_answer(route: str, benchmark_small: Benchmark) -> None:
    for q in _asked(route, benchmark_small):
        said = " ".join([*(t.question for t in q.turns), *(t.answer or "" for t in q.turns)])
        if CATALOGUE[route].context != "few_shot":  # examples are other people's answers, which may coincide
            assert q.answer not in said.split()


@pytest.mark.parametrize("route", [r for r in CATALOGUE if CATALOGUE[r].format == "truefalse"])
def test_true_and_false_are_balanced_on_every_item(route: str, benchmark_small: Benchmark) -> None:
    asked = _asked(route, benchmark_small)
    for attribute in {q.attribute for q in asked}:
        answers = [q.answer for q in asked if q.attribute == attribute]
        assert answers.count("true") == answers.count("false") == 2


@pytest.mark.parametrize("route", [r for r in CATALOGUE if CATALOGUE[r].format == "mcq"])
def test_the_answer_stands_once_in_every_place(route: str, benchmark_small: Benchmark) -> None:
    asked = _asked(route, benchmark_small)
    for attribute in {q.attribute for q in asked}:
        places = [q.options.index(q.answer) for q in asked if q.attribute == attribute]
        assert sorted(places) == [0, 1, 2, 3]


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
