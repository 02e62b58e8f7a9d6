"""Read the JSON of the verified results. A missing or null value becomes `None`; a wrong type is an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vlmunl.errors import VlmunlError
from vlmunl.latex.results import (
    COUNTS,
    FORMATS,
    NAMED,
    RESAMPLING,
    SCHEMA,
    THRESHOLDS,
    UTILITY_PARTS,
    Adaptive,
    Claim,
    GateFormat,
    Interval,
    ModelRow,
    PendingCell,
    Results,
    Route,
    RouteScore,
    Seed,
    Tuning,
    Wcr,
)

_HINT = "write the file anew: vlmunl aggregate STUDY --force"


@dataclass(frozen=True)
class _Node:
    """A JSON object and the dotted path to it, so that every error can name the place."""

    fields: Mapping[str, object]
    path: str

    def _fail(self, key: str, wanted: str, found: object) -> VlmunlError:
        where = ascii(f"{self.path}.{key}".lstrip("."))[1:-1][:200]
        return VlmunlError(f"verified results: {where} must be {wanted}, found {type(found).__name__}", _HINT)

    def number(self, key: str) -> float | None:
        value = self.fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > sys.float_info.max:
            raise self._fail(key, "a number or null", value)
        return float(value)

    def count(self, key: str) -> int | None:
        value = self.fields.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._fail(key, "a whole number or null", value)
        return value

    def text(self, key: str) -> str:
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._fail(key, "a string or null", value)
        return value

    def flag(self, key: str) -> bool | None:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._fail(key, "true, false or null", value)
        return value

    def node(self, key: str) -> _Node:
        """The object at `key`; an empty one if it is missing or null."""
        value = self.fields.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._fail(key, "an object or null", value)
        return _Node(value, f"{self.path}.{key}")

    def nodes(self, key: str) -> tuple[_Node, ...]:
        return tuple(_node(item, f"{self.path}.{key}[{i}]") for i, item in enumerate(self.items(key)))

    def items(self, key: str) -> list[object]:
        value = self.fields.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._fail(key, "a list or null", value)
        return value

    def counts(self, key: str) -> tuple[int, ...]:
        """The whole numbers of a list."""
        listed = _Node({str(i): item for i, item in enumerate(self.items(key))}, f"{self.path}.{key}")
        return tuple(number for i in listed.fields if (number := listed.count(i)) is not None)

    def interval(self, key: str) -> Interval | None:
        node = self.node(key)
        estimate = node.number("estimate")
        if estimate is None:
            return None
        return Interval(estimate=estimate, low=node.number("low"), high=node.number("high"))


def read_results(path: Path) -> Results:
    """Read a `verified_results.json`.

    Raises: VlmunlError if it is not JSON, has another schema, or a value has the wrong type.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise VlmunlError(f"verified results are not valid JSON: {ascii(str(error))[1:200]}", _HINT) from None
    return parse_results(document)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _node(value: object, path: str) -> _Node:
    if not isinstance(value, dict):
        raise VlmunlError(f"verified results: {ascii(path)[1:-1][:200] or 'the document'} must be an object", _HINT)
    return _Node(value, path)


def parse_results(document: object) -> Results:
    """Parse a whole document.

    Raises: VlmunlError naming the dotted path of what is wrong.
    """
    top = _node(document, "")
    if top.fields.get("schema") != SCHEMA:
        found = ascii(top.fields.get("schema"))[:40]
        raise VlmunlError(f"verified results have schema {found}; this version reads schema {SCHEMA}", _HINT)
    catalogue, policy = top.node("catalogue"), top.node("policy")
    return Results(
        study=top.text("study"),
        title=top.text("title"),
        catalogue=catalogue.text("hash"),
        tiers=tuple(str(tier) for tier in catalogue.items("tiers")),
        n={name: top.node("n").count(name) for name in COUNTS},
        thresholds={name: policy.number(name) for name in THRESHOLDS},
        resampling={name: policy.count(name) for name in RESAMPLING},
        held_out=tuple(str(family) for family in policy.items("held_out")),
        tuning=_tuning(policy.node("tuning")),
        seeds=tuple(_seed(node) for node in top.nodes("seeds")),
        routes=tuple(_route(node) for node in top.nodes("routes")),
        rows=tuple(_row(node) for node in top.nodes("rows")),
        claims=tuple(_claim(node) for node in top.nodes("claims")),
        pending=tuple(
            PendingCell(cell=node.text("cell"), status=node.text("status"), reason=node.text("reason"))
            for node in top.nodes("pending")
        ),
        evidence=top.node("evidence").text("run_manifest_sha256"),
        cells={status: top.node("cells").count(status) for status in sorted(top.node("cells").fields)},
    )


def _tuning(node: _Node) -> Tuning | None:
    people = node.count("people")
    if not people:
        return None
    families = tuple(str(family) for family in node.items("families"))
    return Tuning(people=people, families=families, budget=node.count("budget"), score=node.text("score"))


def _seed(node: _Node) -> Seed:
    number = node.count("seed")
    if number is None:
        raise VlmunlError(f"verified results: {node.path.lstrip('.')}.seed is missing", _HINT)
    gate = node.node("gate")
    names = [name for name in FORMATS if name in gate.fields]
    names += sorted(name for name in gate.fields if name not in FORMATS)
    formats = tuple(_gate_format(name, gate.node(name)) for name in names)
    return Seed(seed=number, status=node.text("status"), reason=node.text("reason"), gate=formats)


def _gate_format(name: str, node: _Node) -> GateFormat:
    return GateFormat(
        format=name,
        headroom=node.interval("headroom"),
        items=node.count("items"),
        identities=node.count("identities"),
        verdict=node.text("verdict"),
    )


def _route(node: _Node) -> Route:
    return Route(
        id=node.text("id"),
        family=node.text("family"),
        format=node.text("format"),
        tier=node.text("tier"),
        live=bool(node.flag("live")),
        held_out=bool(node.flag("held_out")),
        headroom=node.interval("headroom"),
    )


def _wcr(parent: _Node, key: str) -> Wcr | None:
    if not parent.node(key).fields:
        return None
    node = parent.node(key)
    return Wcr(
        plug_in=node.number("plug_in"),
        cross_fit=node.interval("cross_fit"),
        lower=node.number("lower"),
        upper=node.number("upper"),
        worst_route=node.text("worst_route"),
        n_routes=node.count("n_routes"),
        gap=node.number("gap"),
    )


def _row(node: _Node) -> ModelRow:
    scores = node.node("routes")
    return ModelRow(
        name=node.text("name"),
        label=node.text("label") or node.text("name"),
        kind=node.text("kind"),
        views=node.text("views"),
        group=node.text("group"),
        trials=node.count("trials"),
        tried=tuple(f"seed {t.count('seed')}: {t.text('settings')}" for t in node.nodes("tried")),
        seeds=node.counts("seeds"),
        verdict=node.text("verdict"),
        reason=node.text("reason"),
        canonical=node.interval("canonical"),
        wcr=_wcr(node, "wcr"),
        wcr_held_out=_wcr(node, "wcr_held_out"),
        item_wcr=node.interval("item_wcr"),
        retain_did=node.interval("retain_did"),
        accuracy=node.number("accuracy"),
        utility=node.number("utility"),
        utility_parts={part: node.node("utility_parts").number(part) for part in UTILITY_PARTS},
        named={name: node.node("named").interval(name) for name in NAMED},
        refusal=node.number("refusal"),
        invalid=node.number("invalid"),
        refusal_invalid_retain=node.number("refusal_invalid_retain"),
        logp=node.number("logp"),
        routes={route: _score(scores.node(route)) for route in scores.fields},
        steps=node.node("cost").count("steps"),
        searched="adaptive" in node.fields,
        adaptive=_adaptive(node),
    )


def _adaptive(row: _Node) -> Adaptive | None:
    node = row.node("adaptive")
    if not node.fields:
        return None
    tried = (route.count("tried") for route in node.nodes("routes"))
    return Adaptive(
        recovery=row.interval("adaptive"),
        placebo=node.interval("placebo"),
        headroom=node.interval("headroom"),
        retain_did=node.interval("retain_did"),
        routes=tuple(f"{route.text('route')} (seed {route.count('seed')})" for route in node.nodes("routes")),
        tried=tuple(number for number in tried if number is not None),
        budget=node.count("budget"),
    )


def _score(node: _Node) -> RouteScore:
    return RouteScore(
        rho=node.number("rho"), low=node.number("low"), high=node.number("high"), accuracy=node.number("accuracy")
    )


def _claim(node: _Node) -> Claim:
    return Claim(
        name=node.text("name"),
        text=node.text("text"),
        when=node.text("when"),
        supported=node.flag("supported"),
        reason=node.text("reason"),
    )
