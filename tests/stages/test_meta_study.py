"""A whole study with a meta-evaluation: its cell judges, and its table lies beside the others."""

from __future__ import annotations

import json

import pytest

from tests.trail.conftest import STUDY, settle

pytestmark = pytest.mark.model


def _space(root, more):
    small = STUDY.partition("[evidence]")[0].replace("seeds = [0, 1, 2]", "seeds = [0, 1]")
    (root / "manifests").mkdir()
    (root / "manifests" / "small.toml").write_text(
        f"{small}[methods.retrain]\n[tables]\nfigures = false\n{more}",
    )
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text("{}")
    return root


def test_it_judges_and_its_table_is_published_with_the_others(tmp_path):
    session = settle(_space(tmp_path, "[meta]\nstops = [0.5]\n"))
    folder = tmp_path / "latex" / "generated" / "small"
    assert {"meta.md", "meta.tex", "meta.csv", "meta.html", "main.md"} <= {p.name for p in folder.iterdir()}
    record = session.store.history("meta")[0]
    document = json.loads(session.store.read(record.outputs["meta"]))
    assert document["pools"] == {"with": 4, "without": 7}
    by_name = {m["name"]: m for m in document["measures"]}
    assert by_name["wcr_cross_fit"]["faithfulness"]["estimate"] > 0.9
    assert by_name["rouge_l"]["faithfulness"] is None
    manifest = json.loads((tmp_path / "manifests" / "small" / "run_manifest.json").read_text())
    assert "meta" in {cell["cell"] for cell in manifest["cells"]}
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    settle(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.parametrize("samples", [(0, 3), (3, 0)])
def test_an_imprint_can_be_taught_in_one_way_only(world, samples):
    record = world.imprint(image_samples=samples[0], text_samples=samples[1])
    assert record.metrics["steps"] == 2
    assert record.metrics["final_nll"] > 0


def test_a_study_without_it_publishes_no_such_table(tmp_path):
    settle(_space(tmp_path, ""))
    assert not list((tmp_path / "latex").rglob("meta.*"))
