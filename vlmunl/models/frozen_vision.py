"""Pictures go through a frozen vision tower once: its answers are remembered by the pixels' content."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import xxhash
from torch import Tensor

from vlmunl.models.ranks import ranks


class RememberedTower(torch.nn.Module):
    """A tower that is not trained, and asks itself each different picture once.

    Only batches of whole pictures (N, C, H, W) without further arguments that differ per picture are remembered.
    """

    def __init__(self, tower: torch.nn.Module, layers: tuple[int, ...] | None = None, most: int = 4096) -> None:
        """`layers` are those whose hidden states the model reads; `most` is how many pictures are remembered."""
        super().__init__()
        self.tower = tower
        self.layers = layers
        self.most = most
        self.asked = 0
        self._known: dict[bytes, Any] = {}

    def forward(self, pixel_values: Tensor, **options: Any) -> Any:
        """What the tower answers, from memory where it can."""
        names = [xxhash.xxh3_128_digest(p.numpy(force=True).tobytes()) for p in pixel_values.float()]
        new = [i for i, name in enumerate(names) if name not in self._known]
        first = {names[i]: i for i in reversed(new)}
        if first:
            self._learn(first, pixel_values, options)
        found = _stacked([self._known[name] for name in names])
        if len(self._known) > self.most:
            self._known.clear()
        return found

    def state(self) -> dict[str, Any]:
        """What it remembers."""
        return {"asked": self.asked, "known": {name: _plain(out) for name, out in self._known.items()}}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Remember what another one did."""
        device = next(self.tower.parameters()).device
        self.asked = state["asked"]
        self._known = {name: _as_told(out, device) for name, out in state["known"].items()}

    def _learn(self, first: dict[bytes, int], pixel_values: Tensor, options: dict[str, Any]) -> None:
        with torch.no_grad():
            out = self._without_unused(self.tower(pixel_values[list(first.values())], **options))
        self.asked += len(first)
        for place, name in enumerate(first):
            self._known[name] = _row(out, place)

    def _without_unused(self, out: Any) -> Any:
        """The hidden states of layers that nobody reads are as large as all else together."""
        states = getattr(out, "hidden_states", None)
        if states is None or self.layers is None:
            return out
        used = {layer % len(states) for layer in self.layers}
        out["hidden_states"] = tuple(s if i in used else None for i, s in enumerate(states))
        return out

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("tower"), name)


def _row(out: Any, place: int) -> Any:
    """One picture's share of a tower's output, cut out of every tensor in it."""
    if isinstance(out, Tensor):
        return out[place].clone()
    if isinstance(out, tuple) and not hasattr(out, "items"):
        return tuple(_row(part, place) for part in out)
    if hasattr(out, "items"):
        return type(out)(**{name: _row(part, place) for name, part in out.items()})
    return out


def _plain(out: Any) -> Any:
    """An output as a checkpoint can hold it: tensors, ("tuple", parts), ("output", type's place, parts by name)."""
    if isinstance(out, Tensor):
        return out.detach()
    if isinstance(out, tuple) and not hasattr(out, "items"):
        return ("tuple", [_plain(part) for part in out])
    if hasattr(out, "items"):
        kind = f"{type(out).__module__}:{type(out).__qualname__}"
        return ("output", kind, {name: _plain(part) for name, part in out.items()})
    return ("value", out)


def _as_told(told: Any, device: torch.device) -> Any:
    """The output that `_plain` was made from."""
    if isinstance(told, Tensor):
        return told.to(device)
    kind, *rest = told
    if kind == "tuple":
        return tuple(_as_told(part, device) for part in rest[0])
    if kind == "output":
        module, _, name = rest[0].partition(":")
        made = getattr(importlib.import_module(module), name)
        return made(**{key: _as_told(part, device) for key, part in rest[1].items()})
    return rest[0]


def _stacked(rows: list[Any]) -> Any:
    first = rows[0]
    if isinstance(first, Tensor):
        return torch.stack(rows)
    if isinstance(first, tuple) and not hasattr(first, "items"):
        return tuple(_stacked(list(parts)) for parts in zip(*rows, strict=True))
    if hasattr(first, "items"):
        return type(first)(**{name: _stacked([row[name] for row in rows]) for name in first})
    return first


@contextmanager
def remembered(model: Any) -> Iterator[RememberedTower | None]:
    """Inside, the model's vision tower remembers; None if the model has none that can, or it is trained.

    Nor if its weights are divided among processes: all must run through it together.
    """
    core: Any = getattr(model, "model", None)
    tower = getattr(core, "vision_tower", None)
    if tower is None or ranks().sharded or any(p.requires_grad for p in tower.parameters()):
        yield None
        return
    layer = getattr(model.config, "vision_feature_layer", None)
    layers = None if layer is None else tuple([layer] if isinstance(layer, int) else layer)
    core.vision_tower = RememberedTower(tower, layers)
    try:
        yield core.vision_tower
    finally:
        core.vision_tower = tower
