"""Read the JSON of the verified results. A missing or null value becomes `None`; a wrong type is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from vlmunl.errors import VlmunlError
from vlmunl.latex.node import HINT, Node, node_of
from vlmunl.latex.results import (
    COUNTS,
    FORMATS,
    NAMED,
    RESAMPLING,
    SCHEMA,
    THRESHOLDS,
    UTILITY_PARTS,
    Adaptive,
    Best,
    Claim,
    Detectable,
    Difference,
    GateFormat,
    ModelRow,
    PendingCell,
    Results,
    Route,
    RouteScore,
    Seed,
    TierWcr,
    Tuning,
    Wcr,
)
from vlmunl.metrics.claims_state import state_of, with_pairs


def read_results(path: Path) -> Results:
    """Read a `verified_results.json`.

    Raises: VlmunlError if it is not JSON, has another schema, or a value has the wrong type.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise VlmunlError(f"verified results are not valid JSON: {ascii(str(error))[1:200]}", HINT) from None
    return parse_results(document)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def parse_results(document: object) -> Results:
    """Parse a whole document.

    Raises: VlmunlError naming the dotted path of what is wrong.
    """
    top = node_of(document, "")
    if top.fields.get("schema") != SCHEMA:
        found = ascii(top.fields.get("schema"))[:40]
        raise VlmunlError(f"verified results have schema {found}; this version reads schema {SCHEMA}", HINT)
    catalogue, policy = top.node("catalogue"), top.node("policy")
    return Results(
        study=top.text("study"),
        title=top.text("title"),
        catalogue=catalogue.text("hash"),
        tiers=tuple(str(tier) for tier in catalogue.items("tiers")),
        headline=catalogue.text("headline") or str((catalogue.items("tiers") or [""])[0]),
        n={name: top.node("n").count(name) for name in COUNTS},
        thresholds={name: policy.number(name) for name in THRESHOLDS},
        resampling={name: policy.count(name) for name in RESAMPLING},
        held_out=tuple(str(family) for family in policy.items("held_out")),
        tuning=_tuning(policy.node("tuning")),
        seeds=tuple(_seed(node) for node in top.nodes("seeds")),
        routes=tuple(_route(node) for node in top.nodes("routes")),
        rows=tuple(_row(node) for node in top.nodes("rows")),
        best=_best(top.node("best")),
        detectable=_detectable(top.node("detectable")),
        claims=_claims(top),
        pairs=dict(_pairs(top.node("comparisons"))),
        pending=tuple(
            PendingCell(cell=node.text("cell"), status=node.text("status"), reason=node.text("reason"))
            for node in top.nodes("pending")
        ),
        evidence=top.node("evidence").text("run_manifest_sha256"),
        cells={status: top.node("cells").count(status) for status in sorted(top.node("cells").fields)},
        own=top.text("own"),
        calibration=top.text("calibration") or "gold",
        gate_minimum=policy.node("gate").number("headroom"),
        checkpoints={name: top.node("checkpoints").text(name) for name in top.node("checkpoints").fields},
    )


def _tuning(node: Node) -> Tuning | None:
    people = node.count("people")
    if not people:
        return None
    families = tuple(str(family) for family in node.items("families"))
    return Tuning(people=people, families=families, budget=node.count("budget"), score=node.text("score"))


def _seed(node: Node) -> Seed:
    number = node.count("seed")
    if number is None:
        raise VlmunlError(f"verified results: {node.path.lstrip('.')}.seed is missing", HINT)
    gate = node.node("gate")
    names = [name for name in FORMATS if name in gate.fields]
    names += sorted(name for name in gate.fields if name not in FORMATS)
    formats = tuple(_gate_format(name, gate.node(name)) for name in names)
    return Seed(seed=number, status=node.text("status"), reason=node.text("reason"), gate=formats)


def _gate_format(name: str, node: Node) -> GateFormat:
    return GateFormat(
        format=name,
        headroom=node.interval("headroom"),
        items=node.count("items"),
        identities=node.count("identities"),
        verdict=node.text("verdict"),
    )


def _route(node: Node) -> Route:
    return Route(
        id=node.text("id"),
        family=node.text("family"),
        format=node.text("format"),
        tier=node.text("tier"),
        live=bool(node.flag("live")),
        held_out=bool(node.flag("held_out")),
        headroom=node.interval("headroom"),
        not_asked=node.text("not_asked"),
        unjudged=node.text("unjudged"),
    )


def _pairs(node: Node) -> Iterator[tuple[tuple[str, str], Difference]]:
    for first in node.fields:
        for second in node.node(first).fields:
            if (found := _difference(node.node(first), second)) is not None:
                yield (first, second), found


def _wcr(parent: Node, key: str) -> Wcr | None:
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


def _row(node: Node) -> ModelRow:
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
        identity_wcr=node.interval("identity_wcr"),
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
        tiers={tier: _tier(tier, node.node("tiers")) for tier in node.node("tiers").fields},
        versus={other: _difference(node.node("versus"), other) for other in node.node("versus").fields},
        steps=node.node("cost").count("steps"),
        searched="adaptive" in node.fields,
        adaptive=_adaptive(node),
        own={name: node.node("own").interval(name) for name in node.node("own").fields},
    )


def _adaptive(row: Node) -> Adaptive | None:
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


def _tier(name: str, parent: Node) -> TierWcr:
    node = parent.node(name)
    measured = node.text("status") == "verified"
    return TierWcr(
        tier=name,
        wcr=_wcr(parent, name) if measured else None,
        status=node.text("status"),
        reason=node.text("reason"),
        upper_bound=bool(node.flag("upper_bound")),
    )


def _best(node: Node) -> Best | None:
    if not node.text("method"):
        return None
    alike = tuple(str(name) for name in node.items("alike"))
    return Best(method=node.text("method"), alike=alike, apart=node.count("apart"))


def _difference(node: Node, key: str) -> Difference | None:
    interval, part = node.interval(key), node.node(key)
    if interval is None:
        return None
    return Difference(interval=interval, p=part.number("p"), p_holm=part.number("p_holm"))


def _detectable(node: Node) -> Detectable | None:
    if not node.fields:
        return None
    return Detectable(**{name: node.number(name) for name in ("power", "recovery", "least", "most")})


def _score(node: Node) -> RouteScore:
    return RouteScore(
        rho=node.number("rho"), low=node.number("low"), high=node.number("high"), accuracy=node.number("accuracy")
    )


def _claims(top: Node) -> tuple[Claim, ...]:
    rows = {node.text("name"): node.fields for node in top.nodes("rows")}
    judging = with_pairs(rows, top.node("comparisons").fields)
    return tuple(_claim(node, judging) for node in top.nodes("claims"))


def _claim(node: Node, rows: Mapping[str, Mapping[str, Any]]) -> Claim:
    supported, when = node.flag("supported"), node.text("when")
    state, figures = state_of(when, rows, supported)
    return Claim(
        name=node.text("name"),
        text=node.text("text"),
        when=when,
        supported=supported,
        reason=node.text("reason"),
        state=state,
        figures=figures,
    )
