"""Earlier turns that the asked model answers itself: asked in rounds, all questions' first such turns together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vlmunl.models.chat import OWN, Turn

if TYPE_CHECKING:
    from vlmunl.models.score import Scored
    from vlmunl.stages.rows import Asked


def with_own_replies(asked: Sequence[Asked], ask: Callable[[Sequence[Asked]], Sequence[Scored]]) -> list[Asked]:
    """The questions with the model's greedy replies in place of `OWN`, each asked with all that was said before it.

    A reply that cannot be had is the question's error.
    """
    asked = list(asked)
    while waiting := [i for i, a in enumerate(asked) if not a.error and _next(a) is not None]:
        for i, result in zip(waiting, ask([_earlier(asked[i]) for i in waiting]), strict=True):
            asked[i] = replace(asked[i], error=result.error) if result.error else _told(asked[i], result.text)
    return asked


def _next(asked: Asked) -> int | None:
    """The first turn that waits for the model's reply."""
    return next((k for k, turn in enumerate(asked.turns) if turn.answer == OWN), None)


def _earlier(asked: Asked) -> Asked:
    """The conversation up to that turn, its picture only if it was shown by then, to be answered freely."""
    place = _next(asked)
    assert place is not None
    shown = asked.image_at is not None and asked.image_at <= place
    return replace(
        asked,
        turns=(*asked.turns[:place], Turn(asked.turns[place].question, None)),
        image=asked.image if shown else None,
        image_at=asked.image_at if shown else None,
        reply="",
        decoding="greedy",
    )


def _told(asked: Asked, reply: str) -> Asked:
    place = _next(asked)
    assert place is not None
    turn = asked.turns[place]._replace(answer=reply)
    return replace(asked, turns=(*asked.turns[:place], turn, *asked.turns[place + 1 :]))
