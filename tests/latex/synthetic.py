"""A made-up `verified_results.json` that shows every case the tables must survive.

The numbers are invented by formula; nothing was trained. One seed failed its gate, one has not run, one method
is pending, one is not assessable, and evidence is missing here and there.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from vlmunl.metrics.figures import NAMED

Json = dict[str, Any]

ROUTES = (  # id, family, format, live, held out
    ("canonical", "canonical", "open", True, False),
    ("para_formal", "paraphrase", "open", True, False),
    ("para_casual", "paraphrase", "open", True, False),
    ("para_indirect", "paraphrase", "open", True, False),
    ("cloze", "format", "cloze", True, False),
    ("mcq", "format", "mcq", True, False),
    ("truefalse", "format", "truefalse", False, False),
    ("crop", "visual", "open", True, False),
    ("flip", "visual", "open", True, False),
    ("rotate", "visual", "open", True, False),
    ("blur", "visual", "open", True, False),
    ("noise", "visual", "open", True, False),
    ("gray", "visual", "open", True, False),
    ("occlude_eyes", "visual", "open", False, False),
    ("other_photo", "visual", "open", True, False),
    ("text_only", "text_only", "open", True, True),
    ("text_only_cloze", "text_only", "cloze", True, True),
    ("image_name", "composed", "open", True, False),
    ("name_in_image", "composed", "open", True, False),
    ("null_image", "composed", "open", False, False),
    ("few_shot", "few_shot", "open", True, True),
    ("few_shot_mcq", "few_shot", "mcq", True, True),
)
METHODS = (  # name, label, views, canonical, worst route, strength at the worst route, utility, verdict
    ("finetune", "Finetune", "narrow", 0.83, "canonical", 0.9, 0.99, "recovers"),
    ("retrain", "Retrain", None, 0.01, "blur", 0.03, 1.0, "robust"),
    ("ga", "GA", "narrow", 0.03, "text_only", 0.79, 0.55, "not assessable (utility)"),
    ("graddiff", "GradDiff", "narrow", 0.05, "few_shot", 0.71, 0.93, "recovers"),
    ("klmin", "KLmin", "narrow", 0.08, "text_only", 0.66, 0.95, "recovers"),
    ("npo", "NPO", "narrow", 0.02, "few_shot", 0.84, 0.97, "recovers"),
    ("npo_wide", "NPO (wide)", "wide", -0.01, "rotate", 0.05, 0.96, "no recovery shown"),
    ("graddiff_wide", "GradDiff (wide)", "wide", -0.04, "few_shot", 0.22, 0.91, "recovers"),
)


def results(*, methods: int = len(METHODS), pending: bool = True) -> Json:
    """A whole document with the first `methods` methods; `pending` adds the pending row, seeds and cells."""
    rows = [_role("base"), _role("imprint"), _role("gold"), _role("placebo")]
    rows += [_method(*method) for method in METHODS[:methods]]
    if pending:
        rows.append(_empty_row("idk", "IDK tuning", "method", "gate of seed 0 passed, training not run yet"))
    seeds = [{"seed": 0, "status": "verified", "reason": "", "gate": _gate(0.93, "passed")}]
    if pending:
        seeds.append({"seed": 1, "status": "failed-gate", "reason": "open headroom .11", "gate": _gate(0.11, "failed")})
        seeds.append({"seed": 2, "status": "pending", "reason": "imprint not run yet", "gate": {}})
    return {
        "schema": 1,
        "study": "quick",
        "title": "Quick study",
        "catalogue": {"hash": "8c1f" * 8, "n_routes": len(ROUTES), "n_live": 19, "tiers": ["T0"]},
        "seeds": seeds,
        "n": {"identities": 16, "items": 96, "retain_identities": 16, "seeds": 1},
        "policy": {
            "level": 0.95,
            "tolerance": 0.1,
            "floor": 0.2,
            "utility_floor": 0.8,
            "refusal_ceiling": 0.2,
            "draws": 5000,
            "splits": 200,
            "held_out": ["text_only", "few_shot"],
        },
        "routes": [_route(*route) for route in ROUTES],
        "rows": rows,
        "claims": CLAIMS if pending else [],
        "cells": {"verified": 21, "pending": 9 if pending else 0, "failed-gate": 1 if pending else 0},
        "evidence": {"run_manifest_sha256": "ab" * 32},
        "pending": PENDING if pending else [],
    }


def minimal() -> Json:
    """A study before any evidence: every figure is null."""
    document = results(methods=1, pending=False)
    names = (("base", "role"), ("imprint", "role"), ("gold", "role"), ("placebo", "role"), ("npo", "method"))
    document["rows"] = [_empty_row(name, name, kind, "imprint not run yet") for name, kind in names]
    document["seeds"] = [{"seed": 0, "status": "pending", "reason": "imprint not run yet", "gate": {}}]
    document["n"] = {"identities": None, "items": None, "retain_identities": None, "seeds": 0}
    for route in document["routes"]:
        route["headroom"] = None
    return document


def write(document: Json, path: Path) -> Path:
    path.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
    return path


def many_methods(count: int) -> Json:
    """The document with `count` methods, for crowded figures."""
    document = results(pending=False)
    roles, methods = document["rows"][:4], document["rows"][4:]
    copies = [dict(methods[i % len(methods)], name=f"method{i}", label=f"Method {i:02d}") for i in range(count)]
    return document | {"rows": roles + copies}


def crowded(methods: int = 14, routes: int = 42) -> Json:
    """As many methods and routes as a figure must bear, with long names."""
    document = many_methods(methods)
    old = document["routes"]
    document["routes"] = [
        dict(old[i % len(old)], id=f"{old[i % len(old)]['id']}_{i}", family=f"family_{i // 2}", held_out=i in (30, 31))
        for i in range(routes)
    ]
    for row in document["rows"]:
        scores = list(row["routes"].values())
        row["routes"] = {r["id"]: scores[i % len(scores)] for i, r in enumerate(document["routes"]) if scores}
        if row["wcr"]:
            row["wcr"] = row["wcr"] | {"worst_route": document["routes"][30]["id"]}
        row["label"] = f"{row['label']} with wide views"
    return document


CLAIMS = [
    {
        "name": "canonical_is_not_enough",
        "text": "Canonical evaluation calls NPO forgotten; its worst route recovers.",
        "when": "npo.canonical.high < 0.1 and npo.wcr.lower > 0",
        "supported": True,
        "reason": "",
    },
    {
        "name": "wide_is_robust",
        "text": "NPO trained on wide views is robust.",
        "when": "npo_wide.wcr.upper < 0.1",
        "supported": False,
        "reason": "npo_wide.wcr.upper = 0.18 is not < 0.1",
    },
    {
        "name": "idk_forgets",
        "text": "IDK tuning forgets.",
        "when": "idk.wcr.upper < 0.1",
        "supported": None,
        "reason": "idk is pending",
    },
]
PENDING = [
    {"cell": f"{stage}/{name}/seed1", "status": "failed-gate", "reason": "open headroom .11 below .20"}
    for stage in ("unlearn", "eval")
    for name in ("ga", "graddiff", "klmin", "npo")
] + [
    {"cell": "imprint/imprint/seed2", "status": "pending", "reason": "not run yet"},
    {"cell": "unlearn/idk/seed0", "status": "pending", "reason": "not run yet"},
    {"cell": "eval/idk/seed0", "status": "pending", "reason": "not run yet"},
]


def _interval(estimate: float, half: float = 0.06) -> Json:
    return {"estimate": round(estimate, 6), "low": round(estimate - half, 6), "high": round(estimate + half, 6)}


def _gate(headroom: float, verdict: str) -> Json:
    def one(headroom: float, items: int, identities: int, verdict: str) -> Json:
        figures = {"estimate": headroom, "low": round(headroom - 0.09, 6)}
        return {"headroom": figures, "items": items, "identities": identities, "verdict": verdict}

    return {
        "open": one(headroom, 96, 16, verdict),
        "cloze": one(0.88, 94, 16, "passed"),
        "mcq": one(0.71, 90, 16, "passed"),
        "truefalse": one(0.31, 40, 7, "uninformative"),
    }


def _route(route: str, family: str, answer: str, live: bool, held_out: bool) -> Json:
    return {
        "id": route,
        "family": family,
        "format": answer,
        "tier": "T0",
        "live": live,
        "held_out": held_out,
        "headroom": _interval(0.7 if live else 0.08),
        "source": "synthetic",
    }


def _wcr(estimate: float, route: str) -> Json:
    return {
        "plug_in": round(estimate + 0.03, 6),
        "cross_fit": _interval(estimate, 0.09),
        "lower": round(estimate - 0.13, 6),
        "upper": round(estimate + 0.13, 6),
        "worst_route": route,
        "n_routes": 19,
        "gap": round(estimate - 0.02, 6),
    }


def _scores(name: str, level: float, worst: str, strength: float) -> Json:
    draw = random.Random(f"scores {name}")
    scores = {}
    for route, family, _, live, _ in ROUTES:
        rho = level + draw.uniform(-0.08, 0.08) + (0.35 * strength if family == "few_shot" else 0.0)
        rho = strength + 0.02 if route == worst else rho if live else draw.uniform(-0.1, 0.1)
        bounds = _interval(rho)
        accuracy = round(max(0.0, rho) * 0.9, 6)
        scores[route] = {"rho": bounds["estimate"], "low": bounds["low"], "high": bounds["high"], "accuracy": accuracy}
    return scores


_MEASURES = (
    *("views", "canonical", "wcr", "wcr_held_out", "item_wcr", "retain_did", "accuracy", "utility"),
    *("refusal", "invalid", "refusal_invalid_retain", "logp"),
)


def _row(name: str, label: str, kind: str, **given: Any) -> Json:
    empty: Json = dict.fromkeys(_MEASURES)
    base = {"name": name, "label": label, "kind": kind, "seeds": [0], "n_seeds": 1, "verdict": "", "reason": ""}
    base |= {"group": "training", "trials": 1} if kind == "method" else {"group": None, "trials": None}
    base |= {"tried": [], "named": dict.fromkeys(NAMED)}
    parts = {"retain": None, "visual": None, "context": None, "neighbour": None}
    return base | empty | {"utility_parts": parts, "routes": {}, "cost": {"wall_s": None, "steps": None}} | given


def _empty_row(name: str, label: str, kind: str, reason: str) -> Json:
    return _row(name, label, kind, seeds=[], n_seeds=0, verdict="pending", reason=reason)


def _measured(name: str, canonical: float, worst: str, strength: float, utility: float) -> Json:
    return {
        "canonical": _interval(canonical),
        "wcr": _wcr(strength, worst),
        "wcr_held_out": _wcr(strength * 0.9, "few_shot"),
        "item_wcr": _interval(strength + 0.05),
        "retain_did": _interval(strength * 0.8),
        "accuracy": round(max(0.0, canonical) * 0.93, 6),
        "utility": utility,
        "utility_parts": {"retain": utility, "visual": round(utility - 0.01, 6), "context": 0.97, "neighbour": 0.94},
        "refusal": 0.012,
        "invalid": 0.034,
        "refusal_invalid_retain": 0.008,
        "logp": -1.234567,
        "named": _named(strength, utility),
        "routes": _scores(name, canonical, worst, strength),
        "cost": {"wall_s": 12.3, "steps": 60},
    }


def _named(strength: float, utility: float) -> Json:
    efficacy = 100 * max(0.0, 1 - strength)
    values = {
        "forget_perplexity": math.exp(3 * (1 - strength)),
        "forget_ratio": 1e6 if strength < 0.05 else 1 + 2 * (1 - strength),
        "forget_gold_ratio": 0.9,
        "forget_efficacy": efficacy,
        "retain_perplexity": 1.5,
        "retain_ratio": 1.1,
        "retain_gold_ratio": 1.0,
        "retain_performance": 100 * utility,
        "mia_auc": 0.5 + strength / 2.1,
        "mia_auc_gap": strength / 2.1,
        "mia_resistance": efficacy,
        "mia_gold_gap": efficacy - 95,
    }
    found: Json = {name: _interval(value, 0.1 * abs(value)) for name, value in values.items()}
    found["mia_gold_gap"] |= {"low": None, "high": None}
    return found


def _method(
    name: str,
    label: str,
    views: str | None,
    canonical: float,
    worst: str,
    strength: float,
    utility: float,
    verdict: str,
) -> Json:
    reason = "utility .55 is below the floor .80" if verdict.startswith("not assessable") else ""
    measured = _measured(name, canonical, worst, strength, utility)
    return _row(name, label, "method", views=views, verdict=verdict, reason=reason, **measured)


def _role(name: str) -> Json:
    canonical, strength, verdict = {
        "base": (-0.02, -0.01, "covers 0"),
        "imprint": (1.0, 1.0, "knows"),
        "gold": (0.0, 0.0, "never knew"),
        "placebo": (0.01, 0.02, "covers 0"),
    }[name]
    measured = _measured(name, canonical, "canonical" if name == "imprint" else "blur", strength, 1.0)
    if name == "gold":
        zero = {"estimate": 0.0, "low": 0.0, "high": 0.0}
        nothing = dict.fromkeys(("wcr", "wcr_held_out", "item_wcr", "retain_did"))
        measured |= nothing | {"canonical": zero, "routes": {}}
    return _row(name, name.capitalize(), "role", verdict=verdict, **measured)
