"""Rules that keep an update from undoing what is to be kept: TROU, as it should be and as published, and PCGrad."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vlmunl.methods.lab import Lab
from vlmunl.methods.rules.common import OnGradients, dot, kept_side, moved, needs_keeping, norm, put
from vlmunl.models.update import Gradients, Update

DAMPING = 1e-2
"""Share of the mean preconditioner added to each: a weight that the optimiser never moved is not free to move far."""
LITTLE = 0.05
"""When less of a step is left than this, nearly all of it was against what is to be kept."""


@dataclass
class Orthogonal:
    """TROU: the optimiser's step d without its part along the last `k` retain gradients R.

    `d <- d - M R (R' M R)^-1 R' d`: then `R' d = 0`, and d is changed least in the metric of the inverse of M. M is
    Adam's own scaling of the step, or the identity. Raw gradients made orthogonal would not stay so under Adam.
    """

    lab: Lab
    k: int
    refresh: int
    preconditioned: bool
    kept: deque[list[Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self.kept = deque(maxlen=self.k)

    def state(self) -> Mapping[str, Any]:
        """The directions that are kept."""
        return {"kept": [list(column) for column in self.kept]}

    def resume(self, state: Mapping[str, Any], steps: int) -> None:
        """Keep these."""
        weights = [p for p in self.lab.trained.parameters() if p.requires_grad]
        for column in state["kept"]:
            self.kept.append([part.to(w) for part, w in zip(column, weights, strict=True)])

    def before(self, update: Update) -> None:
        """Remember the weights, and the constraint's gradient when it is time."""
        update.keep()
        if "constraint" in update.gradients and (not self.kept or update.step % self.refresh == 0):
            gradient = update.gradients["constraint"]
            length = norm(gradient)
            if length > 0:
                self.kept.append([g / length for g in gradient])

    def after(self, update: Update) -> None:
        """Take the part along the retain gradients out of the step."""
        if not self.kept:
            return
        scale = scaling(update) if self.preconditioned else [torch.ones_like(w) for w in update.weights]
        step = moved(update)
        before = _length(step, scale)
        for _ in range(2):  # once more for what rounding left
            step = projected(step, list(self.kept), scale)
        put(update, step)
        share = _length(step, scale) / before if before > 0 else 1.0
        update.figures["kept"] = share
        if share < LITTLE:
            self.lab.notes["nearly_nothing_kept"] = self.lab.notes.get("nearly_nothing_kept", 0.0) + 1


def projected(step: Sequence[Tensor], basis: Sequence[Sequence[Tensor]], scale: Sequence[Tensor]) -> list[Tensor]:
    """`step` without its part along `basis`, changed least in the metric of 1/`scale` (all lists of weights)."""
    scaled = [[s * r for s, r in zip(scale, column, strict=True)] for column in basis]
    gram = torch.tensor([[dot(a, b) for b in basis] for a in scaled], dtype=torch.float64)
    along = torch.tensor([dot(column, step) for column in basis], dtype=torch.float64)
    shares = (torch.linalg.pinv(gram, rtol=1e-10, hermitian=True) @ along).tolist()
    left = [d.clone() for d in step]
    for share, column in zip(shares, scaled, strict=True):
        for d, c in zip(left, column, strict=True):
            d.sub_(c, alpha=share)
    return left


def scaling(update: Update) -> list[Tensor]:
    """How far Adam moves each weight for the same gradient, up to a common factor; ones for another optimiser."""
    states: list[Any] = [next((o.state[w] for o in update.optimisers if w in o.state), {}) for w in update.weights]
    if not all("exp_avg_sq" in state for state in states):
        return [torch.ones_like(w) for w in update.weights]
    roots = [state["exp_avg_sq"].sqrt() for state in states]
    count = sum(r.numel() for r in roots)
    mean = float(sum((r.double().sum() for r in roots), torch.zeros(()))) / count
    return [mean / (r + DAMPING * mean + 1e-30) for r in roots]


def _length(step: Sequence[Tensor], scale: Sequence[Tensor]) -> float:
    return norm([d / s.sqrt() for d, s in zip(step, scale, strict=True)])


def orthogonal(lab: Lab, k: float, refresh: float, preconditioned: float) -> Orthogonal:
    """TROU's projection, of the step itself.

    Raises:
        StudyError: the recipe has no constraint.
    """
    needs_keeping(lab, "orthogonal", constraint=True)
    return Orthogonal(lab, max(1, int(k)), max(1, int(refresh)), bool(preconditioned))


def trou_published(lab: Lab, delta: float) -> OnGradients:
    """TROU as it was released: `g - (g.r / |r|^2) r` for each tensor of the raw forget gradient, then a length of
    `delta` at most. Under Adam neither holds for the step: it is no longer orthogonal, and its size ignores `delta`.

    Raises:
        StudyError: the recipe has no constraint.
    """
    needs_keeping(lab, "trou_published", constraint=True)

    def change(update: Update) -> None:
        side = kept_side(update)
        if side is None or "forget" not in update.gradients:
            return
        pairs = zip(update.gradients["forget"], update.gradients[side], strict=True)
        left = [_without(g, r) for g, r in pairs]
        length = norm(left)
        update.gradients["forget"] = [g * (delta / length) for g in left] if length > delta else left

    return OnGradients(change)


def _without(g: Tensor, r: Tensor) -> Tensor:
    size = dot([r], [r])
    return g - r * (dot([g], [r]) / size) if size > 1e-8 else g


def pcgrad(lab: Lab) -> OnGradients:
    """Project each side's gradient off the other's, but only if they conflict (Yu et al. 2020, arXiv 2001.06782).

    Raises:
        StudyError: the recipe has no term on the retain side.
    """
    needs_keeping(lab, "pcgrad", constraint=False)

    def change(update: Update) -> None:
        side = kept_side(update)
        if side is None or "forget" not in update.gradients:
            return
        g, r = update.gradients["forget"], update.gradients[side]
        conflict = dot(g, r)
        update.figures["conflict"] = float(conflict < 0)
        if conflict >= 0:
            return
        update.gradients["forget"] = _off(g, r, conflict)
        if side == "retain":
            update.gradients["retain"] = _off(r, g, conflict)

    return OnGradients(change)


def _off(g: Sequence[Tensor], r: Sequence[Tensor], product: float) -> list[Tensor]:
    share = product / max(dot(r, r), 1e-30)
    return [a - b * share for a, b in zip(g, r, strict=True)]


def normalise(lab: Lab) -> OnGradients:
    """Each side's gradient at unit length, so that neither drowns the other (NGDiff, arXiv 2410.22086).

    Raises:
        StudyError: the recipe has no term on the retain side.
    """
    needs_keeping(lab, "normalise", constraint=False)

    def change(update: Update) -> None:
        gradients: Gradients = update.gradients
        for side, gradient in gradients.items():
            length = norm(gradient)
            if length > 0:
                gradients[side] = [g / length for g in gradient]

    return OnGradients(change)
