"""Every figure that a row of the verified results has, declared once: what a claim may name, and what kind it is.

`vlmunl.metrics.row` writes rows of this shape, and a test holds the two together. A new figure is one more entry in
`ROW`; a part whose names depend on the study stands under a placeholder (`ROUTE`), for which the reader of a study
gives the names that can stand there. No numpy: a study's claims are checked when it is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, TypeAlias

Kind = Literal["number", "calibrated", "text", "list", "flag"]
"""`calibrated` is a number that is measured against gold, so that a claim on it depends on the controls."""
Tree: TypeAlias = "Mapping[str, Kind | Tree]"

GROUPS = ("retain", "visual", "context", "neighbour")
"""What utility is made of."""
NAMED = (
    *("forget_perplexity", "forget_ratio", "forget_gold_ratio", "forget_efficacy"),
    *("retain_perplexity", "retain_ratio", "retain_gold_ratio", "retain_performance"),
    *("mia_auc", "mia_auc_gap", "mia_resistance", "mia_gold_gap"),
)
"""The named metrics, each an estimate with its interval (`mia_gold_gap` has none); None where it was not asked."""

ROUTE = "<route>"
"""Stands for the id of each route that the study asks."""

TIER = "<tier>"
"""Stands for each tier of the study beside that of the headline."""

METHOD = "<method>"
"""Stands for each other method of the study, from which a row's WCR differs: for claims alone. The pairs themselves
are under `comparisons` in the results."""

OWN = "<metric>"
"""Stands for each figure of the benchmark's own metrics (`vlmunl.metrics.own.declared`)."""

_ENDS = ("estimate", "low", "high")
_INTERVAL: Tree = dict.fromkeys(_ENDS, "calibrated")
_WCR: Tree = {
    "plug_in": "calibrated",
    "cross_fit": _INTERVAL,
    "lower": "calibrated",
    "upper": "calibrated",
    "worst_route": "text",
    "n_routes": "calibrated",
    "gap": "calibrated",
}
ROW: Tree = {
    **dict.fromkeys(("name", "label", "kind", "views", "group"), "text"),
    "trials": "number",
    "seeds": "list",
    "n_seeds": "number",
    "tried": "list",
    "wcr": _WCR,
    "wcr_held_out": _WCR,
    "canonical": _INTERVAL,
    "item_wcr": _INTERVAL,
    "identity_wcr": {**_INTERVAL, "threshold": "calibrated"},
    "retain_did": _INTERVAL,
    "routes": {ROUTE: {**dict.fromkeys(("rho", "low", "high"), "calibrated"), "accuracy": "number"}},
    **dict.fromkeys(("accuracy", "logp", "utility", "refusal", "invalid", "refusal_invalid_retain"), "number"),
    "utility_parts": dict.fromkeys(GROUPS, "number"),
    "named": {name: dict.fromkeys(_ENDS, "number") for name in NAMED},
    "cost": {"steps": "number"},
    **dict.fromkeys(("verdict", "reason"), "text"),
}


_DIFFERENCE: Tree = {**_INTERVAL, "p": "calibrated", "p_holm": "calibrated", "n_seeds": "number"}
OPTIONAL: Mapping[str, Tree] = {
    "versus": {"best": _DIFFERENCE, "placebo": _DIFFERENCE, METHOD: _DIFFERENCE},
    "tiers": {TIER: {**_WCR, "status": "text", "reason": "text", "seeds": "list", "upper_bound": "flag"}},
    "adaptive": {
        **_INTERVAL,
        **dict.fromkeys(("placebo", "headroom", "retain_did"), _INTERVAL),
        "routes": "list",
        "budget": "number",
    },
    "own": {OWN: dict.fromkeys(_ENDS, "number")},
}
"""Parts that not all rows have: `versus` only methods, and only when two of them or a placebo are there; `tiers` where
routes of several tiers are asked; `adaptive` only methods, where there is an attacker; `own` where the benchmark
has metrics of its own."""


def is_calibrated(path: str) -> bool:
    """Is this figure of a row (`wcr.lower`) measured against gold? Any name may stand for a placeholder."""
    node: Kind | Tree | None = {**ROW, **OPTIONAL}
    for key in path.split("."):
        if node is None or isinstance(node, str):
            return False
        node = node.get(key, next((part for name, part in node.items() if name.startswith("<")), None))
    return node == "calibrated"


def figures(names: Mapping[str, Collection[str]], parts: Collection[str] = ()) -> dict[str, Kind]:
    """The dotted path of every figure of a row -> its kind, in the order of `ROW`.

    Args:
        names: placeholder -> the names that it stands for.
        parts: the optional parts that the study's rows have.

    Raises:
        KeyError: a placeholder has no names (of methods there may be none).
    """
    return dict(_below("", {**ROW, **{part: OPTIONAL[part] for part in parts}}, names))


def _below(path: str, tree: Tree, names: Mapping[str, Collection[str]]) -> Iterator[tuple[str, Kind]]:
    for key, part in tree.items():
        for name in names.get(key, ()) if key == METHOD else names[key] if key.startswith("<") else (key,):
            if isinstance(part, str):
                yield f"{path}{name}", part
            else:
                yield from _below(f"{path}{name}.", part, names)
