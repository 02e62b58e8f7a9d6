"""The methods' losses as sums of terms. `vlmunl.methods.specs` names them; the loop does the rest."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.methods import terms
from vlmunl.methods.specs import METHODS
from vlmunl.methods.terms import Out, Params


@dataclass(frozen=True)
class Term:
    """`weight * loss` on one view. A weight that is a name is looked up in the method's params."""

    view: Literal["forget", "retain"]
    loss: Callable[[Out, Out | None, Params], Tensor]
    weight: float | str = 1.0
    needs_reference: bool = False

    def weighted(self, out: Out, reference: Out | None, params: Params) -> Tensor:
        """The term's share of the objective."""
        factor = params[self.weight] if isinstance(self.weight, str) else self.weight
        return factor * self.loss(out, reference, params)


Recipe = tuple[Term, ...]

_KEEP = Term("retain", terms.descent, "retain")

finetune: Recipe = (Term("retain", terms.descent),)
retrain: Recipe = ()  # the imprint recipe itself, without the forget people
ga: Recipe = (Term("forget", terms.ascent),)
graddiff: Recipe = (Term("forget", terms.ascent), _KEEP)
klmin: Recipe = (
    Term("forget", terms.ascent),
    Term("retain", terms.kl_reference, "retain", needs_reference=True),
)
npo: Recipe = (Term("forget", terms.npo, needs_reference=True), _KEEP)


def recipe_of(method: str) -> Recipe:
    """The terms of a declared method.

    Raises:
        StudyError: there is no such method.
    """
    if method not in METHODS:
        raise StudyError(f"method {method!r} is not known", f"known: {', '.join(METHODS)}")
    module, _, name = METHODS[method].recipe.partition(":")
    recipe: Recipe = getattr(importlib.import_module(module), name)
    return recipe
