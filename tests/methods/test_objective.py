"""Whose turn it is, and weights that follow a constraint. No model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlmunl.errors import StudyError
from vlmunl.methods.batches import turns
from vlmunl.methods.declared.ascent import PROMPT_DECOUPLE
from vlmunl.methods.duals import DualWeight
from vlmunl.methods.known import METHODS
from vlmunl.methods.language import FORGET, GENERAL, RETAIN, Dual, Recipe, on
from vlmunl.methods.parts import check, refuse_held_out, versions

DUAL = Dual(start="start", slack=1.5, rate=10.0, warmup=1.0)


def test_a_dual_weight_rises_above_its_bound_and_falls_below_it_but_never_under_nothing() -> None:
    """w <- max(0, w + rate (loss - bound)) after each step, the bound 1.5 times the first loss."""
    weight = DualWeight.of(DUAL, {"start": 2.0})
    used = [weight.at(step, loss) for step, loss in enumerate([0.2, 0.5, 0.1, 0.0, 0.0, 0.4])]
    assert weight.bound == pytest.approx(0.3)
    assert used == pytest.approx([2.0, 2.0, 4.0, 2.0, 0.0, 0.0])  # the first step is warm-up, the last is not yet seen
    assert weight.weight == pytest.approx(1.0)


def test_a_step_that_is_asked_again_moves_a_dual_weight_once() -> None:
    weight = DualWeight.of(DUAL, {"start": 2.0})
    weight.at(0, 0.2)
    assert [weight.at(1, 0.5), weight.at(1, 0.9), weight.at(1, 0.9)] == [2.0, 2.0, 2.0]
    assert weight.at(2, 0.3) == pytest.approx(4.0)


def _turns(recipe: Recipe, benchmark: Any, batch: int, steps: int) -> list[str]:
    return ["+".join(turns(recipe, benchmark, batch, step)) for step in range(steps)]


def test_sides_alternate_every_so_many_steps(benchmark_small: Any) -> None:
    recipe = Recipe(terms=(on(FORGET, "ga"), on(RETAIN, "ce")), schedule="alternate", every=2)
    assert _turns(recipe, benchmark_small, 4, 5) == ["forget", "forget", "retain", "retain", "forget"]


def test_an_epoch_is_one_round_through_the_sides_largest_stream(benchmark_small: Any) -> None:
    """12 questions to forget, 24 to keep, 640 conversations."""
    recipe = Recipe(terms=(on(FORGET, "ga"), on(RETAIN, "ce")), schedule="epochwise")
    assert _turns(recipe, benchmark_small, 8, 6) == ["forget"] * 2 + ["retain"] * 3 + ["forget"]
    wider = Recipe(terms=(*recipe.terms, on(GENERAL, "ce")), schedule="epochwise")
    found = _turns(wider, benchmark_small, 8, 200)
    assert found[:2] == ["forget", "forget"]
    assert found.index("forget", 2) == 2 + -(-len(benchmark_small.replay) // 8)


@pytest.mark.parametrize("schedule", ["alternate", "epochwise"])
def test_a_side_without_terms_has_no_turn_of_its_own(benchmark_small: Any, schedule: Any) -> None:
    recipe = Recipe(terms=(on("forget.idk", "ce"),), schedule=schedule)
    assert set(_turns(recipe, benchmark_small, 4, 9)) == {"forget"}


def test_recipes_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(StudyError, match="shows other samples"):
        check(Recipe(terms=(on(FORGET, "dpo", other="retain.idk"),)), {})
    with pytest.raises(StudyError, match="inner layer"):
        check(Recipe(terms=(on(FORGET, "act_target"),)), {})


def test_a_view_of_a_held_out_family_is_refused() -> None:
    recipe = Recipe(terms=(on("forget.text", "ce"), on("forget.idk", "ce")))
    refuse_held_out(recipe, ("few_shot",))
    with pytest.raises(StudyError, match="text_only"):
        refuse_held_out(recipe, ("text_only",))


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.recipe.terms])
def test_prompt_decouple_can_be_added_to_any_method(name: str) -> None:
    method = METHODS[name]
    recipe = replace(method.recipe, terms=(*method.recipe.terms, PROMPT_DECOUPLE))
    check(recipe, {**method.params, "decouple": 0.5})
    assert "view decoy" in versions(recipe)
