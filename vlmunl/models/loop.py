"""One training loop for imprinting and unlearning, on whatever devices Accelerate finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vlmunl.errors import VlmunlError
from vlmunl.methods.terms import Out
from vlmunl.models import adapters
from vlmunl.models.forward import AnswerModel, Batch, answer_rows
from vlmunl.models.muon import muon_and_adamw
from vlmunl.models.vlm import VLM
from vlmunl.stage_types import Progress
from vlmunl.stages.configs import Adapter, Optim, StopRule

Loss = tuple[Tensor, Mapping[str, float]]
"""A part of one step's objective, to be minimised, and figures to put on the curve."""


def rate(optim: Optim, step: int) -> float:
    """Learning rate of a step: warm-up, constant to half way, then linear to 5 %."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    half = optim.steps / 2
    if step < half:
        return optim.lr
    return optim.lr * (1 - 0.95 * (step - half) / max(1.0, optim.steps - half))


@dataclass
class Trainer:
    """A model in training: `out` runs it, `reference` runs it as it was at the start."""

    vlm: VLM
    recipe: Adapter
    optim: Optim
    trained: Any = field(init=False)
    frozen: Any = field(init=False, default=None)
    _net: Any = field(init=False)
    _accelerator: Any = field(init=False)
    _optimisers: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._accelerator = _accelerator(self.optim.precision)
        if self.recipe.recipe == "full":
            self.frozen = _copy(self.vlm.model)
        self.trained = adapters.attach(self.vlm.model, self.recipe)
        net = AnswerModel(adapters.core(self.trained), self.vlm.image_token)
        self._net, *made = self._accelerator.prepare(net, *_optimisers(net, self.optim))
        self._optimisers = tuple(made)
        self._net.train()

    def out(self, batch: Batch) -> Out:
        """The model's answers on a batch, with gradients."""
        return _out(self._net, batch.to(self._accelerator.device))

    @torch.no_grad()
    def reference(self, batch: Batch) -> Out:
        """The starting model's answers on a batch: adapters off, or a frozen copy when all weights are trained."""
        moved = batch.to(self._accelerator.device)
        if self.frozen is not None:
            return _out(AnswerModel(self.frozen, self.vlm.image_token), moved)
        with self.trained.disable_adapter():
            return _out(self._net, moved)

    def step(self, index: int, losses: Iterable[Loss]) -> dict[str, float]:
        """One update. The losses are made and differentiated one after the other, so only one graph is alive.

        Raises:
            VlmunlError: a loss is not a finite number.
        """
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate(self.optim, index)
        figures: dict[str, float] = {}
        for loss, seen in losses:
            if not math.isfinite(float(loss.detach())):
                raise VlmunlError(f"the loss is {float(loss.detach())} at step {index + 1}", "use a smaller lr")
            self._accelerator.backward(loss)
            figures.update(seen)
        weights = [p for p in self._net.parameters() if p.requires_grad]
        norm = self._accelerator.clip_grad_norm_(weights, self.optim.clip)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return figures | {"gradient_norm": float(norm)}


def _optimisers(net: torch.nn.Module, optim: Optim) -> tuple[torch.optim.Optimizer, ...]:
    if optim.optimizer == "muon":
        return muon_and_adamw(net, optim.lr)
    weights = [p for p in net.parameters() if p.requires_grad]
    return (torch.optim.AdamW(weights, lr=optim.lr, weight_decay=0.0),)


def _copy(model: Any) -> Any:
    from copy import deepcopy

    return deepcopy(model).eval()


def _accelerator(precision: str) -> Any:
    """A fresh accelerator: its state is global, and one worker process trains with several settings in turn."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState

    AcceleratorState._reset_state(reset_partial_state=False)
    GradientState._reset_state()
    cpu = not torch.cuda.is_available()
    if PartialState._shared_state and PartialState().device.type != ("cpu" if cpu else "cuda"):
        PartialState._reset_state()
    return Accelerator(mixed_precision="bf16" if precision == "bf16" else "no", cpu=cpu)


def _out(net: Any, batch: Batch) -> Out:
    logits, tokens = net(batch)
    return Out(logits=logits, tokens=tokens, rows=answer_rows(batch), samples=len(batch.ids))


@dataclass(frozen=True)
class Curve:
    """What happened: the figures of every step, and why the loop ended (`steps` or the stop rule's words)."""

    steps: list[dict[str, float]]
    ended: str


def fit(
    trainer: Trainer,
    losses: Callable[[int], Iterable[Loss]],
    *,
    progress: Progress,
    stop: StopRule | None = None,
) -> Curve:
    """Run the loop to its last step, or until the stop rule holds.

    The rule reads the forget batch's own NLL, a training-side figure; routes and evaluation are never asked.
    """
    total = trainer.optim.steps
    steps: list[dict[str, float]] = []
    over = 0
    for index in range(total):
        figures = trainer.step(index, losses(index))
        steps.append({name: round(value, 5) for name, value in figures.items()})
        progress(index + 1, total, _note(figures))
        if stop is not None and stop.forget_nll > 0 and "forget_nll" in figures:
            over = over + 1 if figures["forget_nll"] > stop.forget_nll else 0
            if over >= stop.patience:
                return Curve(steps, f"forget_nll above {stop.forget_nll:g} for {stop.patience} steps")
    return Curve(steps, "steps")


def _note(figures: Mapping[str, float]) -> str:
    shown = [f"{name.replace('_', ' ')} {value:.2f}" for name, value in figures.items() if name != "gradient_norm"]
    return "  ".join(shown)
