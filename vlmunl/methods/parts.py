"""The parts that recipes are made of, by name: built in, or of a plug-in (entry points `vlmunl.losses` and so on)."""

from __future__ import annotations

from collections.abc import Mapping

from vlmunl.errors import StudyError
from vlmunl.methods.declared import losses
from vlmunl.methods.language import Loss, Need, Part, Recipe, Transform, arguments
from vlmunl.methods.registry import Registry

LOSSES: Registry[Loss] = Registry(Loss, "vlmunl.losses", losses.LIKELIHOOD)
TRANSFORMS: Registry[Transform] = Registry(Transform, "vlmunl.transforms", ())
RULES: Registry[Part] = Registry(Part, "vlmunl.rules", ())
EDITS: Registry[Part] = Registry(Part, "vlmunl.edits", ())
WRAPPERS: Registry[Part] = Registry(Part, "vlmunl.wrappers", ())


def parts_of(recipe: Recipe) -> list[tuple[str, Part, dict[str, float | str]]]:
    """(kind, part, given arguments) of all that a recipe names.

    Raises:
        StudyError: a name is not known, or a term's other view is missing or not wanted.
    """
    found: list[tuple[str, Part, dict[str, float | str]]] = []
    for term in recipe.terms:
        loss = LOSSES.named(term.loss, "loss")
        if loss.compares is not (term.other is not None):
            message = f"{term.loss} compares two views" if loss.compares else f"{term.loss} reads one view"
            raise StudyError(message, f"{'give' if loss.compares else 'leave out'} other, a view of the same samples")
        found.append(("loss", loss, dict(term.args)))
    for view in recipe.views():
        if "." in view:
            found.append(("view", TRANSFORMS.named(view.partition(".")[2], "view"), {}))
    found += [("rule", RULES.named(r.rule, "rule"), dict(r.args)) for r in recipe.rules]
    found += [("edit", EDITS.named(e.edit, "edit"), dict(e.args)) for e in (*recipe.before, *recipe.after)]
    if recipe.infer is not None:
        found.append(("wrapper", WRAPPERS.named(recipe.infer.wrapper, "wrapper"), dict(recipe.infer.args)))
    return found


def needs_of(recipe: Recipe) -> frozenset[Need]:
    """What the terms need beside the model's own answers."""
    return frozenset(need for term in recipe.terms for need in LOSSES.named(term.loss, "loss").needs)


def check(recipe: Recipe, params: Mapping[str, float]) -> None:
    """Refuse a recipe that names what is not there, or leaves something open.

    Raises:
        StudyError: the message names the part.
    """
    for _, part, given in parts_of(recipe):
        arguments(part, given, params)
    for name in sorted(recipe.settings() - set(params)):
        raise StudyError(f"the recipe refers to the setting {name!r}", f"settings: {', '.join(params) or 'none'}")
    if not (recipe.terms or recipe.before or recipe.after or recipe.infer):
        raise StudyError("the recipe is empty", "give it a term, an edit or a wrapper")


def versions(recipe: Recipe) -> dict[str, int]:
    """`loss npo` -> 1 and so on: enters the run key, so that another version of a part is another result."""
    return dict(sorted((f"{kind} {part.name}", part.version) for kind, part, _ in parts_of(recipe)))
