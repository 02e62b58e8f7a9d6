"""`[methods]`: follow `like`, check each key against what the method really has, fill in the defaults.

A method is declared (built in, or by a plug-in), or the study writes its recipe down (`vlmunl.manifests.adhoc`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vlmunl.manifests import adhoc
from vlmunl.manifests.schema import Problem, convert, cut, found, hints, join, read_given, unknown
from vlmunl.manifests.sections_training import ImprintSection, MethodPlan, MethodSection, StopSection
from vlmunl.manifests.values import Name
from vlmunl.methods.language import Recipe as MethodRecipe
from vlmunl.methods.parts import draws_views, versions
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import ROLES, Group, Optim, Optimizer, Precision

RESERVED = ("base", *ROLES)
_OPTIM = ("lr", "steps", "warmup", "clip")
_OF_A_CHECKPOINT = ("checkpoint", "label")
_OF_A_NAME = ("like", "label")  # all that a method can set that starts from the base model again
_OF_TRAINING = (*_OPTIM, "batch", "stop", "rules", "add_rules", "schedule", "every")
_OF_A_PLACE = ("schedule", "every", "where")  # what a declared method can be told without becoming another one


def read_methods(
    table: object, declared: Mapping[str, Method], imprint: ImprintSection, precision: Precision
) -> tuple[MethodPlan, ...]:
    """The study's methods in the order of the file. Raises `Problem`."""
    if not isinstance(table, dict):
        raise Problem("methods", f"expected a table, found {found(table)}")
    plans = []
    for name in table:
        if _is_made_elsewhere(table[name]):
            plans.append(_made_elsewhere(name, table[name], declared))
            continue
        chain = _chain(name, table, declared)
        method = adhoc.AD_HOC if adhoc.is_own(table.get(chain[-1])) else declared[chain[-1]]
        optim = imprint_optim(imprint, precision) if method.start == "base" else method.optim
        plans.append(_plan(chain, table, method, replace(optim, precision=precision)))
    return tuple(plans)


def imprint_optim(imprint: ImprintSection, precision: Precision) -> Optim:
    """The training loop of the imprint recipe, before any override."""
    r = imprint.recipe
    return _optim(r.steps, r.lr, r.warmup, r.clip, precision, r.optimizer)


@lru_cache(typed=True)
def _optim(steps: int, lr: float, warmup: int, clip: float, precision: Precision, optimizer: Optimizer) -> Optim:
    return Optim(steps=steps, lr=lr, warmup=warmup, clip=clip, precision=precision, optimizer=optimizer)


def _chain(name: str, table: Mapping[str, Any], declared: Mapping[str, Method]) -> list[str]:
    """From the study's name by `like` to what it is a variant of: a declared method, or one of the study's own."""
    path = join("methods", name)
    _check_name(name)
    chain = [name]
    while (like := _next(chain[-1], table, declared)) is not None:
        if like in chain:
            raise Problem(join(path, "like"), f"goes round in a circle: {' -> '.join(map(cut, [*chain[-5:], like]))}")
        if like not in table and like not in declared:
            raise Problem(
                join(join("methods", chain[-1]), "like"), unknown("method", like, {*declared, *table} - {name})
            )
        if _is_made_elsewhere(table.get(like)):
            raise Problem(join(path, "like"), f"{like!r} is a checkpoint made elsewhere, of which there is no variant")
        chain.append(like)
    return chain


def _check_name(name: str) -> None:
    path = join("methods", name)
    convert(Name, name, path)
    if name in RESERVED:
        raise Problem(path, f"{name!r} is the name of a role; call the method something else")


def _is_made_elsewhere(section: object) -> bool:
    return isinstance(section, dict) and "checkpoint" in section


def _made_elsewhere(name: str, section: Mapping[str, Any], declared: Mapping[str, Method]) -> MethodPlan:
    """A method that is a model made elsewhere: it has a name, a label and its checkpoint, and no setting."""
    path, kinds = join("methods", name), hints(MethodSection)
    _check_name(name)
    if name in getattr(declared, "builtin", declared):
        why = f"{name!r} is a declared method; give the model made elsewhere another name"
        raise Problem(join(path, "checkpoint"), why)
    for key in section:
        if key not in _OF_A_CHECKPOINT and (key in kinds or key in adhoc.KEYS):
            raise Problem(join(path, key), f"has no effect: {name!r} is a checkpoint made elsewhere; leave it out")
    given = read_given({key: kinds[key] for key in _OF_A_CHECKPOINT}, section, path)
    return MethodPlan(
        name=name,
        label=given.get("label", name),
        start="checkpoint",
        checkpoint=given["checkpoint"],
        method="checkpoint",
        version=1,
        params={},
        optim=Optim(),
    )


def _next(name: str, table: Mapping[str, Any], declared: Mapping[str, Method]) -> str | None:
    """What `[methods.NAME]` is like; None if it stands for itself. Plug-ins are only asked if nothing else is known."""
    section, path = table.get(name), join("methods", name)
    like, own = _like(name, table), adhoc.is_own(section)
    if name in getattr(declared, "builtin", declared):
        if like is not None:
            raise Problem(join(path, "like"), f"{name!r} is a declared method itself; give the variant another name")
        _only_in_its_place(name, section)
        return None
    if like is None and not own:
        if name not in declared:
            raise Problem(path, _not_known(name, declared))
        _only_in_its_place(name, section)
    return like


def _only_in_its_place(name: str, section: object) -> None:
    for key in section if isinstance(section, dict) else ():
        if key in adhoc.KEYS and key not in _OF_A_PLACE:
            why = f"{name!r} is a declared method; give yours another name, and write in it: like = {name!r}"
            raise Problem(join(join("methods", name), key), why)


def _not_known(name: str, declared: Mapping[str, Method]) -> str:
    hint = 'for a variant write: like = "ga"; for a method of its own: terms = [{ loss = "ga" }]'
    return "; ".join([unknown("method", name, declared), hint, *getattr(declared, "broken", ())])


def _like(name: str, table: Mapping[str, Any]) -> str | None:
    section = table.get(name)
    if not isinstance(section, dict) or "like" not in section:
        return None
    like: str = convert(hints(MethodSection)["like"], section["like"], join(join("methods", name), "like"))
    return like


def _plan(chain: list[str], table: Mapping[str, Any], method: Method, optim: Optim) -> MethodPlan:
    """Merge the sections along the chain: what stands nearest to the name wins; labels are not inherited."""
    given: dict[str, Any] = {}
    stop: dict[str, Any] = {}
    recipe, params = method.recipe, dict(method.params)
    for link in reversed(chain):
        section = table.get(link, {})
        changes = _recipe_keys(link, section, method)
        declared = changes.get("settings", {})
        recipe, params = adhoc.changed(recipe, changes), {**params, **declared}
        given = {**given, "label": chain[0], **_given(link, section, method, params)}
        params |= {key: given[key] for key in params if key in given and key not in declared}
        if name := adhoc.unused(declared, recipe):
            raise Problem(join(join(join("methods", link), "settings"), name), "nothing in the recipe refers to it")
        rule: StopSection = given.get("stop", StopSection())
        stop |= {k: v for k, v in vars(rule).items() if v is not None}
    if method.start == "imprint":
        adhoc.checked(recipe, params, join("methods", chain[0]))
        _has_effect(chain[0], table.get(chain[0]), recipe)
    return MethodPlan(
        name=chain[0],
        label=given["label"],
        start=method.start,
        group=_group(method, recipe),
        method=method.name,
        version=method.version,
        views=given.get("views", MethodPlan.views),
        params=params,
        recipe=recipe,
        parts=versions(recipe),
        optim=replace(optim, **{key: given[key] for key in _OPTIM if key in given}),
        batch=given.get("batch", MethodPlan.batch),
        stop=replace(method.stop, **stop),
    )


def _recipe_keys(name: str, section: object, method: Method) -> dict[str, Any]:
    """What a `[methods.NAME]` says about the recipe."""
    path = join("methods", name)
    if not isinstance(section, dict):
        return {}
    changes = adhoc.read_recipe(section, path)
    if changes and method.start == "base":
        raise Problem(join(path, next(iter(changes))), f"has no effect: {method.name!r} follows [imprint]")
    for key in changes.get("settings", ()):
        convert(Name, key, join(join(path, "settings"), key))
        if key in hints(MethodSection) or key in adhoc.KEYS:
            raise Problem(join(join(path, "settings"), key), "is a key of every method; call the setting otherwise")
    return changes


def _given(name: str, section: object, method: Method, params: Mapping[str, float]) -> dict[str, Any]:
    """The keys that a `[methods.NAME]` really has, but for its recipe, converted; settings are numbers."""
    own: dict[str, Any] = dict.fromkeys(params, float)
    path = join("methods", name)
    if method.start == "base" and isinstance(section, dict):
        for key in section:
            if key in hints(MethodSection) and key not in _OF_A_NAME:
                why = f"has no effect: {method.name!r} follows [imprint]; set it there"
                raise Problem(join(path, key), why)
    types_of = {**hints(MethodSection), **own}
    plain = section
    if isinstance(section, dict):
        for key in section:
            if key not in types_of and key not in adhoc.KEYS:
                raise Problem(join(path, key), unknown("key", key, {*types_of, *adhoc.KEYS}))
        plain = {key: value for key, value in section.items() if key not in adhoc.KEYS}
    return read_given(types_of, plain, path)


def _has_effect(name: str, section: object, recipe: MethodRecipe) -> None:
    """Refuse what a method that only edits or wraps would never look at: keys of a training, and views of nothing.

    Keys that it inherits by `like` are left alone: they have their effect there.
    """
    path = join("methods", name)
    for key in section if isinstance(section, dict) else ():
        if key in _OF_TRAINING and not recipe.terms:
            raise Problem(join(path, key), f"has no effect: {name!r} does not train; leave it out, or add a term")
        if key == "views" and not draws_views(recipe):
            why = f"has no effect: {name!r} looks at the canonical questions only, or at none; leave it out"
            raise Problem(join(path, key), why)


def _group(method: Method, recipe: MethodRecipe) -> Group:
    """What works at inference only leaves the knowledge in the weights, by whatever name it is declared."""
    changes_weights = recipe.terms or recipe.before or recipe.after
    only_wraps = recipe.infer is not None and not changes_weights
    return "inference" if method.family == "inference" or only_wraps else "training"
