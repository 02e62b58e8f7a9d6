"""The trace against the statistics themselves: change or remove any cell, and only figures that name it move."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from vlmunl.metrics.by_seed import supplement
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.trail.document import Document
from vlmunl.trail.origin import open_origin
from vlmunl.trail.sources import Sources

_NOT_FIGURES = {"evidence", "pending"}  # the manifest's own hash and list of what is missing


@pytest.fixture(scope="module")
def origin(finished):
    return open_origin(finished.store, finished.workspace.results("small"), "small")


@pytest.fixture(scope="module")
def sources(origin):
    return Sources(origin.document, origin.cells)


@pytest.fixture(scope="module")
def computing(finished, tmp_path_factory):
    """`computing(results, manifest, tables)`: what these statistics make of a run manifest and rows."""
    path = tmp_path_factory.mktemp("manifest") / "m.json"
    config = next(cell.config for cell in finished.plan.cells if cell.name == "aggregate")

    def run(statistics, manifest, tables):
        path.write_text(json.dumps(manifest))
        return statistics(config, read_evidence(path), [CATALOGUE[r] for r in config.routes], tables)

    return run


@pytest.fixture(scope="module")
def compute(computing):
    """(manifest, tables) -> figures by path, computed by the real statistics."""

    def run(manifest, tables):
        found = Document.of(computing(results, manifest, tables)).leaves()
        return {p: v for p, v in found if p and p[0] not in _NOT_FIGURES}

    return run


@pytest.fixture(scope="module")
def tables(origin):
    found = {}
    for name, cell in origin.cells.items():
        if cell["stage"] in ("eval", "gate") and cell["status"] == "verified":
            ref = origin.record(name).outputs["rows"]
            found[name] = read_rows(origin.store.path(ref), ("model",) if cell["stage"] == "gate" else ())
    return found


@pytest.fixture(scope="module")
def before(compute, origin, tables):
    return compute(origin.manifest, tables)


def moved(before, after):
    return [path for path in before | after if before.get(path, 0) != after.get(path, 0)]


def shaken(rows, cell, share=0.3):
    """The same questions with other answers to a share of them."""
    rng = np.random.default_rng(len(cell))
    flip = rng.random(len(rows.score)) < share
    status = rows.labels["status"]
    codes = np.where(flip, rng.integers(0, len(status.names), len(flip)), status.codes)
    labels = rows.labels | {"status": replace(status, codes=codes)}
    return replace(rows, labels=labels, score=np.where(flip, 1 - rows.score, rows.score), logp=rows.logp - flip)


def test_the_trace_computes_what_was_published(before, origin):
    beside = {"by_seed", "forms"}
    published = {p: v for p, v in origin.document.leaves() if p and p[0] not in _NOT_FIGURES | beside}
    assert before == published
    assert len(before) > 500


@pytest.mark.parametrize("share", [0.05, 0.9])
def test_other_answers_move_only_figures_that_name_the_cell(before, compute, origin, tables, sources, share):
    for cell, rows in tables.items():
        after = compute(origin.manifest, tables | {cell: shaken(rows, cell, share)})
        found = moved(before, after)
        assert found, f"nothing rests on {cell}"
        seeds = [path for path in found if path[0] == "seeds" and path[2] == "status"]
        parts = ("rows", "verdict") if seeds else ("rows",)  # a gate that fails takes its seed away
        for path in found:
            assert sources.of(path).get(cell) in parts, (cell, path, sources.of(path))


def test_the_headline_rests_on_every_cell_that_it_names(before, compute, origin, tables, sources):
    for name in ("wcr.cross_fit.estimate", "utility", "canonical.low", "routes.cloze.accuracy", "refusal", "logp"):
        path = ("rows", "ga", *name.split("."))
        for cell, part in sources.of(path).items():
            if part == "rows":
                tries = (compute(origin.manifest, tables | {cell: shaken(tables[cell], cell, x)}) for x in (0.9, 0.2))
                assert any(path in moved(before, after) for after in tries), (path, cell)
    assert sources.of(("rows", "npo", "wcr", "lower")) == dict.fromkeys(
        [
            *("gate/seed0", "gate/seed1", "eval/imprint/seed0", "eval/gold/seed0"),
            *("eval/npo/seed0", "eval/imprint/seed1", "eval/gold/seed1"),
        ],
        "rows",
    )


def test_a_removed_cell_moves_only_figures_that_name_it(before, compute, origin, tables, sources):
    trained = ("data", "imprint/gold/seed0", "unlearn/ga/seed1")  # of these one each: they are much alike
    for cell in (c for c in origin.cells if c.startswith(("gate/", "eval/")) or c in trained):
        manifest = copy.deepcopy(origin.manifest)
        entry = next(c for c in manifest["cells"] if c["cell"] == cell)
        entry |= {"status": "pending", "reason": "taken away", "metrics": {}}
        after = compute(manifest, tables)
        found = moved(before, after)
        assert any(p[0] == "cells" for p in found) or origin.cells[cell]["status"] == "pending", cell
        for path in found:
            assert cell in sources.of(path), (cell, path)


def test_other_steps_move_only_the_cost(before, compute, origin, tables, sources):
    for cell in ("unlearn/ga/seed0", "unlearn/npo/seed0", "imprint/gold/seed1", "imprint/imprint/seed2"):
        manifest = copy.deepcopy(origin.manifest)
        entry = next(c for c in manifest["cells"] if c["cell"] == cell)
        if "steps" not in entry["metrics"]:
            continue
        entry["metrics"] = {"steps": 999}
        for path in moved(before, compute(manifest, tables)):
            assert sources.of(path).get(cell) == "steps", (cell, path)


def test_what_the_study_file_says_has_no_record(sources):
    for path in (("study",), ("policy", "draws"), ("rows", "npo", "label"), ("routes", "cloze", "family")):
        assert sources.of(path) == {}


def test_a_pending_row_names_what_is_in_its_way(sources):
    uses = sources.of(("rows", "npo_wide", "wcr", "lower"))
    assert set(uses.values()) == {"status"}
    assert {"unlearn/npo_wide/seed0", "eval/npo_wide/seed0", "gate/seed2"} <= set(uses)
    assert not any("/npo/" in cell or "/ga/" in cell or "base" in cell for cell in uses)


# ------------------------------------------------------------------------------------- every seed


@pytest.fixture(scope="module")
def compute_by_seed(computing):
    """(manifest, tables) -> figures of every seed by path, as the supplement computes them."""

    def run(manifest, tables):
        leaves = Document({"by_seed": computing(supplement, manifest, tables)["seeds"]}).leaves()
        return {path: value for path, value in leaves if path[3:4] != ("wcr_held_out",)}  # not in the table

    return run


def test_the_figures_of_every_seed_are_those_of_the_table(compute_by_seed, origin, tables):
    made = compute_by_seed(origin.manifest, tables)
    shown = {path: value for path, value in origin.document.leaves(("by_seed",)) if value is not None}
    assert {path[1:3] for path in shown} >= {("ga", "0"), ("ga", "1"), ("npo", "0"), ("base", "1")}
    assert ("npo", "1") not in {path[1:3] for path in shown}
    assert len(shown) > 100
    for path, value in shown.items():
        assert made[path] == value, path


def test_other_answers_move_only_figures_of_every_seed_that_name_the_cell(compute_by_seed, origin, tables, sources):
    known = set(origin.document.leaves(("by_seed",)))
    before = {path: value for path, value in compute_by_seed(origin.manifest, tables).items() if (path, value) in known}
    felt = set()
    for cell, rows in tables.items():
        after = compute_by_seed(origin.manifest, tables | {cell: shaken(rows, cell, 0.3)})
        for path in (path for path in before if path not in after or after[path] != before[path]):
            assert sources.of(path).get(cell) in ("rows", "verdict"), (cell, path)
            felt.add(cell)
    scored = {f"eval/{row}/seed{seed}" for row, seed in (("gold", 0), ("imprint", 1), ("ga", 0), ("ga", 1), ("npo", 0))}
    assert felt >= {"gate/seed0", "gate/seed1", "eval/base", *scored}


def test_a_seed_without_evidence_names_what_is_in_its_way(sources):
    uses = sources.of(("by_seed", "npo", "1", "wcr"))
    assert set(uses.values()) == {"status"}
    assert {"unlearn/npo/seed1", "eval/npo/seed1", "gate/seed1"} <= set(uses)
    assert not any("seed0" in cell or "seed2" in cell for cell in uses)
