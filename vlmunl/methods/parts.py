"""The parts that recipes are made of, by name: built in, or of a plug-in (entry points `vlmunl.losses` and so on)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vlmunl.errors import StudyError
from vlmunl.methods.declared import (
    bounded_losses,
    comparing_losses,
    edits,
    losses,
    rules,
    scores,
    transforms,
    wrappers,
)
from vlmunl.methods.language import Loss, Need, Number, Part, Probe, Recipe, Transform, arguments, stream_of
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
SCORES: Registry[Part] = Registry(Part, "vlmunl.scores", scores.SCORES)


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
    """All views that the terms read, that rules and edits probe, or that the wrapper learns from, in order."""
    looking = [part for part, _ in _probing(recipe)]
    if recipe.infer is not None:
        looking.append(WRAPPERS.named(recipe.infer.wrapper, "wrapper"))
    return tuple(dict.fromkeys([*recipe.views(), *(view for part in looking for view in part.reads)]))


def draws_views(recipe: Recipe) -> bool:
    """Does it draw samples as `views` says, narrow or wide? Terms and detectors do; probes ask canonical questions."""
    return bool(recipe.terms or (recipe.infer and WRAPPERS.named(recipe.infer.wrapper, "wrapper").views))


def probes_of(recipe: Recipe, params: Mapping[str, float]) -> dict[str, tuple[Probe, float]]:
    """All that its rules and edits choose by: name -> the probe, and how many questions of a view it asks (0: all).

    Raises:
        StudyError: a score is not known, or the part's arguments are not whole.
    """
    found: dict[str, tuple[Probe, float]] = {}
    for part, given in _probing(recipe):
        for probe in part.probes:
            SCORES.named(probe.score, "score")
            samples = arguments(part, given, params).get("samples", 0.0)
            found[scores_name(probe, samples)] = (probe, samples)
    return found


def scores_name(probe: Probe, samples: float) -> str:
    """What the scores of a probe are called among the inputs of a cell: `probe.fisher-forget.64`."""
    return f"probe.{probe.name}.{samples:g}" if samples > 0 else f"probe.{probe.name}.all"


def probe_versions(probe: Probe) -> tuple[int, dict[str, int]]:
    """The version of a probe's score, and those of the transforms that its views name."""
    names = sorted({view.partition(".")[2] for view in probe.views if "." in view})
    transforms = {f"view {name}": TRANSFORMS.named(name, "view").version for name in names}
    return SCORES.named(probe.score, "score").version, transforms


def _probing(recipe: Recipe) -> list[tuple[Part, Mapping[str, Number]]]:
    """The parts that may probe, with their arguments as given."""
    found = [(RULES.named(rule.rule, "rule"), rule.args) for rule in recipe.rules]
    found += [(EDITS.named(edit.edit, "edit"), edit.args) for edit in (*recipe.before, *recipe.after)]
    return found


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
