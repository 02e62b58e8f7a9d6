"""The verified results: every figure of a study from its run manifest and rows, as one JSON document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vlmunl.metrics.adaptive import adaptive
from vlmunl.metrics.block import Block, block
from vlmunl.metrics.chance import without_placebo
from vlmunl.metrics.claims import parse
from vlmunl.metrics.claims_judge import judge
from vlmunl.metrics.claims_state import with_pairs
from vlmunl.metrics.compare import REFERENCE, best, comparisons, pair
from vlmunl.metrics.evidence import Evidence
from vlmunl.metrics.frame import Frame, build_frame, check
from vlmunl.metrics.identities import Threshold, threshold
from vlmunl.metrics.own.figures import no_figures, own_figures
from vlmunl.metrics.power import detectable
from vlmunl.metrics.row import Row, Scored, empty_row, result_row
from vlmunl.metrics.rows import Rows
from vlmunl.metrics.tiers import RouteInfo
from vlmunl.metrics.verdicts import CONTROLS
from vlmunl.stages.configs import AggregateConfig

Json = dict[str, Any]
SCHEMA = 1


def results(
    config: AggregateConfig,
    evidence: Evidence,
    routes: Sequence[RouteInfo],
    tables: Mapping[str, Rows],
) -> Json:
    """The verified results.

    Args:
        routes: the catalogue's entries for `config.routes`, in that order.
        tables: the rows of gate and eval cells by cell name; those the manifest does not call verified are ignored.

    Raises:
        MissingInput: a verified cell's rows are not given, or lack a route.
        StudyError: manifest and config name different catalogues, or a claim cannot be read.
    """
    conditions = [parse(claim.when) for claim in config.claims]
    check(config, evidence, routes, tables)
    frame = build_frame(config, evidence, tuple(routes), tables)
    placebo = placebo_block(frame)
    limit = threshold(frame, placebo)
    scored = {spec.name: _row(frame, Row(spec, frame.seeds_of(spec.name)), limit) for spec in config.rows}
    rows = [part.figures for part in scored.values()]
    compared = comparisons(frame, scored, [spec.name for spec in config.rows if spec.kind == "method"])
    leader = best(rows, compared)
    if compared:
        for row in rows:
            if row["kind"] == "method":
                row["versus"] = {"best": pair(compared, row["name"], leader["method"])}
                row["versus"] |= {REFERENCE: pair(compared, row["name"], REFERENCE)}
    by_name = {row["name"]: row for row in rows}
    lost = {"placebo"} if without_placebo(config.calibration, config.checkpoints) else set()
    judging = with_pairs(by_name, compared)
    judged = [judge(condition, judging, [name for name in CONTROLS if name not in lost]) for condition in conditions]
    claims = [
        {
            "name": c.name,
            "text": c.text,
            "when": c.when,
            "supported": j.supported,
            "reason": j.reason,
        }
        for c, j in zip(config.claims, judged, strict=True)
    ]
    document: Json = tidy(
        _header(frame)
        | {"detectable": detectable(frame, placebo), "routes": _routes(frame), "rows": rows}
        | ({"best": leader, "comparisons": compared} if compared else {})
        | {"claims": claims}
        | ({"own": config.own} if config.own else {})
    )
    return document


def placebo_block(frame: Frame) -> Block | None:
    """The placebo on the headline's routes: what is known of chance."""
    tier = frame.tiers.get(frame.headline)
    if tier is None:
        return None
    return block(frame, REFERENCE, tier, {seed: frame.scores(REFERENCE, seed) for seed in frame.seeds_of(REFERENCE)})


def _row(frame: Frame, row: Row, limit: Threshold | None) -> Scored:
    if not row.seeds:
        reason = _why_pending(frame, row.spec.name, row.spec.trials)
        return Scored(figures=empty_row(row.spec, reason, frame.further) | no_figures(frame.config.own))
    scored = result_row(frame, row, limit)
    return replace(scored, figures=scored.figures | adaptive(frame, row) | own_figures(frame, row))


def _why_pending(frame: Frame, name: str, trials: int | None) -> str:
    """The reason of the first cell that stands in the way of a row."""
    for seed in frame.evidence.seeds or (0,):
        cells = (
            f"gate/seed{seed}",
            f"imprint/{name}/seed{seed}",
            f"unlearn/{name}/seed{seed}",
            *(f"{stage}/{name}/seed{seed}/trial{k}" for k in range(trials or 0) for stage in ("unlearn", "eval")),
            f"select/{name}/seed{seed}",
            frame.cell(name, seed),
        )
        for cell in cells:
            known = cell in frame.evidence.cells or cell == cells[-1]
            if known and not frame.evidence.verified(cell):
                reason = frame.evidence.reason(cell)
                return f"{cell} is {frame.evidence.status(cell)}" + (f": {reason}" if reason else "")
    return "no seed is verified"


def _header(frame: Frame) -> Json:
    config, policy = frame.config, frame.config.statistics
    gate = {name: getattr(config.gate, name) for name in ("need", "of", "headroom", "min_identities")}
    thresholds = (
        "draws",
        "splits",
        "level",
        "floor",
        "tolerance",
        "utility_floor",
        "refusal_ceiling",
        "seed",
    )
    live = int(frame.live.sum())
    catalogue = {
        "hash": config.catalogue,
        "n_routes": len(frame.routes) - len(frame.not_asked),
        "n_live": live,
        "tiers": list(config.tiers),
    }
    if frame.not_asked:
        catalogue["n_not_asked"] = len(frame.not_asked)
    more: Json = {"calibration": "chance"} if config.calibration == "chance" else {}
    if config.checkpoints:
        more["checkpoints"] = dict(config.checkpoints)
    if frame.further:
        catalogue |= {"headline": frame.headline, "by_tier": _by_tier(frame)}
    return {
        "schema": SCHEMA,
        "study": config.study,
        "title": config.title,
        "catalogue": catalogue,
        "seeds": [_seed(frame, seed) for seed in frame.evidence.seeds],
        "n": _sizes(frame),
        "policy": {name: getattr(policy, name) for name in thresholds}
        | {"held_out": list(config.held_out), "gate": gate, "tuning": _tuning(config)},
        "cells": frame.evidence.counts(),
        "evidence": {"run_manifest_sha256": frame.evidence.sha256},
        "pending": frame.evidence.missing(),
    } | more


def _by_tier(frame: Frame) -> Json:
    """How many routes each tier has, and how many of them are live."""
    return {
        name: {"n_routes": len(tier.routes), "n_live": int(frame.live[tier.routes].sum())}
        for name, tier in frame.tiers.items()
    }


def _tuning(config: AggregateConfig) -> Json | None:
    """How settings were chosen; null where nothing was tuned."""
    t = config.tuning
    if not t.families:  # people may be set aside for attacks alone
        return None
    return {"people": t.people, "families": list(t.families), "budget": t.budget, "score": t.score}


def _sizes(frame: Frame) -> Json:
    """People and items of the main format (open, where there is one) that count at any seed; people of the others."""
    kept = [next(iter(seed.gate.formats.values())).kept for seed in frame.seeds.values()]
    if not kept:
        return {
            "identities": None,
            "items": None,
            "retain_identities": None,
            "unseen_identities": None,
            "seeds": 0,
        }
    some = np.any(kept, axis=0)
    people = int(some.any(axis=1).sum())
    return {
        "identities": people,
        "items": int(some.sum()),
        "retain_identities": len(frame.retain.people),
        "unseen_identities": len(frame.unseen.people),
        "seeds": len(kept),
    }


def _seed(frame: Frame, seed: int) -> Json:
    """Status of a seed: that of its gate cell, unless this study's policy judges the gate's rows otherwise."""
    cell = f"gate/seed{seed}"
    status, reason = frame.evidence.status(cell), frame.evidence.reason(cell)
    gate = frame.evidence.cells.get(cell, {}).get("gate") or {}
    formats = gate.get("formats", gate) if isinstance(gate, dict) else {}
    if seed in frame.gates:
        verdict = frame.gates[seed].verdict
        formats = verdict.to_json()
        if not verdict.passed:
            status, reason = "failed-gate", verdict.reason
        elif seed not in frame.seeds:
            lost = [frame.cell(role, seed) for role in ("gold", "imprint")]
            status, reason = (
                "pending",
                f"{' or '.join(c for c in lost if c not in frame.tables)} is not verified",
            )
        else:
            reason = reason or verdict.reason
    shown = {name: part for name, part in formats.items() if isinstance(part, dict) and "verdict" in part}
    return {"seed": seed, "status": status, "reason": reason, "gate": shown}


def _routes(frame: Frame) -> list[Json]:
    out = []
    for i, route in enumerate(frame.routes):
        head = None
        if frame.headroom is not None and math.isfinite(frame.headroom.estimate[i]):
            h = frame.headroom
            head = {
                "estimate": float(h.estimate[i]),
                "low": float(h.low[i]),
                "high": float(h.high[i]),
            }
        out.append(
            {
                "id": route.id,
                "family": route.family,
                "format": route.format,
                "tier": route.tier,
                "live": bool(frame.live[i]),
                "held_out": bool(frame.held_out[i]),
                "headroom": head,
                "source": route.source,
                **_said_of(frame, route),
            }
        )
    return out


def _said_of(frame: Frame, route: RouteInfo) -> Json:
    """Why a route was not asked, of which facts only, or why it cannot be judged; nothing for most."""
    if route.id in frame.not_asked:
        return {"not_asked": frame.not_asked[route.id]}
    said: Json = {"partly": dict(frame.partly[route.id])} if route.id in frame.partly else {}
    gates = [gate.formats.get(route.format) for gate in frame.gates.values()]
    if gates and not any(gate is not None and gate.kept.any() for gate in gates):
        said["unjudged"] = f"no fact passed the gate in the format {route.format}"
    return said


def tidy(value: Any) -> Any:
    """Plain JSON: floats to 6 digits, no negative zero, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(name): tidy(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(part) for part in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) + 0.0 if math.isfinite(value) else None
    return value
