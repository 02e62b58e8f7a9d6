"""`vlmunl trace` from outside: what it shows, and what it says when something is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash

from vlmunl.benchmarks import schema
from vlmunl.keys import digest_file


@pytest.fixture
def root(finished):
    return finished.workspace.root


def traced(cli, root, *args):
    code, out, err = cli(root, "trace", "small", *args, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_every_address_and_path_is_that_of_the_bytes(cli, root):
    document = traced(cli, root, "npo.wcr")
    assert document["name"] == "npo.wcr.cross_fit.estimate"
    held = [*document["evidence"].values(), *(o for r in document["records"] for o in r["outputs"].values())]
    blobs = [entry for entry in held if entry["kind"] == "blob"]
    assert len(blobs) > 8
    for entry in blobs:
        assert digest_file(entry["files"][0]["path"]).sha256 == entry["sha256"]
    for entry in held:
        assert sum(os.path.getsize(f["path"]) for f in entry["files"]) == entry["bytes"] > 0
    for record in document["records"]:
        on_disk = json.loads(Path(record["path"]).read_text())
        assert on_disk["key"] == record["key"]
        assert on_disk["params"] == record["params"]
    assert document["study_file"]["state"] == "unchanged"
    assert document["study_file"]["sha256"] == digest_file(root / "manifests" / "small.toml").sha256
    assert document["evidence"]["verified_results"]["sha256"] == digest_file(document["results"]).sha256
    manifest = root / "manifests" / "small" / "run_manifest.json"
    assert document["evidence"]["run_manifest"]["sha256"] == digest_file(manifest).sha256


def test_records_are_followed_to_the_data_and_the_base_model(cli, root):
    document = traced(cli, root, "npo.wcr")
    nodes = {record["cell"]: record for record in document["records"]}
    assert set(nodes) == {
        "data",
        *(f"{stage}/{role}/seed{s}" for stage in ("imprint", "eval") for role in ("imprint", "gold") for s in (0, 1)),
        *("gate/seed0", "gate/seed1", "unlearn/npo/seed0", "eval/npo/seed0"),
    }
    scored = nodes["eval/npo/seed0"]["inputs"]
    assert (scored["adapter0"]["cell"], scored["adapter1"]["cell"]) == ("imprint/imprint/seed0", "unlearn/npo/seed0")
    assert scored["base"]["external"] == str(root / "base")
    assert nodes["gate/seed1"]["inputs"]["gold"]["cell"] == "imprint/gold/seed1"
    assert document["seeds"] == [0, 1]
    assert document["left_out"]["unlearn/npo/seed1"] == "excluded: its node had a bad disk"
    assert {part["part"] for part in document["sources"]} == {"rows"}
    assert [code["cells"] for code in document["code"]]
    assert document["aggregate"]["statistics"]["draws"] == 100


def test_depth_ends_the_walk(cli, root):
    cells = [{r["cell"] for r in traced(cli, root, "npo.wcr", "--depth", str(n))["records"]} for n in (0, 1, 9)]
    assert cells[0] == {s["cell"] for s in traced(cli, root, "npo.wcr")["sources"]}
    assert cells[0] < cells[1] == cells[2]


def test_examples_are_real_rows_with_their_questions(cli, root, finished):
    document = traced(cli, root, "npo.routes.text_cloze", "--rows", "7")
    (part,) = document["rows"]
    nodes = {record["cell"]: record for record in document["records"]}
    table = pq.read_table(nodes[part["cell"]]["outputs"]["rows"]["files"][0]["path"])
    real = [r for r in table.to_pylist() if r["split"] == "forget" and r["route"] == "text_cloze"]
    assert part["rows"] == len(real) == sum(part["statuses"].values())
    assert part["prompts"] == len({r["prompt_digest"] for r in real})
    assert len(part["sample"]) == 7
    assert len({row["identity"] for row in part["sample"]}) > 3
    people = schema.load(finished.store.path(finished.store.history("data")[0].outputs["benchmark"]))
    for row in part["sample"]:
        question = row.pop("question")
        assert row in [{name: r[name] for name in row} for r in real]
        who = next(i for i in people.identities if i.id == row["identity"])
        assert who.name in question[-1]
        assert row["prompt_digest"] == digest_of(question)


def digest_of(question):
    """As the fake stages write it: what was said, turn by turn."""
    return xxhash.xxh3_64_hexdigest(repr(question).encode())


@pytest.mark.parametrize(
    ("name", "cell", "say"),
    [
        ("ga.routes.few_shot", "eval/ga/seed0", 7),
        ("ga.utility_parts.visual", "eval/ga/seed0", 1),
        ("seeds.1.gate.cloze.headroom", "gate/seed1", 1),
        ("routes.canonical.headroom", "eval/gold/seed1", 1),
        ("base.canonical", "eval/base", 1),
        ("ga.refusal_invalid_retain", "eval/ga/seed1", 1),
    ],
)
def test_questions_of_every_kind(cli, root, name, cell, say):
    parts = {part["cell"]: part for part in traced(cli, root, name, "--rows", "3")["rows"]}
    for row in parts[cell]["sample"]:
        assert len(row["question"]) == say
        assert row["prompt_digest"] == digest_of(row["question"])


def test_the_tree_says_it_all_in_plain_lines(cli, root):
    code, out, err = cli(root, "trace", "small", "\\vlmunl{npo.wcr}", "--rows", "2")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("npo.wcr.cross_fit.estimate  0.")
    assert max(map(len, lines)) <= 200
    for text in (
        "study file manifests/small.toml",
        "unchanged",
        "store/objects/",
        "(above)",
        "unlearn/npo/seed1  excluded",
    ):
        assert text in out
    assert out.count("prompt ") == 2
    assert cli(root, "trace", "small", "\\vlmunl{npo.wcr}", "--rows", "2")[1] == out
    assert cli(root, "trace", "small", "npo.wcr", "--quiet") == (0, "", "")


def test_figures_without_evidence_and_without_records(cli, root):
    code, out, _ = cli(root, "trace", "small", "npo_wide.wcr")
    assert code == 0
    assert "no evidence" in out.splitlines()[0]
    assert "unlearn/npo_wide/seed0  excluded: diverged" in out
    code, out, _ = cli(root, "trace", "small", "policy.draws")
    assert code == 0
    assert "no record: the study file and the catalogue alone say it" in out
    document = traced(cli, root, "claims.worse")
    assert document["claim"]["figures"]["npo.wcr.lower"] is not None
    assert {"eval/base", "eval/placebo/seed0", "eval/ga/seed1"} <= {s["cell"] for s in document["sources"]}
    assert traced(cli, root, "cells.verified")["value"] > 10


def test_what_is_missing_is_named_with_exit_code_5(cli, copy):
    document = json.loads(cli(copy, "trace", "small", "npo.wcr", "--json")[1])
    nodes = {record["cell"]: record for record in document["records"]}
    rows = nodes["eval/npo/seed0"]["outputs"]["rows"]["files"][0]["path"]
    os.chmod(rows, 0o600)
    os.truncate(rows, 10)
    code, out, _ = cli(copy, "trace", "small", "npo.wcr")
    assert code == 5
    assert "eval/npo/seed0: rows missing or damaged in the store" in out
    os.unlink(nodes["gate/seed0"]["path"])
    code, out, _ = cli(copy, "trace", "small", "npo.wcr", "--json")
    assert code == 5
    assert any(problem.startswith("gate/seed0: record") for problem in json.loads(out)["problems"])
    assert cli(copy, "trace", "small", "ga.refusal")[0] == 5


def test_edited_results_have_no_origin(cli, copy):
    path = copy / "manifests" / "small" / "verified_results.json"
    path.write_text(path.read_text().replace('"draws": 100', '"draws": 101'))
    code, _, err = cli(copy, "trace", "small", "npo.wcr")
    assert code == 1
    assert "it was edited, or made with another store" in err
    assert "vlmunl aggregate small" in err
    path.unlink()
    code, _, err = cli(copy, "trace", "small", "npo.wcr")
    assert (code, "first: vlmunl run small" in err) == (1, True)


def test_a_changed_broken_or_lost_study_file_does_not_hide_results(cli, copy):
    path = copy / "manifests" / "small.toml"
    text = path.read_text()
    (copy / "manifests" / "other.toml").write_text(text.replace('"small"', '"other"'))
    for content, state in ((text + "\n# edited", "changed since"), ("nonsense", "changed since"), (None, "not there")):
        path.unlink() if content is None else path.write_text(content)
        document = json.loads(cli(copy, "trace", "small", "npo.wcr", "--json")[1])
        assert document["study_file"]["state"] == state
    code, _, err = cli(copy, "trace", "smal", "npo.wcr")
    assert code == 2
    assert "there is no study" in err


def test_unknown_names_end_with_2(cli, root):
    code, out, err = cli(root, "trace", "small", "npo.wrc")
    assert (code, out) == (2, "")
    assert "did you mean npo.wcr" in err


def test_no_model_library_is_loaded(root):
    code = (
        "import sys\nfrom vlmunl.__main__ import main\n"
        "for args in (['trace', 'small', 'npo.wcr', '--rows', '2'], ['diff', 'small', 'small']):\n"
        "    try: main(args)\n    except SystemExit as e: assert not e.code, args\n"
        "bad = [m for m in ('torch', 'transformers', 'matplotlib', 'peft') if m in sys.modules]\nassert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert "no difference" in done.stdout


def test_a_figure_of_one_seed_names_the_table_it_stands_in(cli, root):
    document = traced(cli, root, "seeds/npo/0/wcr")
    assert document["path"] == ["by_seed", "npo", "0", "wcr", "cross_fit", "estimate"]
    low, high = document["interval"]
    assert low < document["value"] < high
    assert document["evidence"]["seeds.csv"]["kind"] == "blob"
    assert "eval/npo/seed0" in {record["cell"] for record in document["records"]}


def test_a_damaged_table_of_every_seed_is_said_and_the_rest_goes_on(cli, copy):
    held = traced(cli, copy, "seeds/npo/0/wcr")["evidence"]["seeds.csv"]["files"][0]["path"]
    Path(held).chmod(0o644)
    Path(held).write_bytes(Path(held).read_bytes()[:-9] + b"123456789")
    code, _, err = cli(copy, "trace", "small", "seeds/npo/0/wcr")
    assert code == 1
    assert err.splitlines()[0] == "error: the table of every seed of small is not in the store, or damaged there"
    assert traced(cli, copy, "npo.wcr")["name"] == "npo.wcr.cross_fit.estimate"
