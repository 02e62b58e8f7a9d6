"""The tables of a study file as data: each key with its type, default and bounds, read off the dataclasses."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.manifests import adhoc, sections_measuring, sections_training
from vlmunl.manifests.load import SECTIONS
from vlmunl.manifests.meanings import MEANINGS
from vlmunl.manifests.schema import hints
from vlmunl.manifests.slurm import SlurmSection, StageSlurm
from vlmunl.manifests.study import Study
from vlmunl.methods import language

MISSING: Any = dataclasses.MISSING
METHOD, RECIPE = "methods.NAME", "methods.NAME, its recipe"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key. `kind` is its annotation, `default` a Python value; None: nothing is set unless it is written."""

    name: str
    kind: Any
    default: Any = None
    required: bool = False
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the file: `[path]`, with what it is for and its keys."""

    path: str
    about: str
    keys: tuple[Key, ...]


def tables() -> Iterator[Table]:
    """All tables, in the order of the sections."""
    own = hints(Study)
    for name in SECTIONS:
        if name == "imprint":
            yield _imprint()
            yield _table("imprint.override", sections_training.Override)
        elif name == "methods":
            yield from _methods()
        elif name == "claims":
            yield _table("claims.NAME", sections_measuring.ClaimSection)
        elif name == "slurm":
            yield from _slurm()
        else:
            yield _table(name, plain(own[name]))
            if name == "evidence":
                yield _table("evidence.exclude[]", sections_measuring.Exclusion)


def _slurm() -> Iterator[Table]:
    """`[slurm]` without its tables, and one of these for all stages."""
    made, stage = _table("slurm", SlurmSection), _table("slurm.STAGE", StageSlurm)
    names = [f"`{key.name}`" for key in made.keys if key.kind is StageSlurm]
    about = f"{stage.about.removesuffix('.')}. The stages: {', '.join(names)}."
    yield dataclasses.replace(made, keys=tuple(key for key in made.keys if key.kind is not StageSlurm))
    yield dataclasses.replace(stage, about=about)


def _imprint() -> Table:
    made = _table("imprint", sections_training.Recipe)
    rest = _table("imprint", sections_training.ImprintSection).keys
    keys = [*made.keys, *(dataclasses.replace(k, default=()) if k.name == "override" else k for k in rest[1:])]
    return dataclasses.replace(made, keys=tuple(sorted(keys, key=lambda k: k.name == "override")))


def _methods() -> Iterator[Table]:
    yield _table(METHOD, sections_training.MethodSection)
    yield _table("methods.NAME.stop", sections_training.StopSection)
    kinds: dict[str, Any] = {**hints(language.Recipe), "add": hints(language.Recipe)["terms"]}
    kinds |= {"add_rules": kinds["rules"], "settings": Mapping[str, float]}
    about = (
        "A method of the study's own is written down with `terms`, `before`, `after` or `infer`; with `like` these "
        "keys take the place of the other method's, but for `add` and `add_rules`. A declared method can be told "
        "`schedule`, `every` and `where`. The method's own settings (`vlmunl methods NAME`) are keys beside these."
    )
    keys = (Key(name=name, kind=kinds[name], meaning=_meaning(RECIPE, name)) for name in adhoc.KEYS)
    yield Table(path=RECIPE, about=about, keys=tuple(keys))
    yield _table("methods.NAME.terms[]", language.Term, without=("args",))
    yield _table("methods.NAME.terms[].dual", language.Dual)
    yield _table("methods.NAME.where", language.Where)


def _table(path: str, cls: type, without: tuple[str, ...] = ()) -> Table:
    kinds = hints(cls)
    keys = []
    for field in dataclasses.fields(cls):
        if field.name in without:
            continue
        factory: Any = field.default_factory
        default = field.default if factory is MISSING else factory()
        required = default is MISSING
        keys.append(
            Key(
                name=field.name,
                kind=kinds[field.name],
                default=None if required or dataclasses.is_dataclass(default) else default,
                required=required,
                meaning=_meaning(path, field.name),
            )
        )
    return Table(path=path, about=_about(cls), keys=tuple(keys))


def _meaning(path: str, name: str) -> str:
    return MEANINGS.get(path, {}).get(name, "")


def _about(cls: type) -> str:
    """The class's docstring in one line of Markdown per paragraph, without the name of the table in front."""
    text = re.sub(r"^`[^`]*`( of a method\.$|: ?)", "", inspect.cleandoc(cls.__doc__ or ""))
    text = re.sub(r" \(`vlmunl\.[a-z.]+`\)", "", text)
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(part[:1].upper() + part[1:] for part in paragraphs if part)


def plain(kind: Any) -> Any:
    """The kind without None and annotations' metadata."""
    if typing.get_origin(kind) is typing.Annotated:
        return plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        return plain(members[0]) if len(members) == 1 else kind
    return kind
