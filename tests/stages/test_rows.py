"""Rows: what is put to the model, what is recorded of it, and what does not count as an answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from vlmunl.benchmarks.schema import load, save
from vlmunl.errors import CellFailed, StudyError
from vlmunl.models.chat import OWN, Turn
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import questions
from vlmunl.stage_types import silent
from vlmunl.stages.rows import Asked, invalid_splits, of_question, score_rows, write_rows

pytestmark = pytest.mark.model


@pytest.fixture
def pictures(benchmark_small: Any) -> Pictures:
    return Pictures(benchmark_small.retain)


def _asked(route: str, person: Any, pictures: Pictures, split: str = "forget") -> list[Asked]:
    return [of_question(q, pictures, split) for q in questions(CATALOGUE[route], person, ())]


def _score(vlm: Any, asked: list[Asked], pictures: Pictures, **options: Any) -> list[dict[str, Any]]:
    given = {"max_new_tokens": 4, "batch_size": 16, "progress": silent} | options
    return score_rows(vlm, asked, pictures, **given)


# ------------------------------------------------------------------------------------------------- own replies


def test_own_replies_are_those_of_the_model_in_order(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    """Two turns of its own, the second after the picture was shown: as asked one after the other by hand."""
    one, *_ = _asked("canonical", benchmark_small.forget[0], pictures)
    final = one.turns[-1]
    first, second = Turn("What is a cat?", OWN), Turn("Who is this?", OWN)
    chained = replace(one, turns=(first, second, final), image_at=1)
    [row] = _score(vlm, [chained], pictures)

    def reply(turns: tuple[Turn, ...], image_at: int | None) -> str:
        image = one.image if image_at is not None else None
        [found] = _score(vlm, [replace(one, turns=turns, image_at=image_at, image=image)], pictures)
        return str(found["text"])

    said = [reply((first._replace(answer=None),), None)]
    said.append(reply((first._replace(answer=said[0]), second._replace(answer=None)), 1))
    told = (first._replace(answer=said[0]), second._replace(answer=said[1]), final)
    [by_hand] = _score(vlm, [replace(one, turns=told, image_at=1)], pictures)
    assert row == by_hand
    assert row["prompt_digest"] != _score(vlm, [one], pictures)[0]["prompt_digest"]


def test_own_replies_do_not_depend_on_the_batch(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    asked = [
        replace(a, turns=(Turn("Who is this?", OWN), *a.turns))
        for person in benchmark_small.identities
        for a in _asked("canonical", person, pictures)
    ]
    large, small = _score(vlm, asked, pictures), _score(vlm, asked[::-1], pictures, batch_size=5)[::-1]
    assert [r["text"] for r in large] == [r["text"] for r in small]
    assert [r["prompt_digest"] for r in large] == [r["prompt_digest"] for r in small]


def test_interventions_read_questions_with_own_replies_too(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    """Every round is rewritten, and decided on, as a question of its own."""
    from vlmunl.models.intervene import Intervention

    seen: list[tuple[Turn, ...]] = []

    class Polite(Intervention):
        def turns(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
            return (*turns[:-1], turns[-1]._replace(question=f"Please. {turns[-1].question}"))

        def decide(self, queries: Any, features: Any, pixels: Any) -> list[Any]:
            seen.extend(q.turns for q in queries)
            return [None] * len(queries)

    one, *_ = _asked("canonical", benchmark_small.forget[0], pictures)
    chained = replace(one, turns=(Turn("Who is this?", OWN), *one.turns))
    [row] = _score(vlm, [chained], pictures, intervention=Polite())
    [first] = _score(vlm, [replace(one, turns=(Turn("Please. Who is this?", None),))], pictures)
    told = Turn("Who is this?", first["text"])
    assert seen == [(Turn("Who is this?", None),), (told, *one.turns)]
    [by_hand] = _score(vlm, [replace(one, turns=(told, Turn(f"Please. {one.turns[0].question}", None)))], pictures)
    assert (row["text"], row["logp"]) == (by_hand["text"], by_hand["logp"])


# ------------------------------------------------------------------------------------------------------ columns


def test_columns_agree_with_each_other(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    people = benchmark_small.identities
    asked = [a for person in people for a in _asked("canonical", person, pictures)]
    names = [
        replace(
            a, turns=(Turn("Who is this?", None),), answer=p.name, distractors=tuple(o.name for o in people if o != p)
        )
        for p, a in zip(people, asked[:: len(asked) // len(people)], strict=True)
    ]
    rows = _score(vlm, [*asked, *names, replace(asked[0], distractors=())], pictures)
    assert {r["tokens"] for r in rows} > {1}
    for row in rows[:-1]:
        assert row["min_k"] <= row["logp"] < 0
        assert 0 <= row["es"] <= row["em"] <= 1
        assert 0 <= row["rouge_l"] <= 1
        assert (row["draws"], row["hits"]) == (1, int(row["score"]))
        if row["tokens"] == 1:
            assert row["min_k"] == row["logp"]
            assert (row["em"] == 1) == (row["es"] == 1)
        if row["score"]:
            assert row["rouge_l"] == row["em"] == 1
        if row["rank1"]:
            assert row["logp_wrong"] < row["logp"]
    assert rows[-1]["logp_wrong"] is None


def test_a_reply_that_is_begun_is_judged_by_what_follows(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    [one, *_] = _asked("prefill", benchmark_small.forget[0], pictures)
    assert one.reply == CATALOGUE["prefill"].reply
    [row] = _score(vlm, [one], pictures)
    [plain] = _score(vlm, [replace(one, reply="")], pictures)
    assert row["prompt_digest"] != plain["prompt_digest"]
    assert one.reply not in row["text"]
    [again] = _score(vlm, [replace(one, answer=row["text"] or "x")], pictures)
    assert again["score"] == float(bool(row["text"]))


# -------------------------------------------------------------------------------------- decodings and strangers


def test_drawn_replies_are_right_if_any_is(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    [one, *_] = _asked("sample", benchmark_small.forget[0], pictures)
    [row] = _score(vlm, [one], pictures)
    replies = row["text"].split(" | ")
    assert len(replies) == row["draws"] == 8
    assert len(set(replies)) > 1
    rarest = min(set(replies), key=replies.count)
    [found] = _score(vlm, [replace(one, answer=rarest)], pictures)
    assert (found["hits"], found["score"], found["status"]) == (replies.count(rarest), 1.0, "correct")
    again = _score(vlm, [one, *_asked("canonical", benchmark_small.forget[1], pictures)], pictures, batch_size=2)[0]
    assert again["text"] == row["text"]


def test_draws_are_named_by_item_and_prompt(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    """Split, route and variant do not name the draws; the person does."""
    [one, *_] = _asked("sample", benchmark_small.forget[0], pictures)
    text = _score(vlm, [one], pictures)[0]["text"]
    moved = replace(one, columns={**one.columns, "split": "tuning", "route": "sample_twin", "variant": 3})
    other = replace(one, columns={**one.columns, "identity": "somebody else"})
    assert [r["text"] == text for r in _score(vlm, [moved, other], pictures)] == [True, False]


@pytest.mark.parametrize("route", ["loss", "zlib", "min_k", "min_k_pp"])
def test_membership_is_a_place_among_strangers(vlm: Any, benchmark_small: Any, pictures: Pictures, route: str) -> None:
    people, strangers = benchmark_small.forget, benchmark_small.unseen
    asked = [
        a
        for group, split in ((people, "forget"), (strangers, "unseen"))
        for person in group
        for a in _asked(route, person, pictures, split)
    ]
    rows = _score(vlm, asked, pictures)
    attributes = {r["attribute"] for r in rows}
    for attribute in attributes:
        mine = [r for r in rows if r["attribute"] == attribute]
        them = [r for r in mine if r["split"] == "unseen"]
        assert sum(r["score"] for r in them) / len(them) == pytest.approx(0.5)  # among themselves
        if route == "loss":
            for row in (r for r in mine if r["split"] == "forget"):
                below = sum((t["logp"] < row["logp"]) + 0.5 * (t["logp"] == row["logp"]) for t in them)
                assert row["score"] == pytest.approx(below / len(them))
    assert all(r["draws"] == 0 and r["status"] == ("correct" if r["score"] > 0.5 else "incorrect") for r in rows)
    with pytest.raises(StudyError, match="no model was ever taught"):
        _score(vlm, asked[: len(people)], pictures)


def test_probability_and_rank_are_those_of_the_greedy_row(vlm: Any, benchmark_small: Any, pictures: Pictures) -> None:
    person = benchmark_small.retain[0]
    plain, probability, rank = (
        _score(vlm, _asked(r, person, pictures), pictures) for r in ("canonical", "probability", "rank")
    )
    assert [r["score"] for r in probability] == [math.exp(r["logp"]) for r in plain]
    assert [r["score"] for r in rank] == [float(r["rank1"]) for r in plain]
    assert [r["text"] for r in rank] == [r["text"] for r in plain]


# ------------------------------------------------------------------------------------------ aliases and errors


def test_aliases_come_from_the_benchmark(vlm: Any, benchmark_small: Any, pictures: Pictures, tmp_path: Any) -> None:
    person = benchmark_small.forget[0]
    [plain, *_] = _score(vlm, _asked("canonical", person, pictures), pictures)
    first = replace(person.facts[0], aliases=(plain["text"],))
    known = replace(person, facts=(first, *person.facts[1:]))
    others = tuple(i for i in benchmark_small.identities if i is not person)
    benchmark = replace(benchmark_small, identities=(known, *others))
    save(benchmark, tmp_path / "b")
    assert load(tmp_path / "b") == benchmark
    [asked, *_] = _asked("canonical", known, pictures)
    assert _score(vlm, [asked], pictures)[0]["score"] == 1
    statements = _asked("verify", known, pictures)  # their answers are true and false
    assert all(a.aliases == () for a in statements if a.columns["attribute"] == first.attribute)


def test_a_picture_that_cannot_be_read_fails_the_cell_by_name(
    vlm: Any, benchmark_small: Any, pictures: Pictures, tmp_path: Any
) -> None:
    good, broken = benchmark_small.forget[:2]
    broken = replace(broken, photos=(b"no picture", *broken.photos[1:]))
    asked = [*_asked("canonical", good, pictures), *_asked("canonical", broken, pictures)]
    rows = _score(vlm, asked, pictures)
    count = len(good.facts)
    assert [r["status"] == "error" for r in rows] == [False] * count + [True] * len(broken.facts)
    where = f"forget/{broken.id}/{broken.facts[0].attribute}/canonical/0: the picture cannot be read"
    with pytest.raises(CellFailed, match=f"{len(broken.facts)} of {len(rows)} .* first is {where}"):
        write_rows(rows, tmp_path / "rows.parquet")
    assert not (tmp_path / "rows.parquet").exists()
    write_rows(rows[:count], tmp_path / "rows.parquet")


def test_too_many_invalid_replies_are_reported_by_split() -> None:
    def rows(split: str, invalid: int, of: int) -> list[dict[str, Any]]:
        states = [("invalid", "choice" if k else "cloze") if k < invalid else ("incorrect", "open") for k in range(of)]
        return [{"split": split, "draws": 1, "status": status, "route": route} for status, route in states]

    assert invalid_splits([*rows("forget", 5, 100), *rows("retain", 0, 20)]) == []
    statistics = [{"split": "forget", "draws": 0, "status": "incorrect", "route": "rank"}] * 1000
    [warning] = invalid_splits([*rows("forget", 6, 100), *rows("retain", 0, 20), *statistics])
    assert warning.startswith("6.0 % of 100 replies on forget are invalid")
    assert warning.endswith("5 of them by choice")
