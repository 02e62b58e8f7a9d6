"""Recipes in a study file: a method that is written down there, and what a variant changes in another's.

`terms`, `rules`, `before`, `after`, `schedule`, `every`, `where` and `infer` take the place of what was there;
`add` and `add_rules` come on top of it. `settings` declares numbers by name that terms refer to and variants change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from vlmunl.errors import StudyError
from vlmunl.manifests.schema import Problem, Range, convert, cut, found, hints, join, read, read_given, unknown
from vlmunl.methods import parts
from vlmunl.methods.language import (
    STREAMS,
    Dual,
    Edit,
    Number,
    Part,
    Recipe,
    Rule,
    Schedule,
    Term,
    Where,
    Wrapper,
)
from vlmunl.methods.registry import Registry
from vlmunl.methods.specs import Method

P = TypeVar("P", bound=Part)
MOST = 64
"""Parts in one list."""
KEYS = (
    "terms", "rules", "schedule", "every", "before", "after", "where", "infer", "add", "add_rules", "settings"
)  # fmt: skip
WHOLE = ("terms", "before", "after", "infer")
"""What makes a method: one of these, and no `like`."""

AD_HOC = Method(name="ad-hoc", family="ad hoc", objective="as the study writes it", source="the study")
"""What a study's own method starts from. Its name is not the study's, so that equal recipes are one run."""


def is_own(section: object) -> bool:
    """Does a `[methods.NAME]` write a method down?"""
    return isinstance(section, dict) and "like" not in section and any(key in section for key in WHOLE)


def read_recipe(section: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The recipe's keys that a section really has, converted. Raises `Problem`."""
    made: dict[str, Any] = {}
    for key in KEYS:
        if key in section:
            made[key] = _read(key, section[key], join(path, key))
    return made


def changed(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """The recipe with what a section says put in its place, or on top of it."""
    fields = {field.name for field in dataclasses.fields(Recipe)}
    recipe = dataclasses.replace(recipe, **{key: value for key, value in given.items() if key in fields})
    return dataclasses.replace(
        recipe, terms=(*recipe.terms, *given.get("add", ())), rules=(*recipe.rules, *given.get("add_rules", ()))
    )


def checked(recipe: Recipe, params: Mapping[str, float], path: str) -> Recipe:
    """The recipe, if it can be carried out with these settings. Raises `Problem`."""
    for name in sorted(recipe.settings() - set(params)):
        raise Problem(path, f"the recipe refers to an {unknown(f'setting {cut(name)!r}', name, params)}")
    try:
        parts.check(recipe, params)
    except StudyError as error:
        raise Problem(path, _told(error)) from None
    sides = {term.side for term in recipe.terms}
    if recipe.schedule != "joint" and len(sides) < 2:
        raise Problem(join(path, "schedule"), f'{recipe.schedule!r} needs a term on each side; use "joint"')
    if recipe.every != 1 and recipe.schedule != "alternate":
        raise Problem(join(path, "every"), 'has no effect without schedule = "alternate"')
    return recipe


def unused(settings: Mapping[str, float], recipe: Recipe) -> str | None:
    """A declared setting that nothing in the recipe reads, or None."""
    read_by = {name for _, part, given in parts.parts_of(recipe) for name in part.args if name not in given}
    return next((name for name in settings if name not in recipe.settings() | read_by), None)


# ---------------------------------------------------------------------------------------- key by key


def _read(key: str, value: object, path: str) -> Any:
    if key in ("terms", "add"):
        return tuple(_term(entry, at) for entry, at in _listed(value, path, 'loss = "ce", view = "retain"'))
    if key in ("rules", "add_rules"):
        return tuple(Rule(**_named(e, at, "rule", parts.RULES)) for e, at in _listed(value, path, 'rule = "..."'))
    if key in ("before", "after"):
        return tuple(Edit(**_named(e, at, "edit", parts.EDITS)) for e, at in _listed(value, path, 'edit = "..."'))
    if key == "infer":
        return Wrapper(**_named(value, path, "wrapper", parts.WRAPPERS))
    if key == "where":
        return _where(value, path)
    if key == "settings":
        return _settings(value, path)
    return convert(_PLAIN[key], value, path)


_PLAIN = {"schedule": Schedule, "every": Annotated[int, Range(ge=1, le=100_000)]}


def _listed(value: object, path: str, example: str) -> list[tuple[object, str]]:
    if not isinstance(value, list):
        raise Problem(path, f"expected a list such as [{{ {example} }}], found {found(value)}")
    if len(value) > MOST:
        raise Problem(path, f"a list of {len(value)} is out of range; use a length <= {MOST}")
    return [(entry, join(path, i)) for i, entry in enumerate(value)]


def _term(entry: object, path: str) -> Term:
    """`{ loss = "npo", view = "forget", weight = 1.0, beta = 0.2 }`: what is no key of a term is the loss's."""
    loss = _part(entry, path, "loss", parts.LOSSES)
    own = {**_keys_of(Term), "dual": Any}
    dual = entry.get("dual") if isinstance(entry, dict) else None
    given = _split(_less(entry, "dual"), path, own, loss)
    if dual is not None:
        given["dual"] = read(Dual, dual, join(path, "dual"))
    for key in ("view", "other"):
        if key in given:
            _view(given[key], join(path, key))
    if loss.compares is not ("other" in given):
        why = "compares two views; give it another view of the same samples" if loss.compares else "reads one view only"
        raise Problem(join(path, "other"), f"{loss.name} {why}")
    return Term(**given)


def _named(entry: object, path: str, key: str, registry: Registry[P]) -> dict[str, Any]:
    part = _part(entry, path, key, registry)
    return _split(entry, path, {key: str}, part)


def _part(entry: object, path: str, key: str, registry: Registry[P]) -> P:
    """The part that a table names under `key`."""
    if not isinstance(entry, dict):
        raise Problem(path, f'expected a table such as {{ {key} = "..." }}, found {found(entry)}')
    if key not in entry:
        raise Problem(join(path, key), f"is required and is missing; known: {', '.join(sorted(registry)) or 'none'}")
    name = convert(str, entry[key], join(path, key))
    if name not in registry:
        raise Problem(join(path, key), "; ".join([unknown(f"{key} {cut(name)!r}", name, registry), *registry.broken]))
    return registry[name]


def _split(entry: object, path: str, own: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Keyword arguments: the keys of the language, and `args` with those of the part."""
    arg = dict.fromkeys((name for name in part.args if name not in own), Number)
    given = read_given({**arg, **own}, entry, path)
    args = {name: given.pop(name) for name in arg if name in given}
    return {**given, "args": args}


def _view(name: str, path: str) -> None:
    stream, dot, transform = name.partition(".")
    if stream not in STREAMS:
        raise Problem(path, unknown(f"view {cut(name)!r}", stream, STREAMS))
    if dot and transform not in parts.TRANSFORMS:
        near = unknown(f"view {cut(name)!r}", transform, parts.TRANSFORMS)
        raise Problem(path, "; ".join([near, *parts.TRANSFORMS.broken]))


def _where(value: object, path: str) -> Where:
    listed = hints(Where)
    bounds = {key: Annotated[listed[key], Range(ge=1, le=3)] for key in ("parts", "modules")}
    bounds["last"] = Annotated[int, Range(ge=1, le=100_000)]
    given = read_given({**listed, **bounds}, value, path)
    for key in ("parts", "modules"):
        if len(set(given.get(key, ()))) < len(given.get(key, ())):
            raise Problem(join(path, key), "the same is listed twice; list it once")
    depth = given.get("depth")
    if isinstance(depth, float) and not 0 <= depth <= 1:
        raise Problem(join(path, "depth"), f"{found(depth)} is out of range; use a share of the layers from 0 to 1")
    if "last" in given and depth is None:
        raise Problem(join(path, "last"), "has no effect without depth: all layers are meant")
    return Where(**given)


def _settings(value: object, path: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise Problem(path, f"expected a table such as {{ beta = 0.1 }}, found {found(value)}")
    return {name: convert(float, number, join(path, name)) for name, number in value.items()}


def _keys_of(cls: type) -> dict[str, Any]:
    return {name: hint for name, hint in hints(cls).items() if name != "args"}


def _less(entry: object, key: str) -> object:
    return {k: v for k, v in entry.items() if k != key} if isinstance(entry, dict) else entry


def _told(error: StudyError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
