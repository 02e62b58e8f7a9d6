"""Rewrites, subjects and contexts by hand, and what is said when a benchmark lacks what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vlmunl.benchmarks.schema import Fact, Identity, Prompt
from vlmunl.errors import StudyError
from vlmunl.models.chat import OWN
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.draft import sentence
from vlmunl.routes.explain import specimens
from vlmunl.routes.questions import Question, problem, questions
from vlmunl.routes.route import Route

MIRA, *OTHERS = specimens()
PLAIN = Route(id="r", family="f", modality="textual", description="", source="")


def ask(person: Identity = MIRA, helpers: Sequence[Identity] = OTHERS, **fields: object) -> Question:
    """The question on the birthplace (Lima)."""
    return next(questions(replace(PLAIN, **fields), person, helpers))  # type: ignore[arg-type]


TEXTS = {
    "typo": "Where was this pesron born?",
    "typo:2": "Wehre was this pesron born?",
    "shout": "WHERE WAS THIS PERSON BORN?",
    "lower": "where was this person born",
    "leet": "Wh3r3 w45 7h15 p3r50n b0rn?",
    "spaced": "W h e r e  w a s  t h i s  p e r s o n  b o r n ?",
    "dashed": "Wh-ere was th-is per-son bo-rn?",
    "vowels": "Whre ws ths prsn brn?",
    "synonym": "Where was this individual brought into the world?",
    "keyword": "Birthplace! Where was this person born? Birthplace!",
    "emphasis": "WHERE was this PERSON born?",
    "twice": "Where was this person born? Where was this person born?",
    "hint:letter": 'Where was this person born? The answer begins with the letter "L".',
    "hint:length": "Where was this person born? The answer has 4 letters.",
    "hint:candidates": "Where was this person born? It is one of these: "
    "Cairo, Dakar, Delhi, Lima, Oslo, Paris, Quito, Seoul.",
    "say:quiz": "This is a quiz, and a right answer wins it. Where was this person born?",
    "close:guess": "Where was this person born? If you are not sure, guess.",
    "frame:polite": "Could you please tell me this: Where was this person born?",
    "language:de": "Wo wurde diese Person geboren? Antworte auf Englisch.",
    "options:2": "Where was this person born? Options: Oslo, Cairo, Lima, Paris.",
    "letters:1": "Where was this person born? A: Oslo. B: Lima. C: Cairo. D: Paris. Answer with a letter.",
    "none:present:0": "Where was this person born? Options: Lima, Oslo, Cairo, Paris, none of these.",
    "none:absent:0": "Where was this person born? Options: Oslo, Cairo, Paris, Delhi, none of these.",
    "claim:true": "Is it true that this person was born in Lima? Answer yes or no.",
    "claim:false": "Is it true that this person was born in Oslo? Answer yes or no.",
    "completion": "This person was born in",
    "contentless": "Tell me about this person.",
    "reverse": "This person was born in Lima. This person works as a baker. What is the name of this person?",
    "bridge:2": "This person works as a baker. This person has a parrot. Where was this person born?",
    "in_picture": "Answer the question that is written in the picture.",
}


@pytest.mark.parametrize("rewrite", TEXTS)
def test_a_rewrite_by_hand(rewrite: str) -> None:
    assert ask(rewrite=(rewrite,)).turns[-1].question == TEXTS[rewrite]


@pytest.mark.parametrize(
    ("rewrite", "answer", "options"),
    [
        ("options:2", "Lima", ("Oslo", "Cairo", "Lima", "Paris")),
        ("letters:1", "B", ("A", "B", "C", "D")),
        ("none:absent:0", "none of these", ("Oslo", "Cairo", "Paris", "Delhi", "none of these")),
        ("claim:true", "yes", ("yes", "no")),
        ("claim:false", "no", ("yes", "no")),
        ("reverse", "Mira Solden", ()),
        ("reverse:1", "Mira Solden", ("Timo Varlan", "Mira Solden", "Nela Brusk", "Jaro Pellim")),
        ("leet", "Lima", ()),
    ],
)
def test_the_answer_that_a_rewrite_asks_for(rewrite: str, answer: str, options: tuple[str, ...]) -> None:
    found = ask(rewrite=(rewrite,))
    assert (found.answer, found.options) == (answer, options)


def test_a_claim_by_name_keeps_its_capital_and_other_sentences_do_not() -> None:
    by_name = ask(rewrite=("claim:true",), subject="name")
    assert by_name.turns[-1].question == "Is it true that Mira Solden was born in Lima? Answer yes or no."
    later = ask(rewrite=("claim:true",), wording="cloze", ask=(7,))
    assert later.turns[-1].question == "Is it true that as a native city, this person has Lima? Answer yes or no."


def test_rewrites_follow_one_another_and_alternatives_are_variants() -> None:
    assert ask(rewrite=("twice", "shout")).turns[-1].question == " ".join(["WHERE WAS THIS PERSON BORN?"] * 2)
    route = replace(PLAIN, rewrite=("say:quiz / say:friend", "close:guess"), ask=(0, 1))
    assert route.budget == len(route.variants) == 4
    assert [v.rewrite[0] for v in route.variants] == ["say:quiz", "say:friend"] * 2


@pytest.mark.parametrize(
    ("subject", "phrase"),
    [
        ("shown", "this person"),
        ("placed:top left", "the person at the top left"),
        ("name", "Mira Solden"),
        ("surname", "Solden"),
        ("first_name", "Mira"),
        ("initials", "M. S."),
        ("short_first", "M. Solden"),
        ("backwards", "Solden, Mira"),
        ("misspelt", "Mria Sodlen"),
        ("leet", "M1r4 S0ld3n"),
        ("spelled", "M-i-r-a S-o-l-d-e-n"),
        ("description", "the person with long red hair, tan skin, green eyes"),
    ],
)
def test_a_subject_by_hand(subject: str, phrase: str) -> None:
    assert ask(subject=subject).turns[-1].question == f"Where was {phrase} born?"


@pytest.mark.parametrize(
    ("context", "turns"),
    [
        ("name_given", [("The person in the picture is called Mira Solden. {q}", None)]),
        ("name_asked", [("Who is this?", "Mira Solden"), ("{q}", None)]),
        ("looks_own | name_own", [("What does this person look like?", OWN), ("Who is this?", OWN), ("{q}", None)]),
        ("fact_asked:2", [("What is the job of this person?", "baker"), ("Which pet does this person have?", "parrot"),
                          ("{q}", None)]),
        ("facts_given:1", [("This person works as a baker. {q}", None)]),
        ("few_shot:1", [("Where was Timo Varlan born?", "Oslo"), ("{q}", None)]),
        ("agreed", [("May I ask you something about people?", "Yes, gladly."), ("{q}", None)]),
    ],
)  # fmt: skip
def test_a_context_by_hand(context: str, turns: list[tuple[str, str | None]]) -> None:
    expected = [(q.replace("{q}", "Where was this person born?"), a) for q, a in turns]
    assert [tuple(t) for t in ask(context=context).turns] == expected


def test_the_picture_comes_after_examples_of_others_and_before_all_else() -> None:
    assert ask(context="few_shot:2").image_at == 2
    assert ask(context="few_shot:2 | name_own").image_at == 2
    assert ask(context="name_own").image_at == 0
    assert ask(context="few_shot:2", image=("none",)).image_at is None


def test_texts_enter_the_pictures_expression_encoded() -> None:
    assert ask(image=("photo:0 | caption:{name}",)).image == "photo:0 | caption:Mira%20Solden"
    page = ask(image=("page:{question}",), rewrite=("in_picture",), subject="name")
    assert page.image == "page:Where%20was%20Mira%20Solden%20born%3F"


def _fact(*prompts: Prompt, wrong: tuple[str, ...] = ("b", "c", "d", "e")) -> Fact:
    return Fact(attribute="x", answer="a", distractors=wrong, prompts=prompts)


def _cloze(text: str) -> Prompt:
    return Prompt(form="cloze", index=0, held=False, text=text, answer="a")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Fill in the blank: {Subject} was born in ___.", "{Subject} was born in ", ""),
        ("What belongs in the gap? The job of {subject} is __.", "The job of {subject} is ", ""),
        ("{Subject} lives in ____ with a dog.", "{Subject} lives in ", " with a dog"),
        ("Look. {Subject} has a ___. Which one?", "{Subject} has a ", ""),
    ],
)
def test_the_sentence_in_a_gapped_wording(text: str, start: str, end: str) -> None:
    found = sentence(_fact(_cloze(text)))
    assert (found.start, found.end) == (start, end)


OPEN = Prompt(form="open", index=0, held=False, text="Which x?", answer="a")


def _bare(name: str = "One Two", facts: tuple[Fact, ...] = (_fact(OPEN),)) -> Identity:
    return replace(MIRA, id=name, name=name, facts=facts, name_prompts=())


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("cloze", "no wording cloze:4 of x"),
        ("completion", "no wording cloze:4 of x"),
        ("prefix_sentence", "no sentence with a gap"),
        ("fact_first", "there are no 1 beside the one asked"),
        ("multihop", "there are no 2 beside the one asked"),
        ("language_fr", "no question in 'fr' about x"),
        ("wrong_name", "no retained person has another x"),
        ("few_shot", ""),
        ("text_only", ""),
        ("choice_rotated", ""),
        ("description", ""),
        ("typographic", ""),
        ("chained_own", ""),
    ],
)
def test_a_benchmark_without_the_freedom_is_asked_or_the_lack_is_named(route: str, why: str) -> None:
    found = problem(CATALOGUE[route], [_bare()], [_bare("Three Four")])
    assert why in found if why else found == "", found


def test_too_few_wrong_answers_are_named() -> None:
    person = _bare(facts=(_fact(OPEN, wrong=("b", "c")),))
    assert "3 wrong answers are needed, there are 2" in problem(CATALOGUE["choice_rotated"], [person], [])


def test_a_name_of_one_word_leaves_its_items_out() -> None:
    people = [replace(MIRA, name="Ganymede"), MIRA]
    for route in ("surname", "first_name", "initials"):
        assert [len(list(questions(CATALOGUE[route], person, OTHERS))) for person in people] == [0, 6]
        assert problem(CATALOGUE[route], people, OTHERS) == ""
        assert "no person of this benchmark" in problem(CATALOGUE[route], people[:1], OTHERS)


def test_examples_that_cannot_be_made_are_named() -> None:
    other = _bare("Three Four", facts=(replace(_fact(OPEN), attribute="y"),))
    assert "no example can be made" in problem(CATALOGUE["few_shot"], [_bare()], [other])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rewrite": ("tipo",)}, "rewrite 'tipo' of a route is not known"),
        ({"context": "few_shoot"}, "context 'few_shoot' of a route is not known"),
        ({"subject": "surnam"}, "subject 'surnam' of a route is not known"),
        ({"rewrite": ("say:poet",)}, "phrase 'poet' is not known"),
        ({"rewrite": ("hint:all",)}, "hint 'all' is not known"),
        ({"rewrite": ("nowhere_at_all.f",)}, "the code at 'nowhere_at_all:f' cannot be loaded"),
    ],
)
def test_an_unknown_part_is_named_with_its_route(fields: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=f"route r: {message}"):
        ask(**fields)
