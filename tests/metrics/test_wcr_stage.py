"""The stage as a pure function: two files, equal bytes, no evidence beyond the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.metrics.worlds import ROLES, World
from vlmunl.errors import MissingInput, StudyError
from vlmunl.latex.read import read_results
from vlmunl.rng import Streams
from vlmunl.stage_types import Context
from vlmunl.stages.aggregate import run

LEAK = {"npo": lambda route: 0.8}
ROWS = (*ROLES, "npo")


def go(folder: Path, paths: dict[str, Path], world: World, **given):
    out = folder / "out"
    out.mkdir(parents=True)
    config = world.config(ROWS, {"leak": "npo.wcr.lower > 0"}, held_out=(), **given)
    metrics = run(config, Context(out=out, scratch=folder, rng=Streams(0), paths=paths))
    return metrics, {p.name: p.read_bytes() for p in out.iterdir()}


@pytest.fixture
def world() -> World:
    from vlmunl.routes.catalogue import CATALOGUE

    ids = tuple(r.id for r in CATALOGUE.values() if r.format == "open")[:4]
    assert ids[0] == "canonical"
    return World(models=LEAK, route_ids=ids, seeds=(0, 1))


def test_writes_both_files_with_equal_bytes(world, tmp_path):
    (tmp_path / "in").mkdir()
    paths = world.write(tmp_path / "in", ROWS)
    metrics, first = go(tmp_path / "a", paths, world)
    assert set(first) == {"verified_results.json", "summary.md"}
    assert metrics == {"rows": 5, "seeds": 2, "live_routes": 4, "claims_supported": 1, "claims": 1}
    assert go(tmp_path / "b", dict(reversed(paths.items())), world)[1] == first
    page = first["summary.md"].decode()
    assert page.startswith("# made\n\n1 method put to 4 live recovery routes on 16 people")
    assert "**supported**" in page
    text = first["verified_results.json"].decode()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_tables_can_read_it(world, tmp_path):
    (tmp_path / "in").mkdir()
    go(tmp_path / "a", world.write(tmp_path / "in", ROWS), world)
    read = read_results(tmp_path / "a" / "out" / "verified_results.json")
    assert [r.name for r in read.rows] == list(ROWS)
    assert read.row("npo").verdict == "recovers"
    assert read.live_routes == 4


def test_inputs_that_are_not_verified_are_not_even_opened(world, tmp_path):
    (tmp_path / "in").mkdir()
    missing = {f"eval/{r}/seed1": ("pending", "not run yet") for r in ROWS if r != "base"}
    paths = world.write(tmp_path / "in", ROWS, missing)
    _, clean = go(tmp_path / "a", paths, world)
    trap = tmp_path / "trap.parquet"
    trap.write_bytes(b"not parquet")
    assert go(tmp_path / "b", paths | {"eval/npo/seed1": trap}, world)[1] == clean


def test_a_verified_cell_that_is_not_given_is_an_error(world, tmp_path):
    (tmp_path / "in").mkdir()
    paths = world.write(tmp_path / "in", ROWS)
    del paths["eval/npo/seed1"]
    with pytest.raises(MissingInput, match="eval/npo/seed1"):
        go(tmp_path / "a", paths, world)


def test_unknown_routes_and_foreign_manifests_are_refused(world, tmp_path):
    (tmp_path / "in").mkdir()
    paths = world.write(tmp_path / "in", ROWS)
    with pytest.raises(StudyError, match="unknown route telepathy"):
        go(tmp_path / "a", paths, world, routes=("canonical", "telepathy"))
    for number, text in enumerate(("{}", "not json", '{"schema": 2}', '{"schema": 1, "seeds": [{}], "cells": []}')):
        paths["manifest"].write_text(text)
        with pytest.raises(StudyError, match="run manifest"):
            go(tmp_path / f"m{number}", paths, world)


def test_seeds_of_the_manifest_may_be_objects(world, tmp_path):
    (tmp_path / "in").mkdir()
    paths = world.write(tmp_path / "in", ROWS)
    plain = go(tmp_path / "a", paths, world)[1]["verified_results.json"]
    document = json.loads(paths["manifest"].read_text())
    document["seeds"] = [{"seed": s, "status": "verified"} for s in document["seeds"]]
    paths["manifest"].write_text(json.dumps(document))
    again = go(tmp_path / "b", paths, world)[1]["verified_results.json"]
    assert json.loads(again)["rows"] == json.loads(plain)["rows"]
