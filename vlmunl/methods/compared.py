"""The models that losses compare with, the one before unlearning and gold, made ready for an objective."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from vlmunl.methods.language import placed
from vlmunl.methods.reference import Reference, wanted
from vlmunl.models import adapters
from vlmunl.models.answers import Out
from vlmunl.models.forward import AnswerModel, Batch, answers
from vlmunl.models.trainer import Trainer
from vlmunl.models.vlm import VLM

if TYPE_CHECKING:
    from vlmunl.methods.objective import Objective


def before_unlearning(objective: Objective, vlm: VLM, *, edited: bool) -> Reference | None:
    """The model as it is now, as far as the terms compare with it; also sets the objective's inner layer.

    If it is going to be `edited`, it is asked at once for all that the training will need.
    """
    asked, logits, layer = wanted(objective.needs)
    depth = placed(objective.recipe.where, objective.config.params).depth
    if depth is not None:
        objective.layer = adapters.layer_at(vlm.model, float(depth))
    if not asked:
        return None
    reference = _asking(objective, vlm, logits=logits, layers=(objective.layer,) if layer else ())
    if edited:
        _remember_all(objective, reference)
    return reference


def training_begins(objective: Objective, trainer: Trainer) -> None:
    """From here on the weights change: the reference is an adapter switched off, or what is remembered."""
    reference = objective.reference
    if reference is None or reference.released:
        return
    reference.forward = trainer.alike
    if trainer.recipe.recipe == "full":
        _remember_all(objective, reference)
    else:
        reference.untrained = trainer.untrained
        reference.head = trainer.head  # a training that is taken up again may never ask it


def gold(objective: Objective, vlm: VLM) -> Reference:
    """The gold model's answers to all that the training will ask, after which the model is let go."""
    found = _asking(objective, vlm, logits=True, layers=())
    _remember_all(objective, found)
    return found


def _asking(objective: Objective, vlm: VLM, *, logits: bool, layers: tuple[int, ...]) -> Reference:
    net = AnswerModel(vlm.model, vlm.image_token)

    def forward(batch: Batch, inner: tuple[int, ...]) -> Out:
        return answers(net, batch.to(vlm.device), inner)

    # The objective's encoder, and none of this model's own: an encoder holds its model.
    return Reference(forward, objective.encoder, nullcontext, logits, layers, vlm.device)


def _remember_all(objective: Objective, reference: Reference) -> None:
    reference.remember(objective.foreseen(objective.config.optim.steps))
    reference.release()
