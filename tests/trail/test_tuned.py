"""A study that tunes, from its file to its tables, with fake models and everything else real."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.trail.conftest import STUDY, settle
from vlmunl.metrics.rows import read_rows
from vlmunl.trail.origin import open_origin
from vlmunl.trail.sources import Sources

TUNED = (
    STUDY.replace('name = "small"', 'name = "tuned"').replace("seeds = [0, 1, 2]", "seeds = [0, 1]")
    + """
[tuning]
people = 3
budget = 3
[tuning.grid.npo]
lr = [0.9, 0.12, 0.6]
"""
).replace(
    """exclude = [{ cell = "unlearn/npo/seed1", reason = "its node had a bad disk" },
           { cell = "unlearn/npo_wide/seed0", reason = "diverged" },
           { cell = "unlearn/npo_wide/seed1", reason = "diverged" }]""",
    'exclude = [{ cell = "unlearn/npo/seed1/trial0", reason = "diverged" }]',
)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    root = tmp_path_factory.mktemp("tuned")
    (root / "manifests").mkdir()
    (root / "manifests" / "tuned.toml").write_text(TUNED)
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text("{}")
    return settle(root, "tuned")


@pytest.fixture(scope="module")
def origin(tuned):
    return open_origin(tuned.store, tuned.workspace.results("tuned"), "tuned")


@pytest.fixture(scope="module")
def document(tuned):
    return json.loads((tuned.workspace.results("tuned") / "verified_results.json").read_text())


def row(document, name):
    return next(r for r in document["rows"] if r["name"] == name)


def test_the_reported_model_is_the_chosen_trial(origin):
    choice, trial = (origin.record(cell) for cell in ("select/npo/seed0", "unlearn/npo/seed0/trial1"))
    assert choice.metrics["settings"] == "lr=0.12"
    assert choice.outputs["adapter"] == trial.outputs["adapter"]
    assert origin.record("eval/npo/seed0").inputs["adapter1"] == trial.outputs["adapter"]


def test_the_results_say_what_was_tried_and_chosen(document):
    npo, ga = row(document, "npo"), row(document, "ga")
    assert (npo["trials"], ga["trials"]) == (3, 1)
    assert npo["tried"] == [{"seed": 0, "trial": 1, "settings": "lr=0.12"}]
    assert npo["cost"]["steps"] == 60
    assert document["policy"]["tuning"]["people"] == 3
    assert "few_shot" not in document["policy"]["tuning"]["families"]


def test_a_trial_that_is_excluded_takes_its_seed_from_the_row(document):
    assert row(document, "npo")["seeds"] == [0]
    assert row(document, "ga")["seeds"] == [0, 1]
    reasons = {cell["cell"]: cell["reason"] for cell in document["pending"]}
    assert reasons["select/npo/seed1"] == "needs unlearn/npo/seed1/trial0, which is excluded"


def test_nobody_on_whom_settings_were_chosen_is_in_a_reported_file(origin):
    tables = {
        name: read_rows(origin.store.path(origin.record(name).outputs["rows"]))
        for name, cell in origin.cells.items()
        if cell["stage"] in ("eval", "gate") and cell["status"] == "verified"
    }
    chosen_on, reported = set(), set()
    for name, rows in tables.items():
        people = rows.labels["identity"].present(rows.valid & ~rows.labels["split"].equal("general"))
        (chosen_on if name.count("/") > 2 else reported).update(people)
    assert len(chosen_on) == 6  # three to forget, three retained
    assert not chosen_on & reported


def test_the_tables_and_the_summary_say_so(tuned):
    folder = tuned.workspace.results("tuned")
    text = (folder / "summary.md").read_text()
    assert "## Tuning" in text
    assert "npo: 3 trials; seed 0: lr=0.12" in text
    main = next(tuned.workspace.root.rglob("main.md")).read_text()
    assert "3 further people to forget" in main
    assert "npo, settings chosen: seed 0: lr=0.12" in main


def test_the_trace_names_the_choice(origin):
    sources = Sources(origin.document, origin.cells)
    uses = sources.of(("rows", "npo", "cost", "steps"))
    assert uses["select/npo/seed0"] == uses["unlearn/npo/seed0/trial1"] == "steps"
    assert not [cell for cell, part in sources.of(("rows", "npo", "wcr")).items() if "trial" in cell and part == "rows"]
    assert "eval/npo/seed0/trial2" not in sources.of(("n", "retain_identities"))


def test_status_shows_every_trial(cli, tuned):
    code, out, _ = cli(tuned.workspace.root, "status", "tuned")
    assert code in (0, 4)
    assert "eval/npo/seed0/trial2" in out
    assert "select/npo/seed0" in out


def test_the_evaluation_alone_carries_the_choice_with_it(cli, tuned):
    code, out, _ = cli(tuned.workspace.root, "eval", "tuned", "--seed", "0", "--dry-run", "--force")
    assert code == 0
    assert "select/npo/seed0" in out


def test_figures_do_not_depend_on_what_else_was_tried(tuned, tmp_path):
    """Two other trials, worse than the chosen one: every figure of every row is the same."""
    import shutil

    root = tmp_path / "space"
    shutil.copytree(tuned.workspace.root, root)
    again = settle(root, "tuned", ("tuning.grid.npo.lr=[0.8, 0.12, 0.7]",))
    before, after = (
        json.loads((s.workspace.results("tuned") / "verified_results.json").read_text()) for s in (tuned, again)
    )
    assert after["rows"] == before["rows"]
    assert replace(again.plan.study, overrides={}).tuning != tuned.plan.study.tuning
