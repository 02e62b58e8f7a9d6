"""The supplement's figures: a seed by itself is the study of that seed alone, and the power curve passes through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.metrics.worlds import ROLES, World, routes
from vlmunl.metrics.by_seed import PEOPLE, supplement
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows

pytestmark = pytest.mark.model
ROWS = (*ROLES, "leaky")


def judged(folder: Path, seeds: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(verified results, supplement) of a world of 16 people in which one method leaks by one route."""
    world = World(seeds=seeds, people=16, models={"leaky": lambda route: 0.9 if route == "few_shot" else 0.15})
    folder.mkdir()
    paths = world.write(folder, ROWS)
    tables = {n: read_rows(p, ("model",) if n[:4] == "gate" else ()) for n, p in paths.items() if n != "manifest"}
    config, evidence = world.config(ROWS), read_evidence(paths["manifest"])
    given = (config, evidence, routes(world.route_ids), tables)
    return results(*given), supplement(*given)


def test_a_seed_by_itself(tmp_path: Path) -> None:
    _, both = judged(tmp_path / "both", (0, 1))
    alone, one = judged(tmp_path / "alone", (1,))
    assert set(both["seeds"]["leaky"]) == {"0", "1"}
    assert set(one["seeds"]["leaky"]) == {"1"}
    row = next(row for row in alone["rows"] if row["name"] == "leaky")
    for name in ("canonical", "accuracy", "utility"):
        assert both["seeds"]["leaky"]["1"][name] == row[name] == one["seeds"]["leaky"]["1"][name]
    assert both["seeds"]["leaky"]["1"]["wcr"]["plug_in"] == row["wcr"]["plug_in"]
    assert both["seeds"]["gold"]["0"]["wcr"]["plug_in"] == 0


def test_more_people_see_less_and_this_study_lies_on_the_curve(tmp_path: Path) -> None:
    document, found = judged(tmp_path / "one", (0,))
    power = found["power"]
    assert [point["people"] for point in power["curve"]] == list(PEOPLE)
    seen = [point["recovery"] for point in power["curve"] if point["recovery"] is not None]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < seen[0]
    here = next(point for point in power["curve"] if point["people"] == power["people"] == 16)
    assert here["low"] <= here["recovery"] <= here["high"]
    assert document["detectable"]["least"] <= here["recovery"] <= document["detectable"]["most"]
