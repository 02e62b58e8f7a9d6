"""One row of the verified results: all figures of one role or method over its verified seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from vlmunl.metrics.behaviour import behaviour
from vlmunl.metrics.build import (
    item_panel,
    kept_items,
    recovery_panel,
    retain_differences,
)
from vlmunl.metrics.figures import GROUPS, NAMED
from vlmunl.metrics.frame import Frame
from vlmunl.metrics.named import Likelihoods, Measured, named_metrics
from vlmunl.metrics.panel import Flags, Floats, Panel
from vlmunl.metrics.resample import Bootstrap
from vlmunl.metrics.rows import Axes, Rows, cube
from vlmunl.metrics.verdicts import NO_ROUTE, method_verdict, role_verdict
from vlmunl.metrics.wcr import (
    Routes,
    Wcr,
    ratio,
    retain_control,
    route_intervals,
    worst_case,
)
from vlmunl.stages.configs import RowSpec

Json = dict[str, Any]
ITEM_FORMATS = ("open", "cloze")
"""Formats of the item-level maximum: with options to guess from, the best of many routes is right by luck alone."""

_FIGURES = (
    *(
        "canonical",
        "wcr",
        "wcr_held_out",
        "item_wcr",
        "retain_did",
        "accuracy",
        "utility",
    ),
    *("refusal", "invalid", "refusal_invalid_retain", "logp"),
)


@dataclass(frozen=True)
class Row:
    """A row to compute, and the seeds that feed it."""

    spec: RowSpec
    seeds: tuple[int, ...]


def empty_row(spec: RowSpec, reason: str) -> Json:
    """A row without evidence: every figure null, and why."""
    parts: Json = {
        "utility_parts": dict.fromkeys(GROUPS),
        "named": dict.fromkeys(NAMED),
        "routes": {},
        "cost": {"steps": None},
        "tried": [],
    }
    return _headed(spec, ()) | dict.fromkeys(_FIGURES) | parts | {"verdict": "pending", "reason": reason}


def result_row(frame: Frame, row: Row) -> Json:
    """All figures of a row that has at least one verified seed."""
    tables = [frame.tables[frame.cell(row.spec.name, seed)] for seed in row.seeds]
    cubes = [cube(rows, frame.forget, rows.where(split="forget")) for rows in tables]
    panel = recovery_panel(cubes, [frame.seeds[s] for s in row.seeds], frame.formats)
    boot = frame.resampler.bootstrap(panel, row.seeds)
    scores = route_intervals(boot, frame.resampler.level)
    wcr = worst_case(panel, boot, frame.eligible, frame.resampler)
    shown = behaviour(tables, [frame.tables[f"eval/imprint/seed{s}"] for s in row.seeds])
    if row.spec.kind == "role":
        verdict = role_verdict(row.spec.name, wcr)
    else:
        verdict = method_verdict(wcr, shown, frame.config.statistics)
    canonical = _canonical(frame, scores)
    return (
        _headed(row.spec, row.seeds)
        | {"tried": _tried(frame, row)}
        | _recovery(frame, panel, boot, wcr, canonical)
        | {
            "canonical": canonical,
            "item_wcr": _items(frame, row, cubes),
            "retain_did": _did(frame, row, panel, wcr),
        }
        | _accuracies(frame, row, tables, cubes, scores)
        | {name: getattr(shown, name) for name in ("utility", "refusal", "invalid", "refusal_invalid_retain")}
        | {
            "utility_parts": dict(shown.parts),
            "named": _named_metrics(frame, row, tables),
            "cost": {"steps": frame.evidence.steps(row.spec.name, row.seeds)},
        }
        | {
            "verdict": verdict.verdict,
            "reason": verdict.reason or ("" if wcr else NO_ROUTE),
        }
    )


def _headed(spec: RowSpec, seeds: tuple[int, ...]) -> Json:
    names = {
        "name": spec.name,
        "label": spec.label,
        "kind": spec.kind,
        "views": spec.views,
        "group": spec.group if spec.kind == "method" else None,
        "trials": spec.trials if spec.kind == "method" else None,
    }
    return names | {"seeds": list(seeds), "n_seeds": len(seeds)}


def _canonical(frame: Frame, scores: Routes) -> Json | None:
    ids = [route.id for route in frame.routes]
    if "canonical" not in ids or not math.isfinite(scores.estimate[i := ids.index("canonical")]):
        return None
    return {
        "estimate": float(scores.estimate[i]),
        "low": float(scores.low[i]),
        "high": float(scores.high[i]),
    }


def _recovery(frame: Frame, panel: Panel, boot: Bootstrap, wcr: Wcr | None, canonical: Json | None) -> Json:
    held_out = worst_case(panel, boot, frame.eligible & frame.held_out, frame.resampler)
    return {
        "wcr": _wcr(frame, wcr, canonical),
        "wcr_held_out": _wcr(frame, held_out, canonical),
    }


def _wcr(frame: Frame, wcr: Wcr | None, canonical: Json | None) -> Json | None:
    if wcr is None:
        return None
    fit = wcr.cross_fit
    moved = wcr.plug_in != 0 or wcr.lower != wcr.upper  # gold against itself is 0 on every route: none is worst
    return {
        "plug_in": wcr.plug_in,
        "cross_fit": None if fit is None else asdict(fit),
        "lower": wcr.lower,
        "upper": wcr.upper,
        "worst_route": frame.routes[wcr.worst].id if moved else None,
        "n_routes": wcr.routes,
        "gap": fit.estimate - canonical["estimate"] if fit and canonical else None,
    }


def _items(frame: Frame, row: Row, cubes: Sequence[Floats]) -> Json | None:
    routes: Flags = frame.eligible & np.array([f in ITEM_FORMATS for f in frame.formats], dtype=bool)
    panel = item_panel(cubes, [frame.seeds[s] for s in row.seeds], frame.formats, routes)
    found = ratio(panel, row.seeds, frame.resampler)
    return None if found is None else asdict(found)


def _did(frame: Frame, row: Row, panel: Panel, wcr: Wcr | None) -> Json | None:
    """The retain control at the route that wins the plug-in maximum."""
    if wcr is None or not frame.retain.people:
        return None
    pairs = [(frame.tables[frame.cell(row.spec.name, s)], frame.tables[f"eval/gold/seed{s}"]) for s in row.seeds]
    model, gold = ([cube(r, frame.retain, r.where(split="retain")) for r in side] for side in zip(*pairs, strict=True))
    found = retain_control(panel, retain_differences(model, gold), wcr.worst, frame.resampler.level)
    return None if found is None else asdict(found)


def _accuracies(
    frame: Frame,
    row: Row,
    tables: Sequence[Rows],
    cubes: Sequence[Floats],
    scores: Routes,
) -> Json:
    """Accuracy of each route on its gated items, beside its recovery; on the canonical route also log-probability."""
    accuracy = _over_items(frame, row, cubes)
    routes = {
        route.id: {
            "rho": float(scores.estimate[i]),
            "low": float(scores.low[i]),
            "high": float(scores.high[i]),
            "accuracy": float(accuracy[i]),
        }
        for i, route in enumerate(frame.routes)
    }
    logp = _over_items(
        frame,
        row,
        [cube(r, frame.forget, r.where(split="forget"), r.logp) for r in tables],
    )
    at = next((i for i, route in enumerate(frame.routes) if route.id == "canonical"), None)
    return {
        "routes": routes,
        "accuracy": None if at is None else float(accuracy[at]),
        "logp": None if at is None else float(logp[at]),
    }


def _over_items(frame: Frame, row: Row, cubes: Sequence[Floats]) -> Floats:
    """[routes] mean over people (of all seeds) of the mean over their gated items; NaN if there are none."""
    total, count = np.zeros(len(frame.routes)), np.zeros(len(frame.routes))
    for seed, values in zip(row.seeds, cubes, strict=True):
        use = kept_items(frame.seeds[seed].gate, frame.formats, values.shape[:2]) & np.isfinite(values)
        items = use.sum(axis=1)
        means = np.where(use, values, 0.0).sum(axis=1) / np.maximum(items, 1)
        total += means.sum(axis=0)
        count += (items > 0).sum(axis=0)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def _named_metrics(frame: Frame, row: Row, tables: Sequence[Rows]) -> Json:
    """Forget Efficacy, Retain Performance and MIA Resistance, with what stands behind them."""
    roles = ([frame.tables[f"eval/{role}/seed{s}"] for s in row.seeds] for role in ("imprint", "gold"))
    imprint, gold = (_measured(frame, part) for part in roles)
    resamplers = frame.resampler, frame.retain_resampler
    return named_metrics(_measured(frame, tables), imprint, gold, row.seeds, resamplers)


def _measured(frame: Frame, tables: Sequence[Rows]) -> Measured:
    sides = {"forget": frame.forget, "retain": frame.retain, "unseen": frame.unseen}
    return Measured(**{split: tuple(_likelihoods(t, split, axes) for t in tables) for split, axes in sides.items()})


def _likelihoods(rows: Rows, split: str, axes: Axes) -> Likelihoods:
    where, only = rows.where(split=split), replace(axes, routes=("canonical",))
    nll, tokens = (cube(rows, only, where, values)[:, :, 0] for values in (-rows.logp * rows.tokens, rows.tokens))
    return Likelihoods(nll=nll, tokens=tokens)


def _tried(frame: Frame, row: Row) -> list[Json]:
    """Which trial was chosen at each seed; nothing where there was nothing to choose."""
    if row.spec.trials == 1:
        return []
    return [{"seed": seed, **frame.evidence.choice(row.spec.name, seed)} for seed in row.seeds]
