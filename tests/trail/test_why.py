"""`vlmunl status --why`: every cause by its name, and none where there is none."""

from __future__ import annotations

import json
import os

import pytest

from tests.trail.conftest import settle


def rows(cli, root, *args):
    code, out, err = cli(root, "status", "small", "--why", "--json", *args)
    assert err == ""
    return code, {row["cell"]: row for row in json.loads(out)["cells"]}


@pytest.fixture
def root(finished):
    return finished.workspace.root


def test_what_is_done_names_its_record_and_when(cli, root):
    code, found = rows(cli, root)
    assert code == 3  # the weak seed
    for name in ("data", "gate/seed0", "eval/npo/seed0", "aggregate", "tables"):
        why = found[name]["why"]
        assert why["kind"] == "record"
        assert why["record"] == found[name]["record"]
        assert found[name]["reason"].startswith(f"record: {found[name]['key'][:12]} from {why['made'][:10]}")
    assert found["eval/ga/seed2"]["why"]["kind"] == "failed-gate"
    assert found["unlearn/npo/seed1"]["reason"] == "excluded: its node had a bad disk"


def test_a_first_run(cli, root, tmp_path):
    code, found = rows(cli, root, "--store", str(tmp_path / "new"))
    assert code == 4
    assert found["data"]["reason"] == "first run"
    gate = found["gate/seed0"]["why"]
    assert (gate["kind"], gate["because"]) == ("waits", ["data"])
    assert found["tables"]["reason"] == "waits for data (first run)"
    assert not (tmp_path / "new").exists()


def test_a_changed_parameter_and_what_waits_for_it(cli, root):
    _, found = rows(cli, root, "--set", "methods.npo.lr=0.25", "--set", "imprint.lr=0.125")
    why = found["imprint/gold/seed0"]["why"]
    assert why["kind"] == "changed"
    assert [(c["field"], c["new"]) for c in why["changes"]] == [("optim.lr", "0.125")]
    waits = found["unlearn/npo/seed0"]["why"]
    assert waits["kind"] == "waits"
    assert waits["because"] == ["imprint/imprint/seed0", "imprint/gold/seed0"]
    assert [(c["field"], c["new"]) for c in waits["changes"]] == [("optim.lr", "0.25")]
    assert found["unlearn/ga/seed0"]["why"]["changes"] == []
    assert found["data"]["why"]["kind"] == "record"


def test_an_input_that_changed_names_the_cell_and_its_cause(cli, copy):
    sets = ("methods.ga.lr=0.25",)
    settle(copy, sets=sets, results=False)
    objects = [
        p for p in (copy / "store" / "records").rglob("*.json") if json.loads(p.read_text())["cell"] == "eval/ga/seed0"
    ]
    newest = max(objects, key=lambda p: json.loads(p.read_text())["env"]["ended"])
    old = [p for p in objects if json.loads(p.read_text())["inputs"] != json.loads(newest.read_text())["inputs"]]
    assert old
    now = settle(copy, sets=sets, results=False).store
    made = (r for r in now.history("unlearn", "ga") or now.history("unlearn") if r.params["seed"] == 0)
    record = next(r for r in made if r.params["optim"]["lr"] == 0.25)
    for path in objects:  # only the record from before the change is left
        if json.loads(path.read_text())["inputs"]["adapter1"]["sha256"] == record.outputs["adapter"].sha256:
            path.unlink()
    _, found = rows(cli, copy, "--set", sets[0])
    why = found["eval/ga/seed0"]["why"]
    assert why["kind"] == "changed"
    assert why["because"] == ["unlearn/ga/seed0"]
    assert "input adapter1 changed because unlearn/ga/seed0 has: optim.lr" in why["detail"]
    assert "-> 0.25" in why["detail"]


def test_evidence_that_changed(cli, root):
    _, found = rows(cli, root, "--set", "statistics.draws=200")
    assert [c["field"] for c in found["aggregate"]["why"]["changes"]] == ["statistics.draws"]
    assert found["tables"]["reason"].startswith("waits for aggregate (changed: statistics.draws 100 -> 200")
    _, found = rows(cli, root, "--set", "gate.headroom=0.3")
    why = found["aggregate"]["why"]
    assert (why["kind"], [c["field"] for c in why["changes"]]) == ("changed", ["gate.headroom"])
    assert "the run manifest changed" in why["detail"]


def record_of(root, cell):
    manifest = json.loads((root / "manifests" / "small" / "run_manifest.json").read_text())
    entry = next(c for c in manifest["cells"] if c["cell"] == cell)
    return root / "store" / "records" / entry["record"][:2] / entry["record"], entry


def test_a_damaged_record_and_a_missing_object(cli, copy):
    path, _ = record_of(copy, "unlearn/npo/seed0")
    os.chmod(path, 0o600)
    path.write_text(path.read_text()[:100])
    _, entry = record_of(copy, "eval/ga/seed1")
    address = entry["outputs"]["rows"]["xxh3"]
    (copy / "store" / "objects" / address[:2] / address).unlink()
    _, found = rows(cli, copy)
    torn = found["unlearn/npo/seed0"]["why"]
    assert torn["kind"] == "record damaged"
    assert str(path) in torn["detail"]
    lost = found["eval/ga/seed1"]["why"]
    assert (lost["kind"], lost["detail"]) == ("output missing", "rows missing or damaged in the store")
    assert found["eval/npo/seed0"]["why"]["because"] == ["unlearn/npo/seed0"]
    assert set(found["aggregate"]["why"]["because"]) == {"unlearn/npo/seed0", "eval/ga/seed1"}


def test_the_table_and_plain_status_agree_on_states(cli, root):
    code, out, _ = cli(root, "status", "small", "--why")
    assert code == 3
    assert "record: " in out
    _, plain, _ = cli(root, "status", "small", "--json")
    assert [r["state"] for r in json.loads(plain)["cells"]] == [r["state"] for r in rows(cli, root)[1].values()]
    assert "why" not in json.loads(plain)["cells"][0]
