"""What a step of a method costs, read off its declaration. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmunl.methods import parts
from vlmunl.methods.language import SIDES, Term, value_of
from vlmunl.methods.specs import Method

ASSUMED = (
    "Cost per step, where gradient ascent (one forward and one backward pass over the forget view) is 1. Views are "
    "taken as equally long; a view of which only an inner layer is read costs that layer's share of the depth; the "
    "reference is asked once for each sample (half a pass) and remembered, so it costs nothing after the first epoch."
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Passes of one step relative to gradient ascent; `words` where no such number says it."""

    step: float | None
    words: str

    def __str__(self) -> str:
        return self.words


def cost(method: Method) -> Cost:
    """What one step takes, relative to gradient ascent."""
    recipe = method.recipe
    if method.start == "base":
        return Cost(step=None, words="an imprint")
    if not recipe.terms:
        return Cost(step=None, words="edits only" if recipe.before or recipe.after else "no training")
    share = _depth(method)
    sides = {side: _passes([t for t in recipe.terms if t.side == side], share) for side in SIDES}
    step = sum(sides.values())
    if recipe.schedule == "alternate":
        step = step / len(SIDES)
    factor = 1.0 + sum(parts.RULES.named(rule.rule, "rule").passes for rule in recipe.rules)
    if recipe.schedule == "epochwise":
        low, high = sorted(round(side * factor, 2) for side in sides.values())
        words = f"{low:.1f}" if low == high else f"{low:.1f}-{high:.1f}"
        return Cost(step=step * factor / len(SIDES), words=words)
    return Cost(
        step=step * factor, words=f"{step * factor:.1f}" + (" + edits" if recipe.before or recipe.after else "")
    )


def cost_line(method: Method) -> str:
    """The cost as a sentence."""
    spent = cost(method)
    if spent.step is None:
        return spent.words
    return f"{spent.words} times a step of gradient ascent" + (
        " (a forget step, a retain step)" if "-" in spent.words else ""
    )


def _passes(terms: Sequence[Term], share: float) -> float:
    """One forward and backward for each view and kind of term, and one more for each other view."""
    total = 0.0
    for group in dict.fromkeys((t.view, t.constraint) for t in terms):
        mine = [t for t in terms if (t.view, t.constraint) == group]
        needed = [parts.LOSSES.named(t.loss, "loss").needs for t in mine]
        total += share if all("layer" in need for need in needed) else 1.0
        total += len({t.other for t, need in zip(mine, needed, strict=True) if "other" in need})
    return total


def _depth(method: Method) -> float:
    """The share of the model below the inner layer that is read; all of it if none is named."""
    where = method.recipe.where
    return 1.0 if where.depth is None else value_of(where.depth, method.params, "the depth of the layers")
