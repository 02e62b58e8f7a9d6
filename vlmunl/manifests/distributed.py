"""What `[distributed]` cannot be combined with. A model whose weights are divided is never whole in one process."""

from __future__ import annotations

from collections.abc import Iterator

from vlmunl.manifests.schema import Problem, join
from vlmunl.manifests.sections_training import MethodPlan
from vlmunl.manifests.study import Study


def check_distributed(study: Study) -> None:
    """Raise `Problem` for the first thing that needs whole weights or gradients."""
    section = study.distributed
    if section.strategy == "ddp":
        if section.offload:
            raise Problem(
                "distributed.offload", 'needs divided weights: write strategy = "fsdp" or "zero3", or leave it'
            )
        return
    for path, what in _needing(study):
        remedy = 'use strategy = "ddp"'
        raise Problem(path, f"{what}, and [distributed] strategy = {section.strategy!r} divides them; {remedy}")


def _needing(study: Study) -> Iterator[tuple[str, str]]:
    if study.model.quantize != "none":
        yield "model.quantize", "layers in 8 or 4 bit must be whole"
    optimizers: dict[str, str] = {"imprint.optimizer": study.imprint.recipe.optimizer}
    optimizers |= {
        join("imprint.override", i) + ".optimizer": str(o.changes.get("optimizer", ""))
        for i, o in enumerate(study.imprint.override)
    }
    for path, optimizer in optimizers.items():
        if optimizer == "muon":
            yield path, "muon makes whole matrices orthogonal"
    if not isinstance(study.unlearn.micro_batch, str):
        yield "unlearn.micro_batch", "a batch in pieces is run twice, which whole weights are needed for"
    for method in study.methods:
        if (what := _of_method(method)) is not None:
            yield join("methods", method.name), what


def _of_method(method: MethodPlan) -> str | None:
    recipe = method.recipe
    if recipe.before or recipe.after:
        return "it edits whole weights"
    if recipe.rules:
        return f"its rule {recipe.rules[0].rule!r} reads whole gradients"
    if recipe.infer is not None:
        return f"its wrapper {recipe.infer.wrapper!r} works on a whole model"
    return None
