"""`[methods]`: follow `like`, check each key against what the method really has, fill in the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vlmunl.manifests.schema import Problem, convert, cut, found, hints, join, read_given, unknown
from vlmunl.manifests.study import ROLES, ImprintSection, MethodPlan, MethodSection, Name, StopSection
from vlmunl.methods.parts import versions
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import Optim, Optimizer, Precision

RESERVED = ("base", *ROLES)
_OPTIM = ("lr", "steps", "warmup", "clip")
_OF_A_NAME = ("like", "label")  # all that a method can set that starts from the base model again


def read_methods(
    table: object, declared: Mapping[str, Method], imprint: ImprintSection, precision: Precision
) -> tuple[MethodPlan, ...]:
    """The study's methods in the order of the file. Raises `Problem`."""
    if not isinstance(table, dict):
        raise Problem("methods", f"expected a table, found {found(table)}")
    plans = []
    for name in table:
        chain = _chain(name, table, declared)
        method = declared[chain[-1]]
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
    """From the study's name by `like` to the declared method, which comes last."""
    path = join("methods", name)
    convert(Name, name, path)
    if name in RESERVED:
        raise Problem(path, f"{name!r} is the name of a role; call the method something else")
    like = _like(name, table)
    if name in declared:
        if like is not None:
            raise Problem(join(path, "like"), f"{name!r} is a declared method itself; give the variant another name")
        return [name]
    if like is None:
        raise Problem(path, unknown("method", name, declared) + '; for a variant write: like = "ga"')
    chain = [name]
    while like is not None:
        if like in chain:
            raise Problem(join(path, "like"), f"goes round in a circle: {' -> '.join(map(cut, [*chain[-5:], like]))}")
        if like not in declared and like not in table:
            raise Problem(
                join(join("methods", chain[-1]), "like"), unknown("method", like, {*declared, *table} - {name})
            )
        chain.append(like)
        like = None if like in declared else _like(like, table)
    if chain[-1] not in declared:
        raise Problem(join("methods", chain[-1]), unknown("method", chain[-1], declared))
    return chain


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
    for link in reversed(chain):
        given = {**given, "label": chain[0], **_given(link, table.get(link, {}), method)}
        rule: StopSection = given.get("stop", StopSection())
        stop |= {k: v for k, v in vars(rule).items() if v is not None}
    return MethodPlan(
        name=chain[0],
        label=given["label"],
        start=method.start,
        method=method.name,
        version=method.version,
        views=given.get("views", MethodPlan.views),
        params={key: given.get(key, default) for key, default in method.params.items()},
        recipe=method.recipe,
        parts=versions(method.recipe),
        optim=replace(optim, **{key: given[key] for key in _OPTIM if key in given}),
        batch=given.get("batch", MethodPlan.batch),
        stop=replace(method.stop, **stop),
    )


def _given(name: str, section: object, method: Method) -> dict[str, Any]:
    """The keys that a `[methods.NAME]` really has, converted; the method's own settings are numbers."""
    own: dict[str, Any] = dict.fromkeys(method.params, float)
    if method.start == "base" and isinstance(section, dict):
        for key in section:
            if key in hints(MethodSection) and key not in _OF_A_NAME:
                why = f"has no effect: {method.name!r} follows [imprint]; set it there"
                raise Problem(join(join("methods", name), key), why)
    return read_given({**hints(MethodSection), **own}, section, join("methods", name))
