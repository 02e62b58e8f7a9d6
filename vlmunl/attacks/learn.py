"""Learning an input of a frozen model: what prompts and perturbations share."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vlmunl.attacks.bench import Bench
from vlmunl.benchmarks.schema import Identity
from vlmunl.methods import lessons
from vlmunl.models.chat import Turn
from vlmunl.models.forward import AnswerModel, Batch, answers
from vlmunl.models.samples import Sample
from vlmunl.models.vlm import VLM
from vlmunl.stages.configs import FORMATS, Format

QUESTIONS = 24
"""Questions of a step, each on one fact of one person."""


def question(rng: random.Random, people: Sequence[Identity], *, names: float = 0.0, prefix: str = "") -> Sample:
    """One fact of one person, asked in a training wording with a training photo, or (at this rate) by name without."""
    formats: Sequence[Format] = ("open",) if any(lessons.taught(person, ("open",)) for person in people) else FORMATS
    person = rng.choice([person for person in people if lessons.taught(person, formats)])
    prompt = lessons.trained_prompt(rng, rng.choice(lessons.taught(person, formats)), formats)
    by_name = rng.random() < names or not lessons.is_shown(person)
    asked = Turn(prefix + prompt.ask(person.name if by_name else lessons.SHOWN[0]), prompt.answer)
    return Sample((asked,), None if by_name else lessons.trained_photo(rng, person))


def answer_nll(vlm: VLM, batch: Batch) -> Tensor:
    """The mean NLL of the batch's answer tokens, with gradients to whatever of its inputs wants them."""
    found: Tensor = answers(AnswerModel(vlm.model, vlm.image_token), batch.to(vlm.device)).mean
    return found


def learn(bench: Bench, steps: int, loss: Callable[[], Tensor], update: Callable[[Tensor], None], name: str) -> None:
    """So many updates. `loss` draws a batch and makes its loss; `update` is given it to go downhill.

    Raises:
        VlmunlError: the loss is not a finite number.
    """
    seen: list[float] = []
    for step in range(1, steps + 1):
        now = loss()
        seen.append(float(now.detach()))
        if not math.isfinite(seen[-1]):
            raise bench.refused(seen[-1], step)
        update(now)
        bench.progress(step, steps, f"{name}  nll {seen[-1]:.2f}")
    bench.notes |= {f"{name}_first_nll": round(seen[0], 5), f"{name}_last_nll": round(seen[-1], 5)}


def by_adam(parameter: torch.nn.Parameter, lr: float) -> Callable[[Tensor], None]:
    """Updates of one parameter by Adam, everything else frozen."""
    optimiser = torch.optim.Adam([parameter], lr=lr)

    def update(loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return update
