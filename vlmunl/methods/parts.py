"""The parts that recipes are made of, by name: built in, or of a plug-in (entry points `vlmunl.losses` and so on)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vlmunl.errors import StudyError
from vlmunl.methods.declared import bounded_losses, comparing_losses, edits, losses, rules, transforms, wrappers
from vlmunl.methods.language import Loss, Need, Part, Recipe, Transform, arguments, stream_of
from vlmunl.methods.registry import Registry

LOSSES: Registry[Loss] = Registry(
    Loss,
    "vlmunl.losses",
    (
        *losses.LIKELIHOOD,
        *bounded_losses.BOUNDED,
        *comparing_losses.PREFERENCE,
        *comparing_losses.DISTILLATION,
        *comparing_losses.REPRESENTATION,
    ),
)
TRANSFORMS: Registry[Transform] = Registry(Transform, "vlmunl.transforms", transforms.TRANSFORMS)
RULES: Registry[Part] = Registry(Part, "vlmunl.rules", rules.RULES)
EDITS: Registry[Part] = Registry(Part, "vlmunl.edits", edits.EDITS)
WRAPPERS: Registry[Part] = Registry(Part, "vlmunl.wrappers", wrappers.WRAPPERS)


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
        if term.other is not None and stream_of(term.other) != stream_of(term.view):
            raise StudyError(
                f"{term.loss} compares {term.view!r} with {term.other!r}, which shows other samples",
                f"compare it with a view of {stream_of(term.view)}",
            )
        found.append(("loss", loss, dict(term.args)))
    for view in views_of(recipe):
        if "." in view:
            found.append(("view", TRANSFORMS.named(view.partition(".")[2], "view"), {}))
    found += [("rule", RULES.named(r.rule, "rule"), dict(r.args)) for r in recipe.rules]
    found += [("edit", EDITS.named(e.edit, "edit"), dict(e.args)) for e in (*recipe.before, *recipe.after)]
    if recipe.infer is not None:
        found.append(("wrapper", WRAPPERS.named(recipe.infer.wrapper, "wrapper"), dict(recipe.infer.args)))
    return found


def views_of(recipe: Recipe) -> tuple[str, ...]:
    """All views that the terms read, or that rules and edits probe, in order."""
    probes = [RULES.named(rule.rule, "rule") for rule in recipe.rules]
    probes += [EDITS.named(edit.edit, "edit") for edit in (*recipe.before, *recipe.after)]
    return tuple(dict.fromkeys([*recipe.views(), *(view for part in probes for view in part.reads)]))


def needs_of(recipe: Recipe) -> frozenset[Need]:
    """What the terms need beside the model's own answers."""
    return frozenset(need for term in recipe.terms for need in LOSSES.named(term.loss, "loss").needs)


def families(recipe: Recipe) -> dict[str, str]:
    """View -> the route family that training on it prepares for, of the views that do; plain narrow views do not."""
    derived = {view: TRANSFORMS.named(view.partition(".")[2], "view") for view in views_of(recipe) if "." in view}
    return {view: transform.family for view, transform in derived.items() if transform.family}


def refuse_held_out(recipe: Recipe, held_out: Collection[str]) -> None:
    """Refuse a recipe with a view that prepares for a route family which no training may see.

    Raises:
        StudyError: the message names the view and the family.
    """
    for view, family in families(recipe).items():
        if family in held_out:
            raise StudyError(
                f"the view {view!r} trains on the route family {family!r}, which is held out",
                "take it out of routes.held_out, or choose a method without it",
            )


def check(recipe: Recipe, params: Mapping[str, float]) -> None:
    """Refuse a recipe that names what is not there, or leaves something open.

    Raises:
        StudyError: the message names the part.
    """
    for _, part, given in parts_of(recipe):
        arguments(part, given, params)
    inner = [term.loss for term in recipe.terms if "layer" in LOSSES[term.loss].needs]
    if inner and recipe.where.depth is None:
        raise StudyError(f"{inner[0]} reads an inner layer", "say which: give the recipe where.depth, between 0 and 1")
    for name in sorted(recipe.settings() - set(params)):
        raise StudyError(f"the recipe refers to the setting {name!r}", f"settings: {', '.join(params) or 'none'}")
    if not (recipe.terms or recipe.before or recipe.after or recipe.infer):
        raise StudyError("the recipe is empty", "give it a term, an edit or a wrapper")


def versions(recipe: Recipe) -> dict[str, int]:
    """`loss npo` -> 1 and so on: enters the run key, so that another version of a part is another result."""
    return dict(sorted((f"{kind} {part.name}", part.version) for kind, part, _ in parts_of(recipe)))
