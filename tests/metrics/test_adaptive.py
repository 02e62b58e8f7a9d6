"""The adaptive attacker's figures: an ordinary interval on the reported people, and only where there was a search."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.metrics.worlds import CHANCE, ROLES, World, line, routes
from vlmunl.latex.extras import Extras
from vlmunl.latex.read import parse_results
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows
from vlmunl.metrics.summary import summary
from vlmunl.stages.tables import _texts
from vlmunl.trail.document import Document
from vlmunl.trail.names import index_of, resolve
from vlmunl.trail.sources import Sources
from vlmunl.trail.spellings import spellings

LEAK = {"npo": lambda route: 0.2}
ROWS = (*ROLES, "npo", "ga")
MODELS = {"unlearned": 0.75, "gold": 0.15, "imprint": 0.97, "placebo": 0.15}


def searched(world, seed, route="crop+cloze", form="cloze", models=MODELS):
    """The rows of a search's report: every model by the one route."""
    rows = []
    for model, chance in models.items():
        for side, split in (("f", "forget"), ("r", "retain")):
            for person in world.names(side):
                for item in range(world.items):
                    p = chance if split == "forget" else 0.9
                    right = world.uniform("search", seed, model, route, person, item) < p
                    rows.append(line(split, person, f"a{item}", route, 0, right) | {"model": model, "format": form})
    return rows


@pytest.fixture
def aggregated(tmp_path):
    """(world, reports by seed, status of others) -> the verified results, with npo searched."""
    calls = iter(range(100))

    def go(world, reports, waiting=()):
        folder = tmp_path / str(next(calls))
        folder.mkdir()
        paths = world.write(folder, ROWS)
        manifest = json.loads(paths["manifest"].read_text())
        tables = {n: read_rows(p, ("model",) if n[:4] == "gate" else ()) for n, p in paths.items() if n != "manifest"}
        for cell, rows in reports.items():
            told = {"budget": 14, "tried": 12, "tuning_recovery": 0.8}
            manifest["cells"].append({"cell": cell, "status": "verified", "reason": "", "metrics": told})
            pq.write_table(pa.Table.from_pylist(rows), folder / "search.parquet")
            tables[cell] = read_rows(folder / "search.parquet", ("model", "format"))
        for cell in waiting:
            manifest["cells"].append({"cell": cell, "status": "pending", "reason": "not run yet", "metrics": {}})
        paths["manifest"].write_text(json.dumps(manifest))
        config = world.config(ROWS, {"found": "npo.adaptive.low > 0"} if reports else {})
        return results(config, read_evidence(paths["manifest"]), routes(world.route_ids), tables)

    return go


def row(document, name="npo"):
    return next(r for r in document["rows"] if r["name"] == name)


def by_hand(world, reports, name="unlearned"):
    """Model minus gold over the headroom of the cloze format, on the items that passed its gate."""
    num = den = 0.0
    for cell, rows in reports.items():
        seed = int(cell[-1])
        gate = world.gate_rows(seed)
        for person in world.names("f"):
            kept, rooms = [], {}
            for item in (f"a{i}" for i in range(world.items)):
                mine = [g for g in gate if (g["identity"], g["attribute"]) == (person, item)]
                hits = sum(g["score"] for g in mine if (g["model"], g["route"]) == ("imprint", "gate_cloze"))
                if hits >= 3:
                    kept.append(item)
                taught = {g["model"]: g["score"] for g in mine if g["route"] == "canonical_cloze"}
                rooms[item] = taught["imprint"] - taught["gold"]
            if kept:
                mine = [r for r in rows if r["identity"] == person and r["attribute"] in kept]
                scores = {m: np.mean([r["score"] for r in mine if r["model"] == m]) for m in (name, "gold")}
                num += scores[name] - scores["gold"]
                den += np.mean([rooms[item] for item in kept])
    return num / den


def test_recovery_is_model_minus_gold_over_the_formats_headroom(aggregated):
    world = World(models=LEAK, seeds=(0, 1))
    reports = {"search/npo/seed0": searched(world, 0), "search/npo/seed1": searched(world, 1, "flip+cloze")}
    found = row(aggregated(world, reports))["adaptive"]
    assert found["estimate"] == pytest.approx(by_hand(world, reports), abs=1e-6)
    assert found["placebo"]["estimate"] == pytest.approx(by_hand(world, reports, "placebo"), abs=1e-6)
    assert 0 < found["low"] < found["estimate"] < found["high"]
    assert found["placebo"]["low"] < 0 < found["placebo"]["high"]
    assert found["headroom"]["low"] > 0.5
    assert found["retain_did"]["low"] > 0
    assert found["budget"] == 14
    told = {"format": "cloze", "tried": 12, "tuning_recovery": 0.8}
    assert found["routes"] == [
        {"seed": 0, "route": "crop+cloze", **told},
        {"seed": 1, "route": "flip+cloze", **told},
    ]


@pytest.mark.slow
def test_the_interval_covers_as_it_says(aggregated):
    """The chosen route is fixed before these people are drawn: its interval holds the truth about as often as said."""
    truth = (0.5 - CHANCE["cloze"]) / (0.97 - CHANCE["cloze"])
    hits = 0
    for draw in range(40):
        world = World(draw=draw)
        report = {"search/npo/seed0": searched(world, draw, models=MODELS | {"unlearned": 0.5})}
        found = row(aggregated(world, report))["adaptive"]
        hits += found["low"] <= truth <= found["high"]
    assert 34 <= hits <= 40


def test_a_study_without_an_attacker_has_no_such_figure_anywhere(aggregated):
    document = aggregated(World(models=LEAK), {})
    assert not any("adaptive" in r for r in document["rows"])
    assert "daptive" not in summary(document)
    texts = _texts(parse_results(document), Extras(), ())
    assert not any("daptive" in text for text in (*texts, *texts.values()))


def test_a_search_that_has_not_run_is_no_figure(aggregated):
    world = World(models=LEAK)
    document = aggregated(world, {"search/npo/seed0": searched(world, 0)}, waiting=("search/ga/seed0",))
    assert row(document, "ga")["adaptive"] is None
    assert not any("adaptive" in row(document, role) for role in ROLES)
    assert "| ga |" in summary(document).partition("## Adaptive attacker")[2]


def test_a_format_that_failed_its_gate_gives_no_figure(aggregated):
    world = World(models=LEAK, weak={0: ("cloze",)})
    found = row(aggregated(world, {"search/npo/seed0": searched(world, 0)}))["adaptive"]
    assert (found["estimate"], found["low"], found["high"]) == (None, None, None)


def test_tables_summary_claims_and_trace_speak_of_it(aggregated):
    world = World(models=LEAK)
    document = aggregated(world, {"search/npo/seed0": searched(world, 0)})
    assert document["claims"][0]["supported"] is True
    assert "`crop+cloze`" in summary(document)
    parsed = parse_results(document)
    texts = _texts(parsed, Extras(), ())
    assert {"adaptive.tex", "adaptive.md", "adaptive.csv", "adaptive.html"} <= set(texts)
    assert "{npo.adaptive.low}" in texts["numbers.tex"]
    assert "crop+cloze (seed 0)" in texts["adaptive.md"]
    tree = Document.of(document)
    index = index_of(spellings(tree, parsed))
    cells = {name: {"status": "verified"} for name in ("search/npo/seed0", "gate/seed0", "eval/npo/seed0")}
    for name in ("npo.adaptive", "\\vlmunl{npo.adaptive}", "adaptive/npo/adaptive"):
        target = resolve(name, tree, index, "")
        assert target.path == ("rows", "npo", "adaptive", "estimate")
        assert target.value == row(document)["adaptive"]["estimate"]
        uses = Sources(tree, cells).of(target.path)
        assert uses == {"search/npo/seed0": "rows", "gate/seed0": "rows", "eval/npo/seed0": "verified"}
    lines = summary(document).splitlines()
    at = next(i for i, text in enumerate(lines, 1) if "`crop+cloze`" in text)
    assert resolve(f"summary:{at}", tree, index, summary(document)).path[:3] == ("rows", "npo", "adaptive")
