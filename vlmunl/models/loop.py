"""One training loop for imprinting and unlearning, on whatever devices Accelerate finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmunl.models.ranks import ranks
from vlmunl.models.resume import Remembers, resume, resume_weights, state_of, weights_of
from vlmunl.models.trainer import Trainer
from vlmunl.models.update import Diverged, Losses
from vlmunl.stage_types import NOT_KEPT, Part, Progress


@dataclass(frozen=True)
class Curve:
    """What happened: the figures of every step, and why the loop ended (`steps` or the stop rule's words)."""

    steps: list[dict[str, float]]
    ended: str


Stop = Callable[[Mapping[str, float]], str]
"""Asked after each step with its figures: why to stop, or nothing to go on."""


def fit(
    trainer: Trainer,
    losses: Callable[[int], Losses],
    *,
    progress: Progress,
    stop: Stop = lambda figures: "",
    part: Part = NOT_KEPT,
    others: Sequence[Remembers] = (),
) -> Curve:
    """Run the loop to its last step, or until `stop` says why not.

    Its state goes into `part` from time to time, and the loop begins where an earlier attempt left it. `others` is
    what remembers something from step to step, beside the stop rule and the trainer's rules. Processes that work on
    a cell together keep no state: they begin at the beginning.

    Raises:
        Diverged: a loss is not a finite number; `details` has the curve up to there.
        Stopped: a stop is asked for, and the state is kept.
    """
    assert ranks().alone or part is NOT_KEPT, "several processes keep no state"
    total = trainer.optim.steps
    remembering = [one for one in (*others, stop, *trainer.rules) if isinstance(one, Remembers)]
    curve = _resumed(trainer, part.load(), remembering)
    steps = curve.steps
    for index in range(len(steps), total if not curve.ended else 0):
        try:
            figures = trainer.step(index, losses(index))
        except Diverged as error:
            error.details["curve"] = steps
            raise
        steps.append({name: round(value, 5) for name, value in figures.items()})
        progress(index + 1, total, _note(figures))
        if reason := ranks().same(stop(figures)):
            curve = Curve(steps, reason)
            break
        if index + 1 < total and part.due():
            part.save(index + 1, total, {"steps": steps, "ended": "", **state_of(trainer, remembering)})
    curve = Curve(steps, curve.ended or "steps")
    part.end(len(steps), lambda: {"steps": steps, "ended": curve.ended, **weights_of(trainer)})
    return curve


def _resumed(trainer: Trainer, state: Mapping[str, Any] | None, remembering: Sequence[Remembers]) -> Curve:
    """Where an earlier attempt left the loop; `ended` is empty if it is to go on."""
    if state is None:
        return Curve([], "")
    if state["ended"]:
        resume_weights(trainer, state)
    else:
        resume(trainer, state, remembering, len(state["steps"]))
    return Curve(list(state["steps"]), state["ended"])


def _note(figures: Mapping[str, float]) -> str:
    shown = [f"{name.replace('_', ' ')} {value:.2f}" for name, value in figures.items() if name != "gradient_norm"]
    return "  ".join(shown[:3])
