"""The attacker's search by itself: what can be composed, what is found, how much is tried."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from vlmunl.adaptive.compose import MOST_VARIANTS, composed, definition
from vlmunl.adaptive.search import Limits, Score, best, first_round, search
from vlmunl.rng import Streams
from vlmunl.routes.catalogue import CATALOGUE, CORE

PARTS = tuple(CATALOGUE[name] for name in CATALOGUE if name in CORE)
LIMITS = Limits(budget=48, beam=4)


def of(*names):
    return composed([CATALOGUE[name] for name in names])


def judged(worth, dead=()):
    """A judge by a function of the set of parts; remembers what it was asked."""
    asked = []

    def judge(routes):
        asked.extend(route.id for route in routes)
        found = []
        for route in routes:
            names = frozenset(route.id.split("+"))
            live = not names & set(dead)
            found.append(Score(recovery=worth(names), margin=0.0, headroom=1.0, live=live, accuracy={}))
        return found

    return judge, asked


# --------------------------------------------------------------------------------------- compositions


def test_changes_of_the_picture_follow_one_another_and_the_question_changes_with_them():
    route = of("crop", "rotate", "cloze", "name_first")
    assert route.image == ("photo:0 | crop:0.8 | rotate:12", "photo:0 | crop:0.8 | rotate:-12")
    assert (route.format, route.ask, route.context) == ("cloze", (4, 5), "name_asked")
    assert (route.id, route.family, route.tier) == ("crop+rotate+cloze+name_first", "composition", "T0")


def test_another_photo_is_changed_like_the_first():
    changed = ("photo:-1 | grey", "photo:-2 | grey", "photo:-3 | grey")
    assert of("grey", "new_photo").image == changed
    assert of("new_photo", "grey").image == changed


@pytest.mark.parametrize(
    "names",
    [
        ("cloze", "choice"),  # two formats
        ("crop", "text_only"),  # no picture to change
        ("null_image", "new_photo"),  # two pictures
        ("name_first", "few_shot"),  # two contexts
        ("image_name", "description"),  # two subjects
        ("new_photo", "rotate", "choice"),  # 24 questions for one item
    ],
)
def test_what_cannot_be_had_together_is_no_composition(names):
    assert of(*names) is None


def test_every_pair_asks_all_that_its_parts_ask():
    made = [(a, b, route) for a, b in combinations(PARTS[1:], 2) if (route := composed([a, b])) is not None]
    assert len(made) > 100
    for a, b, route in made:
        assert len(route.variants) <= MOST_VARIANTS
        for name in ("format", "ask", "subject", "context", "decoding", "attack", "reply"):
            plain = getattr(CATALOGUE["canonical"], name)
            assert getattr(route, name) in {getattr(a, name), getattr(b, name)}
            assert plain in {getattr(a, name), getattr(b, name)} or getattr(a, name) == getattr(b, name)
        assert set(a.rewrite) | set(b.rewrite) == set(route.rewrite)
        changes = {step for text in (*a.image, *b.image) for step in text.split(" | ")[1:]}
        assert changes == {step for text in route.image for step in text.split(" | ")[1:]}


def test_the_canonical_route_changes_nothing():
    for part in PARTS:
        assert definition(of("canonical", part.id)) == definition(part)


# --------------------------------------------------------------------------------------- the search


PLANTED = frozenset({"crop", "cloze", "shout"})


def leak(names):
    """Each of the planted parts leaks a little more; any other part hides some of it."""
    return 0.3 * len(names & PLANTED) - 0.05 * len(names - PLANTED)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_composition_of_three_parts_is_found_within_the_budget(seed):
    judge, asked = judged(leak)
    parts = [p for p in PARTS if p.family != "corruption" or p.id in PLANTED][:32]
    parts += [CATALOGUE[name] for name in PLANTED - {p.id for p in parts}]
    tried = search(parts, judge, Limits(budget=54, beam=4), Streams(seed))
    assert frozenset(best(tried).parts) == PLANTED
    assert len(asked) == len(tried) <= 54


def test_the_same_scores_give_the_same_search():
    runs = [search(PARTS, judged(leak)[0], LIMITS, Streams(3)) for _ in range(2)]
    assert [t.route for t in runs[0]] == [t.route for t in runs[1]]
    assert [t.route.id for t in runs[0]] != [t.route.id for t in search(PARTS, judged(leak)[0], LIMITS, Streams(4))]


@pytest.mark.parametrize("budget", [2, 3, 7, 48, 400])
def test_no_more_is_tried_than_the_budget_and_nothing_twice(budget):
    tried = search(PARTS, judged(leak)[0], Limits(budget=budget, beam=3), Streams(0))
    assert len(tried) <= budget
    asked = [definition(t.route) for t in tried]
    assert all(a not in asked[:i] for i, a in enumerate(asked))
    assert [t.round for t in tried] == sorted(t.round for t in tried)
    assert all(len(t.parts) == 1 for t in tried if t.round == 0)
    assert all(len(t.parts) > 1 for t in tried if t.round > 0)


def test_every_family_is_tried_before_one_is_tried_again():
    families = {part.family for part in PARTS}
    for seed in range(4):
        chosen = first_round(PARTS, len(families) * 3 // 2 + 1, Streams(seed))
        assert {part.family for part in chosen} == families


def test_a_dead_route_is_neither_chosen_nor_extended():
    judge, asked = judged(lambda names: 1.0 if "crop" in names else 0.1, dead=("crop",))
    tried = search(PARTS[:20], judge, LIMITS, Streams(0))
    assert "crop" in asked
    assert "crop" not in best(tried).parts
    assert not [name for name in asked if "crop" in name.split("+") and "+" in name]


def test_of_equal_recoveries_the_likelier_answer_wins_and_then_the_simpler_route():
    found = search(PARTS[:4], judged(lambda names: 0.5)[0], LIMITS, Streams(0))
    likelier = replace(found[-1], score=replace(found[-1].score, margin=0.1))
    assert best([*found[:-1], likelier]) is likelier
    assert len(best(found).parts) == 1


def test_nothing_to_search_with_is_an_error():
    with pytest.raises(ValueError, match="no part"):
        search((), judged(leak)[0], LIMITS, Streams(0))
