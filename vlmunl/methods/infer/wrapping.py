"""What a wrapper's code is, and how the stages use it: fitted once on the training views, applied when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods import parts
from vlmunl.methods.infer import stored
from vlmunl.methods.infer.stored import Stored
from vlmunl.methods.lab import Lab
from vlmunl.methods.language import Wrapper, arguments
from vlmunl.methods.registry import code_of
from vlmunl.models import adapters
from vlmunl.models.intervene import Intervention
from vlmunl.models.loop import Curve
from vlmunl.models.vlm import VLM

Train = Callable[[Lab], Curve]
"""Carries out the recipe's terms on a bench, and leaves what was trained in its `trained`."""


@dataclass(frozen=True)
class Fitted:
    """What a wrapper learned: plain facts and tensors to be stored, and the curve if it was trained."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    curve: Curve | None = None


class Wrapping(Protocol):
    """A wrapper's code, made with its arguments. If it `trains`, the recipe's terms are its own and not the model's."""

    @property
    def trains(self) -> bool: ...

    def fit(self, lab: Lab, train: Train) -> Fitted:
        """Learn what is needed from the training views alone."""
        ...

    def apply(self, vlm: VLM, fitted: Fitted) -> tuple[VLM, Intervention | None]:
        """The model as it is asked from now on; changes `vlm` in place where it must."""
        ...


def planned(wrapper: Wrapper, params: Mapping[str, float]) -> tuple[Wrapping, Stored]:
    """The code of a recipe's wrapper, and what is known of its file before it is fitted."""
    part = parts.WRAPPERS.named(wrapper.wrapper, "wrapper")
    args = arguments(part, wrapper.args, params)
    return code_of(part.run)(**args), Stored(part.name, part.version, args)


def save(plan: Stored, fitted: Fitted, folder: Path) -> None:
    """Write a fitted wrapper into the adapter's folder."""
    stored.save(Stored(plan.wrapper, plan.version, plan.args, fitted.facts, fitted.tensors), folder)


def applied(vlm: VLM, folder: Path) -> tuple[VLM, Intervention | None]:
    """The model inside the wrapper of an adapter's folder.

    Raises:
        MissingInput: the files are damaged, of another version, or do not fit the model.
    """
    found = stored.load(folder)
    part = parts.WRAPPERS.named(found.wrapper, "wrapper")
    if found.version != part.version:
        raise MissingInput(
            f"{found.wrapper} was fitted by version {found.version}, this is version {part.version}", "unlearn again"
        )
    try:
        wrapping: Wrapping = code_of(part.run)(**found.args)
        return wrapping.apply(vlm, Fitted(found.facts, found.tensors))
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise stored.damaged(found, error) from error


def lora_of(lab: Lab) -> dict[str, Tensor]:
    """Name -> tensor of a trained LoRA: `LAYER.a` (r, in) and `LAYER.b` (out, r), whose product `b a` is the change.

    Raises:
        StudyError: something else than LoRA was trained.
    """
    found: dict[str, Tensor] = {}
    for name, module in adapters.core(lab.trained).named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            found[f"{name}.a"] = module.lora_A["default"].weight.detach().float().clone()
            found[f"{name}.b"] = (module.lora_B["default"].weight * module.scaling["default"]).detach().float().clone()
    return found


def needs_lora(lab: Lab) -> None:
    """Refuse a study that trains anything but LoRA.

    Raises:
        StudyError: it does.
    """
    if lab.config.adapter.recipe != "lora":
        raise StudyError(
            f"{lab.config.method} trains adapters of its own, and the study says {lab.config.adapter.recipe!r}",
            'write recipe = "lora" under [unlearn], or leave the method out',
        )


def pairs_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer -> (a, b) of the LoRA that was stored under a prefix.

    Raises:
        KeyError: a half of a pair is missing.
    """
    names = [n[len(prefix) : -2] for n in tensors if n.startswith(prefix) and n.endswith(".a")]
    return {n: (tensors[f"{prefix}{n}.a"], tensors[f"{prefix}{n}.b"]) for n in sorted(names)}


def joined(curves: Sequence[Curve]) -> Curve:
    """Several trainings one after the other, as one curve whose steps say which they belong to."""
    steps = [{**step, "part": float(k)} for k, curve in enumerate(curves) for step in curve.steps]
    return Curve(steps, "; ".join(dict.fromkeys(curve.ended for curve in curves)))
