"""`vlmunl diff`: causes apart from what follows from them, on manifests, study files and records."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.trail.conftest import STUDY, settle
from vlmunl.latex.read import read_results
from vlmunl.trail.changes import numbers
from vlmunl.trail.document import Document


@pytest.fixture(scope="module")
def both(finished, tmp_path_factory):
    """A workspace with `small`, and `other`: another rate for NPO, seed 1 gone, one method more, one less."""
    root = tmp_path_factory.mktemp("both") / "space"
    shutil.copytree(finished.workspace.root, root)
    text = STUDY.replace('name = "small"', 'name = "other"').replace("seeds = [0, 1, 2]", "seeds = [0]")
    text = text.replace("[methods.npo]", "[methods.npo]\nlr = 0.5").replace("[methods.ga]", "[methods.finetune]")
    text = "\n".join(line for line in text.splitlines() if "seed1" not in line).replace(
        '[{ cell = "unlearn/npo_wide/seed0", reason = "diverged" },',
        '[{ cell = "unlearn/npo_wide/seed0", reason = "x" }]',
    )
    text = text.replace('exclude = [{ cell = "unlearn/npo/', "").replace(" and ga.utility > 0.1", "")
    text = text.replace('           { cell = "unlearn/npo_wide/seed0", reason = "diverged" },', "exclude = []")
    (root / "manifests" / "other.toml").write_text(text)
    settle(root, "other")
    return root


def compared(cli, root, *args):
    code, out, err = cli(root, "diff", *args, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def cells_of(document):
    return {cell["cell"]: cell for cell in document["cells"]}


def test_run_manifests_of_two_studies(cli, both):
    document = compared(cli, both, "small", "other")
    assert (document["kind"], document["different"]) == ("run manifests", True)
    cells = cells_of(document)
    assert cells["unlearn/ga/seed0"]["kind"] == "only left"
    assert cells["unlearn/finetune/seed0"]["kind"] == "only right"
    assert {c for c, entry in cells.items() if c.endswith("seed1")} == {
        c for c, entry in cells.items() if c.endswith("seed1") and entry["kind"] == "only left"
    }
    changed = cells["unlearn/npo/seed0"]
    assert changed["kind"] == "changed"
    assert [(c["field"], c["right"]) for c in changed["changes"]] == [("optim.lr", "0.5")]
    assert cells["eval/npo/seed0"]["kind"] == "follows"
    assert cells["eval/npo/seed0"]["follows"] == ["unlearn/npo/seed0"]
    same = {"data", "eval/base", "gate/seed0", "eval/gold/seed0", "imprint/gold/seed0", "imprint/imprint/seed0"}
    assert not same & set(cells)
    settings = {change["field"]: change for change in document["settings"]}
    assert settings["seeds"]["right"] == "[0]"
    assert "catalogue" not in settings


def test_numbers_are_those_of_the_published_results(cli, both):
    found = {n["name"]: n for n in compared(cli, both, "small", "other")["numbers"]}
    old, new = (read_results(both / "manifests" / s / "verified_results.json") for s in ("small", "other"))
    for pick in ("placebo", "gold", "npo"):
        left, right = old.row(pick).logp, new.row(pick).logp
        entry = found.get(f"{pick}.logp")
        assert (entry is None) == (left == right)
        if entry is not None:
            assert (entry["left"], entry["right"]) == (left, right)
            assert entry["by"] == pytest.approx(right - left, abs=1e-6)
    assert found["ga.utility"]["right"] is None


def test_nothing_differs_from_itself(cli, both):
    for same in ("small", "manifests/small/run_manifest.json", "manifests/small.toml", "data", "unlearn/npo/seed0"):
        document = compared(cli, both, same, same)
        assert not document["different"], same
        assert cli(both, "diff", same, same, "--exit-code")[0] == 0
    assert "no difference" in cli(both, "diff", "small", "small")[1]
    moved = both / "moved.json"
    shutil.copy(both / "manifests" / "small" / "run_manifest.json", moved)
    assert not compared(cli, both, "moved.json", "small")["different"]
    assert not compared(cli, both, "manifests/small", "small")["different"]


def test_exit_code_as_git_does(cli, both):
    assert cli(both, "diff", "small", "other", "--quiet") == (0, "", "")
    assert cli(both, "diff", "small", "other", "--quiet", "--exit-code") == (1, "", "")


def test_study_files_need_neither_store_nor_model(cli, both, tmp_path):
    alone = tmp_path / "alone"
    (alone / "manifests").mkdir(parents=True)
    for name in ("small", "other"):
        shutil.copy(both / "manifests" / f"{name}.toml", alone / "manifests" / f"{name}.toml")
    for args in (("manifests/small.toml", "manifests/other.toml"), ("small", "other")):
        document = compared(cli, alone, *args)
        assert document["kind"] == "studies"
        cells = cells_of(document)
        assert cells["unlearn/npo/seed0"]["changes"] == [
            {"field": "optim.lr", "left": cells["unlearn/npo/seed0"]["changes"][0]["left"], "right": "0.5"}
        ]
        assert cells["eval/npo/seed0"]["follows"] == ["unlearn/npo/seed0"]
        assert cells["eval/npo_wide/seed0"]["follows"] == ["unlearn/npo_wide/seed0"]
        settings = {c["field"]: c for c in document["settings"]}
        assert settings["methods.ga"] == {"field": "methods.ga", "left": '"ga"', "right": None}
        assert settings["methods.npo.optim.lr"]["right"] == "0.5"
        assert "methods.ga.optim.lr" not in settings
    assert not (alone / "store").exists()


def test_records(cli, both):
    small = json.loads((both / "manifests" / "small" / "run_manifest.json").read_text())
    other = json.loads((both / "manifests" / "other" / "run_manifest.json").read_text())
    keys = [next(c["key"] for c in m["cells"] if c["cell"] == "eval/npo/seed0") for m in (small, other)]
    document = compared(cli, both, keys[0][:8], keys[1][:8])
    (asked,) = document["settings"]
    assert asked["field"] == "inputs.adapter1"
    assert asked["left"].endswith("(unlearn/npo/seed0)")
    document = compared(cli, both, "unlearn/ga/seed0", "unlearn/ga/seed1")
    assert [c["field"] for c in document["settings"]] == ["inputs.imprint", "seed"]
    code, out, _ = cli(both, "diff", "gate/seed0", "gate/seed2")
    assert code == 0
    assert "seed  0 -> 2" in out


def test_a_status_that_changed_alone_and_records_that_are_elsewhere(cli, both, tmp_path):
    path = both / "manifests" / "small" / "run_manifest.json"
    manifest = json.loads(path.read_text())
    cell = next(c for c in manifest["cells"] if c["cell"] == "eval/ga/seed0")
    cell |= {"status": "excluded", "reason": "on second thoughts"}
    (both / "changed.json").write_text(json.dumps(manifest))
    document = compared(cli, both, "small", "changed.json")
    assert [(c["cell"], c["kind"]) for c in document["cells"]] == [("eval/ga/seed0", "status")]
    assert document["cells"][0]["changes"][0]["right"] == "excluded (on second thoughts)"
    assert document["notes"]  # the changed manifest has no results
    assert document["numbers"] == []
    code, out, _ = cli(both, "--store", str(tmp_path / "none"), "diff", "small", "other")
    assert code == 0
    assert "its records are not in this store" in out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("small", "smal"), 2, "did you mean small?"),
        (("small", "unlearn/npo/seed0"), 2, "they cannot be compared"),
        (("small", "none.json"), 1, "cannot be read"),
        (("small", "bad.json"), 2, "is not a run manifest"),
        (("00000000", "00000001"), 1, "no record"),
        (("small", "none.toml"), 2, "none.toml"),
    ],
)
def test_errors_say_what_is_wrong(cli, both, args, code, words):
    (both / "bad.json").write_text('{"schema": 1, "study": "x"}')
    left, out, err = cli(both, "diff", *args)
    assert (left, out) == (code, "")
    assert words in err


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 1, "cells": [{}]}', "[" * 100_000, '{"schema": 2}', "\x00"]
)
def test_hostile_manifests_are_refused_in_one_line(cli, both, text):
    (both / "bad.json").write_text(text)
    code, _, err = cli(both, "diff", "bad.json", "small")
    assert code == 2
    assert err.startswith("error: bad.json is not a run manifest")


def test_a_figure_on_one_side_counts_as_null_on_the_other():
    def results(rows):
        return Document.of({"rows": rows, "routes": [], "seeds": [], "claims": []})

    left = results([{"name": "a", "wcr": {"lower": 0.25}, "verdict": "recovers"}])
    right = results([{"name": "a", "wcr": {"lower": 0.5}, "verdict": None}, {"name": "b", "wcr": {}}])
    found = {n.name: (n.left, n.right, n.by) for n in numbers(left, right)}
    assert found == {
        "a.wcr.lower": (0.25, 0.5, 0.25),
        "a.verdict": ("recovers", None, None),
        "b.name": (None, "b", None),
    }


def test_studies_on_files_and_checkpoints_that_are_not_here():
    """A folder of people, a benchmark whose files say who is in it, models made elsewhere: named, not read."""
    from pathlib import Path

    from vlmunl.trail.diff_studies import diff_studies

    root = Path(__file__).parents[2]
    quick, own = root / "manifests" / "quick.toml", root / "manifests" / "own-people.toml"
    found = diff_studies(quick, own, ("quick", "own-people"))
    assert {"benchmark.id", "benchmark.path"} <= {change.field for change in found.settings}
    assert "data" in {change.cell for change in found.cells}
    for other in (root / "manifests" / "qwen-vl-covu.toml", root / "docs" / "audit" / "audit.toml"):
        assert not diff_studies(other, other, ("a", "b")).cells
        assert diff_studies(quick, other, ("a", "b")).cells
