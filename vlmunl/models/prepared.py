"""A network and its optimisers, made ready for the devices and processes of this cell."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from vlmunl.models.forward import AnswerModel, head_of
from vlmunl.models.muon import muon_and_adamw
from vlmunl.models.ranks import Ranks
from vlmunl.models.sharding import shard, zero3
from vlmunl.stages.configs import Optim


def rate(optim: Optim, step: int) -> float:
    """Learning rate of a step: warm-up, constant to half way, then linear to 5 %."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    half = optim.steps / 2
    if step < half:
        return optim.lr
    return optim.lr * (1 - 0.95 * (step - half) / max(1.0, optim.steps - half))


def optimisers(net: torch.nn.Module, optim: Optim) -> tuple[torch.optim.Optimizer, ...]:
    """Those that a study asks for, of all weights that are trained."""
    if optim.optimizer == "muon":
        return muon_and_adamw(net, optim.lr)
    weights = [p for p in net.parameters() if p.requires_grad]
    return (torch.optim.AdamW(weights, lr=optim.lr, weight_decay=0.0),)


def prepared(accelerator: Any, net: AnswerModel, optim: Optim, there: Ranks) -> tuple[Any, tuple[Any, ...]]:
    """Network and optimisers on their devices. Ranks with whole models add up their gradients themselves, unwrapped:
    a step may have several forward passes before a backward one, and weights that it does not touch.
    """
    if there.alone:
        whole_net, *made = accelerator.prepare(net, *optimisers(net, optim))
        return whole_net, tuple(made)
    net = accelerator.prepare_model(net, evaluation_mode=True)
    if there.plan.strategy == "zero3":
        engine = zero3(net, optimisers(net, optim)[0], there.plan, optim.clip)
        return engine, (engine.optimizer,)
    if there.sharded:
        shard(net, net.vlm, there.plan)
    return net, tuple(accelerator.prepare_optimizer(o) for o in optimisers(net, optim))


def head_apart(model: Any) -> Callable[[Tensor], Tensor]:
    """The head with weights of its own, as they are now."""
    head = copy.deepcopy(model.lm_head).requires_grad_(False)
    return head_of(SimpleNamespace(lm_head=head, config=model.config))


def accelerator(optim: Optim) -> Any:
    """A fresh accelerator: its state is global, and one worker process trains with several settings in turn."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState

    AcceleratorState._reset_state(reset_partial_state=False)
    GradientState._reset_state()
    cpu = not torch.cuda.is_available()
    if PartialState._shared_state and PartialState().device.type != ("cpu" if cpu else "cuda"):
        PartialState._reset_state()
    return Accelerator(mixed_precision="bf16" if optim.precision == "bf16" else "no", cpu=cpu)
