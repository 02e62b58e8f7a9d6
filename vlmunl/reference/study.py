"""`docs/reference/study.md` and the JSON Schema for editors: every key of a study file."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from vlmunl.manifests.schema import Pattern, Range, hints
from vlmunl.manifests.slurm import SlurmSection, StageSlurm
from vlmunl.methods.markdown import escaped
from vlmunl.reference.tables import METHOD, RECIPE, Key, Table, tables

HEAD = """# Study files

Every table and key of a study, from the code that reads it (`vlmunl/manifests/sections*.py`); written by `python -m
vlmunl.reference`, not by hand. A study needs `[study]` with `name` and `seeds`, `[model]` with `id`, and at least one
`[methods.NAME]`; all else has a default. A key that is not listed here is an error that names the nearest valid one.
Any key can be set for one call: `vlmunl run STUDY --set imprint.steps=60`.

A dash stands for "not set". Of a method it means: as the method is declared (`vlmunl methods NAME`).

Editors that know JSON Schema for TOML (Even Better TOML, taplo) complete and check these keys with
[`study.schema.json`](study.schema.json): put `#:schema PATH/study.schema.json` into the first line of the file.
"""
_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def page() -> str:
    """The page."""
    parts = [HEAD]
    for table in tables():
        head = "## `[methods.NAME]`: its recipe" if table.path == RECIPE else f"## `{_bracketed(table.path)}`"
        parts.append("\n".join([head, "", table.about, "", *_rows(table)]).replace("\n\n\n", "\n\n"))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _bracketed(path: str) -> str:
    """`[study]`; of a list of tables `[[imprint.override]]`."""
    if path == "imprint.override" or path.endswith("[]"):
        return f"[[{path.removesuffix('[]')}]]"
    return f"[{path.replace('[]', '')}]"


def _rows(table: Table) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for key in table.keys:
        if key.name == "changes":
            yield f"| ... | as there | – | {key.meaning} |"
            continue
        default = "required" if key.required else _default(key)
        yield f"| `{key.name}` | {_said(key.kind)} | {default} | {key.meaning} |"


def _default(key: Key) -> str:
    return "–" if key.default is None else f"`{toml(key.default)}`"


def toml(value: Any) -> str:
    """A default as it would be written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _said(kind: Any) -> str:
    """A type in words, with its bounds; Markdown for a table's cell."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        many = typing.get_origin(args[0]) is tuple
        return ", ".join([_said(args[0]), *filter(None, (_rule(rule, many=many) for rule in args[1:]))])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_said(a) for a in args if a is not type(None))
    if origin is Literal:
        return ", ".join(f"`{toml(a)}`" for a in args)
    if origin is tuple:
        inner = _said(args[0])
        return "list of tables" if dataclasses.is_dataclass(args[0]) else f"list of: {inner}"
    if dataclasses.is_dataclass(kind) or origin is not None:
        return "table"
    return _WORDS.get(kind, str(kind))


def _rule(rule: object, *, many: bool) -> str:
    if isinstance(rule, Range):
        bounds = (("≥", rule.ge), (">", rule.gt), ("≤", rule.le), ("<", rule.lt))
        said = " and ".join(f"{sign} {_number(bound)}" for sign, bound in bounds if bound is not None)
        return f"{said} of them" if many else said
    return escaped(rule.words) if isinstance(rule, Pattern) and rule.words.startswith("of") else ""


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


# -------------------------------------------------------------------------------------- JSON Schema


def schema() -> str:
    """The JSON Schema (2020-12) of a study file. It is looser than the loader where a value depends on another key."""
    top: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vlmunl study",
        "type": "object",
        "required": ["study", "model", "methods"],
        "additionalProperties": False,
        "properties": {},
    }
    listed = {table.path: table for table in tables()}
    for path, table in listed.items():
        if "." not in path and path != RECIPE:
            top["properties"][path] = _object(table)
    method = _object(listed[METHOD]) | {"additionalProperties": {"type": "number"}}
    method["properties"] |= _object(listed[RECIPE])["properties"]
    method["properties"]["stop"] = _object(listed["methods.NAME.stop"])
    method["properties"]["where"] = _object(listed["methods.NAME.where"])
    override = _object(listed["imprint.override"])
    del override["properties"]["changes"]
    override["properties"] |= {k: v for k, v in top["properties"]["imprint"]["properties"].items() if k != "override"}
    top["properties"]["imprint"]["properties"]["override"]["items"] = override
    stage = _object(listed["slurm.STAGE"])
    names = [name for name, kind in hints(SlurmSection).items() if kind is StageSlurm]
    top["properties"]["slurm"]["properties"] |= dict.fromkeys(names, stage)
    top["properties"]["evidence"]["properties"]["exclude"]["items"] = _object(listed["evidence.exclude[]"])
    for name, each in (("methods", method), ("claims", _object(listed["claims.NAME"]))):
        top["properties"][name] = {"type": "object", "additionalProperties": each}
    return json.dumps(top, indent=1, ensure_ascii=False) + "\n"


def _object(table: Table) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "additionalProperties": False, "description": table.about}
    made["properties"] = {key.name: _with(_typed(key.kind), key) for key in table.keys}
    required = [key.name for key in table.keys if key.required]
    return made | ({"required": required} if required else {})


def _with(made: dict[str, Any], key: Key) -> dict[str, Any]:
    default = {} if key.default is None or key.required else {"default": key.default}
    return made | {"description": key.meaning} | default


def _typed(kind: Any) -> dict[str, Any]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        made = _typed(args[0])
        for rule in args[1:]:
            made |= _ruled(rule, of_a_list=made.get("type") == "array")
        return made
    if origin in (typing.Union, types.UnionType):
        members = [_typed(a) for a in args if a is not type(None)]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": {"type": "object"} if dataclasses.is_dataclass(args[0]) else _typed(args[0])}
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": names.get(kind, "object")}


def _ruled(rule: object, *, of_a_list: bool) -> dict[str, Any]:
    if isinstance(rule, Pattern):
        return {"pattern": f"^(?:{rule.regex})$"}
    if not isinstance(rule, Range):
        return {}
    if of_a_list:
        return {name: int(b) for name, b in (("minItems", rule.ge), ("maxItems", rule.le)) if b is not None}
    names = (("minimum", rule.ge), ("exclusiveMinimum", rule.gt), ("maximum", rule.le), ("exclusiveMaximum", rule.lt))
    return {name: bound for name, bound in names if bound is not None}
