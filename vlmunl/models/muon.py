"""Muon: momentum made orthogonal, for the matrices of a network; AdamW for all the rest.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the update scaled to the size
of AdamW's as in Liu et al., "Muon is scalable for LLM training" (2025), so that one learning rate serves both.
torch's own class works in bfloat16, one matrix at a time; here equal shapes go through in one batch, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al.: singular values go to about 1 in five rounds
_ROUNDS = 5
_RMS = 0.2  # Liu et al., section 2.2: the root mean square of an AdamW update


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to each of (N, rows, columns), about: Newton-Schulz, no factorisation."""
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; for matrices only, with decoupled weight decay."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for same in _by_shape(p for p in group["params"] if p.grad is not None):
                self._update(same, group)
        return loss

    def _update(self, same: list[Tensor], group: dict[str, Any]) -> None:
        gradient = torch.stack([p.grad for p in same if p.grad is not None])
        for p in same:
            self.state[p].setdefault("momentum", torch.zeros_like(p))
        momentum = torch.stack([self.state[p]["momentum"] for p in same]).lerp_(gradient, 1 - group["momentum"])
        update = orthogonalised(gradient.lerp_(momentum, group["momentum"]))
        size = _RMS * max(same[0].shape) ** 0.5
        for p, m, u in zip(same, momentum, update, strict=True):
            self.state[p]["momentum"].copy_(m)
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(u, alpha=-group["lr"] * size)


def _by_shape(params: Iterable[Tensor]) -> list[list[Tensor]]:
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for p in params:
        groups.setdefault(tuple(p.shape), []).append(p)
    return list(groups.values())


def muon_and_adamw(
    model: torch.nn.Module, lr: float, *, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0
) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the trainable matrices inside the network, AdamW for embeddings, the head, norms and biases.

    Only those that have something to train: with LoRA everything is a matrix.
    """
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    inside = {n for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n}
    matrices, rest = [p for n, p in named if n in inside], [p for n, p in named if n not in inside]
    made: list[torch.optim.Optimizer] = []
    if matrices:
        made.append(Muon(matrices, lr, weight_decay=weight_decay))
    if rest:
        made.append(torch.optim.AdamW(rest, lr=lr, betas=betas, weight_decay=weight_decay))
    return tuple(made)
