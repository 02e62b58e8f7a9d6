"""What a loss is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from vlmunl.models.answers import Out


@dataclass(frozen=True)
class Seen:
    """The model's answers on a view, and beside them what the loss declared that it needs.

    `ref` is the model before unlearning on the same view, `other` and `other_ref` the same two on the other view,
    `oracle` the gold model. `layer` is the inner layer that was asked for (in `out.layers` and `ref.layers`).
    `direction(H)` is a fixed random unit vector (H,), the same in every step.
    """

    out: Out
    given_ref: Out | None = None
    given_other: Out | None = None
    given_other_ref: Out | None = None
    given_oracle: Out | None = None
    layer: int = -1
    direction: Callable[[int], Tensor] = field(default=lambda size: _no_direction())

    @property
    def ref(self) -> Out:
        """The reference's answers on the same view."""
        assert self.given_ref is not None, "the loss did not declare that it needs a reference"
        return self.given_ref

    @property
    def other(self) -> Out:
        """The model's answers on the other view."""
        assert self.given_other is not None, "the loss did not declare that it needs another view"
        return self.given_other

    @property
    def other_ref(self) -> Out:
        """The reference's answers on the other view."""
        assert self.given_other_ref is not None, "the loss did not declare that it needs another view's reference"
        return self.given_other_ref

    @property
    def oracle(self) -> Out:
        """The gold model's answers on the same view."""
        assert self.given_oracle is not None, "the loss did not declare that it needs the gold model"
        return self.given_oracle

    def only(self, keep: Tensor) -> Seen:
        """The same of the samples where `keep` (samples,) is true."""
        beside = ("given_ref", "given_other", "given_other_ref", "given_oracle")
        kept = {name: out.only(keep) for name in beside if (out := getattr(self, name)) is not None}
        return replace(self, out=self.out.only(keep), **kept)


def _no_direction() -> Tensor:
    raise AssertionError("directions are given by the objective")


Loss = Callable[..., Tensor]
"""`loss(seen, **arguments) -> scalar`, to be minimised."""
