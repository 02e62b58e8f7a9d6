"""The state of a training between two steps, and how it is taken up again: to the bit, on the CPU.

What it holds: the weights that train, the optimisers, the curve (and with it the place in the learning-rate schedule),
the size that batches had to be cut to, every global random stream, and what else remembers something: the drawing of
batches, the stop rule, gradient rules, dual weights, the answers of the model before unlearning, and those of a frozen
vision tower. The latter two could be asked again, but in other batches, which gives other last bits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from vlmunl.models import adapters
from vlmunl.models.frozen_vision import RememberedTower

if TYPE_CHECKING:
    from vlmunl.models.trainer import Trainer

State = Mapping[str, Any]


@runtime_checkable
class Remembers(Protocol):
    """Something whose next step depends on the steps before."""

    def state(self) -> State:
        """What it remembers, of what a checkpoint can hold (`vlmunl.stage_types.Part`)."""

    def resume(self, state: State, steps: int) -> None:
        """Be as after so many steps, which others have done. Called on a fresh one, after the weights are there."""


@dataclass
class Stream:
    """A random stream that draws go on from."""

    rng: random.Random

    def state(self) -> State:
        return {"rng": self.rng.getstate()}

    def resume(self, state: State, steps: int) -> None:
        self.rng.setstate(state["rng"])


@dataclass
class Figures:
    """Numbers that are added to while training goes on."""

    values: dict[str, float]

    def state(self) -> State:
        return {"values": dict(self.values)}

    def resume(self, state: State, steps: int) -> None:
        self.values.clear()
        self.values.update(state["values"])


def state_of(trainer: Trainer, others: Iterable[Remembers]) -> dict[str, Any]:
    """All that the next step depends on, to be written before that step is made: tensors are no copies."""
    tower = _tower(trainer)
    return {
        **_weights(trainer),
        "tower": None if tower is None else _bare(tower.state()),
        "optimisers": [_bare(optimiser.state_dict()) for optimiser in trainer.optimisers],
        "streams": streams(),
        "others": [_bare(dict(other.state())) for other in others],
    }


def weights_of(trainer: Trainer) -> dict[str, Any]:
    """What a finished training leaves behind, copied into main memory."""
    found: dict[str, Any] = _bare(_weights(trainer), copy=True)
    return found


def _weights(trainer: Trainer) -> dict[str, Any]:
    return {
        "weights": [_bare(w) for w in trainer.weights],
        "averages": dict(_averages(trainer)),
        "pieces": trainer.pieces,
    }


def resume(trainer: Trainer, state: State, others: Iterable[Remembers], steps: int) -> None:
    """Be as the trainer was that this state was taken of.

    Raises:
        ValueError: it is of another training.
    """
    resume_weights(trainer, state)
    tower = _tower(trainer)
    if tower is not None and state["tower"] is not None:
        tower.resume(state["tower"])
    for optimiser, kept in zip(trainer.optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(kept)
    for other, kept in zip(others, state["others"], strict=True):
        other.resume(kept, steps)
    resume_streams(state["streams"])


@torch.no_grad()
def resume_weights(trainer: Trainer, state: State) -> None:
    """Put the weights in place, and what goes with them."""
    for weight, kept in zip(trainer.weights, state["weights"], strict=True):
        weight.copy_(kept)
    for name, value in _averages(trainer):
        value.copy_(state["averages"][name])
    trainer.resume_pieces(*state["pieces"])


def _tower(trainer: Trainer) -> RememberedTower | None:
    tower = getattr(getattr(adapters.core(trainer.trained), "model", None), "vision_tower", None)
    return tower if isinstance(tower, RememberedTower) else None


def _averages(trainer: Trainer) -> list[tuple[str, Tensor]]:
    """The running statistics of batch norms, which move in training without being trained."""
    modules = trainer.trained.named_modules()
    norms = [(name, m) for name, m in modules if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    return [(f"{name}.{n}", value) for name, norm in norms for n, value in norm.named_buffers(recurse=False)]


def _bare(value: Any, *, copy: bool = False) -> Any:
    """The same without graphs; of a tensor that is a part of a larger one that part alone."""
    if isinstance(value, Tensor):
        if copy:
            return value.detach().to("cpu", copy=True)
        whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
        return value.detach() if whole else value.detach().clone()
    if isinstance(value, dict):
        return {name: _bare(part, copy=copy) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_bare(part, copy=copy) for part in value)
    return value


def streams() -> dict[str, Any]:
    """The global generators, which dropout and the like draw from."""
    found: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if "numpy" in sys.modules:
        import numpy as np

        numpy: Any = np.random.get_state()
        found["numpy"] = (str(numpy[0]), numpy[1].tolist(), *numpy[2:])
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def resume_streams(found: State) -> None:
    """Go on drawing where `streams` was taken."""
    random.setstate(found["python"])
    torch.set_rng_state(found["torch"])
    if "numpy" in found:
        import numpy as np

        kind, keys, *rest = found["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    if "cuda" in found and torch.cuda.is_available():
        for device, state in enumerate(found["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, device)
