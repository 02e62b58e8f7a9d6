"""The declared figures of a row are those that `aggregate` writes: neither more nor fewer, and of that kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.metrics.test_named import with_strangers
from tests.metrics.worlds import ROLES, ROUTES, World
from vlmunl.metrics.evidence import Evidence
from vlmunl.metrics.figures import ROUTE, ROW, figures, is_calibrated
from vlmunl.stages.configs import TuningSpec

METHODS = ("versus",)
DECLARED = figures({ROUTE: ROUTES}, METHODS)
KINDS = {bool: "flag", int: "number", float: "number", str: "text", list: "list", type(None): "null"}
LEAK = {"npo": lambda route: 0.85 if route == "few_shot" else 0.15}
NO_INTERVAL = {"named.mia_gold_gap.low": "null", "named.mia_gold_gap.high": "null"}
"""The only figures that no row has: their place is kept, so that all named metrics look alike."""


def leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, part in tree.items():
        if isinstance(part, dict):
            yield from leaves(part, f"{path}{key}.")
        else:
            yield f"{path}{key}", KINDS[type(part)]


def plain(kind: str) -> str:
    return "number" if kind == "calibrated" else kind


def test_a_complete_row_has_exactly_the_declared_figures(aggregate, monkeypatch):
    """A tuned method beside another, with strangers asked: everything that can be measured is."""
    with_strangers(monkeypatch)
    monkeypatch.setattr(Evidence, "choice", lambda self, name, seed: {"trial": 0, "settings": "lr=1"})
    monkeypatch.setattr(Evidence, "steps", lambda self, name, seeds: 30.0)
    real = World.config

    def tuned(self, *args, **given):
        config = real(self, *args, **given)
        rows = (*config.rows[:-1], replace(config.rows[-1], views="narrow", trials=6))
        return replace(config, rows=rows, tuning=TuningSpec(people=4, families=("crop",), budget=6))

    monkeypatch.setattr(World, "config", tuned)
    document = aggregate(World(models=LEAK), (*ROLES, "other", "npo"))
    row = next(row for row in document["rows"] if row["name"] == "npo")
    assert dict(leaves(row)) == {path: plain(kind) for path, kind in DECLARED.items()} | NO_INTERVAL


def test_a_row_without_evidence_keeps_the_places(aggregate):
    document = aggregate(World(), (*ROLES, "npo"), missing={"eval/npo/seed0": ("pending", "not run yet")})
    npo = next(row for row in document["rows"] if row["name"] == "npo")
    assert npo["n_seeds"] == 0
    assert set(npo) == set(ROW)
    assert set(dict(leaves(npo))) <= {*DECLARED, *ROW, *(f"named.{name}" for name in ROW["named"])}


def test_what_is_measured_against_gold_is_calibrated():
    calibrated = {path for path, kind in DECLARED.items() if kind == "calibrated"}
    assert {path.partition(".")[0] for path in calibrated} == {
        *("canonical", "wcr", "wcr_held_out", "item_wcr", "identity_wcr", "retain_did", "routes", "versus")
    }
    assert {path for path in DECLARED if is_calibrated(path)} == calibrated
    assert is_calibrated("routes.any_name.rho")
    assert not any(map(is_calibrated, ("routes.crop.accuracy", "utility", "wcr", "nothing.of.it", "")))
