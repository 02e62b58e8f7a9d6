"""A cache of keys and values with room to grow: a token more is written behind the others, which stay where they are.

The library's own cache copies all that was read for every token; behind a picture of hundreds of tokens that is half
of the work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 32
"""Tokens for which room is kept when there is none left."""


class _Layer(DynamicLayer):  # type: ignore[misc]
    """`keys` and `values` are the used parts of two larger tensors."""

    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append (B, heads, T, width) and return all there is."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        room = self._room
        if room is None or before == 0 or room[0].shape[-2] < after or not _begins(room[0], self.keys):
            room = self._room = (_grown(self.keys, key_states, after), _grown(self.values, value_states, after))
        for store, new in zip(room, (key_states, value_states), strict=True):
            store[:, :, before:after] = new
        self.keys, self.values = (store[:, :, :after] for store in room)
        return self.keys, self.values


def _begins(store: Tensor, used: Tensor) -> bool:
    """Is this still the store's own beginning, or were rows chosen from it?"""
    return store.data_ptr() == used.data_ptr() and store.shape[0] == used.shape[0]


def _grown(used: Tensor, new: Tensor, size: int) -> Tensor:
    """A larger tensor that begins with the used part, as wide as the new one."""
    store = torch.empty(*new.shape[:2], size + ROOM, new.shape[-1], dtype=new.dtype, device=new.device)
    if used.numel():
        store[:, :, : used.shape[-2]] = used
    return store


def empty() -> Any:
    """A cache of nothing."""
    cache = DynamicCache()
    cache.layer_class_to_replicate = _Layer
    return cache
