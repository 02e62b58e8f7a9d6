"""Figures of further tiers rest on attacked models; those of the headline do not."""

from __future__ import annotations

import pytest

from tests.metrics.worlds import ROLES, ROUTES, World, routes
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows
from vlmunl.trail.document import Document
from vlmunl.trail.rows import selection
from vlmunl.trail.sources import Sources

ALL = (*ROUTES, "rank", "prune")
ROWS = (*ROLES, "npo", "ga")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """World, manifest, tables, and a function from (missing cells) to the results as a tree with its sources."""
    folder = tmp_path_factory.mktemp("tiers")
    world = World(people=12, items=3, route_ids=ALL, seeds=(0,))
    paths = world.write(folder, ROWS)
    config = world.config(ROWS, tiers=("T0", "T2", "T4"))
    evidence = read_evidence(paths["manifest"])
    tables = {n: read_rows(p, ("model",) if n[:4] == "gate" else ()) for n, p in paths.items() if n != "manifest"}

    def run(changed=None):
        document = Document.of(results(config, evidence, routes(ALL), tables | (changed or {})))
        return document, Sources(document, evidence.cells)

    return tables, run


def test_other_answers_after_an_attack_move_only_figures_that_name_the_cell(study):
    tables, run = study
    before, sources = run()
    figures = dict(before.leaves())
    for cell in (name for name in tables if name.startswith("attack/")):
        rows = tables[cell]
        shaken = type(rows)(**{**rows.__dict__, "score": 1 - rows.score})
        after = dict(run({cell: shaken})[0].leaves())
        moved = [path for path in figures | after if figures.get(path, 0) != after.get(path, 0)]
        assert moved, cell
        for path in moved:
            assert sources.of(path).get(cell) == "rows", (cell, path)
            assert path[0] in ("rows", "routes", "catalogue"), path


def test_the_headline_names_no_attack(study):
    document, sources = study[1]()
    for path in (("rows", "npo", "wcr", "lower"), ("rows", "npo", "verdict"), ("rows", "npo", "routes", "crop", "rho")):
        assert not any(cell.startswith("attack/") for cell in sources.of(path))
    assert "attack/npo/seed0/prune-0.1" in sources.of(("rows", "npo", "tiers", "T4", "lower"))
    assert "attack/gold/seed0/prune-0.1" in sources.of(("routes", "prune", "headroom", "low"))
    assert "attack/ga/seed0/prune-0.1" not in sources.of(("rows", "npo", "tiers", "T4", "lower"))
    assert dict(selection(("rows", "npo", "tiers", "T2", "lower"), document))
