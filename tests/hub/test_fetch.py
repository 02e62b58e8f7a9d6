"""`vlmunl fetch`: the real client against a small Hub on this machine."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import Repo, serving

from vlmunl.models.locate import TINY

REPO = Path(__file__).parents[2]
COMMIT, OTHER = "1a" * 20, "2b" * 20
STUDY = """# my study
[study]
name = "s"
seeds = [0]
[model]          # the base
id       = "me/base"
{revision}
[benchmark]
people = 6
forget = 2
photos = 5
[gate]
min_identities = 2
[methods.ga]
"""
MIB = 2**20
LARGE = random.Random(0).randbytes(21 * MIB)
WITH_A_BENCHMARK = """
import sys
from vlmunl.benchmarks.known import KINDS, Counts, Kind
KINDS["public"] = Kind(id="public", title="t", hub="them/data", splits={"one": Counts(16, 10)}, aliases={},
                       checked="schema", files=("*.csv", "pictures/*"), load="nowhere:none")
from vlmunl.__main__ import main
main(sys.argv[1:])
"""
SKIPPED = ("pytorch_model.bin", "onnx/model.onnx", "model.gguf", "original/weights.pth")


@pytest.fixture
def hub():
    tiny = {p.name: p.read_bytes() for p in TINY.iterdir() if p.is_file()}
    files = {**tiny, **dict.fromkeys(SKIPPED, b"not needed")}
    repos = {
        "models/me/base": Repo(files, {"main": COMMIT, "v1": OTHER}),
        "models/me/old": Repo({"config.json": b"{}", "pytorch_model.bin": b"w"}, {"main": COMMIT}),
        "models/me/large": Repo({"config.json": b"{}", "model.safetensors": LARGE}, {"main": COMMIT}),
        "datasets/them/data": Repo({"a.csv": b"1", "pictures/b.png": b"2", "raw.zip": b"3"}, {"main": OTHER}),
        "models/me/gated": Repo({"config.json": b"{}"}, {"main": COMMIT}, gated=True),
    }
    with serving(repos) as made:
        yield made


@pytest.fixture
def space(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "s.toml").write_text(STUDY.format(revision='revision = "main"   # to be pinned'))
    return tmp_path


@pytest.fixture
def call(hub, space):
    """Run `vlmunl`; returns (exit code, stdout, stderr)."""

    def run(*args, code="", **environment):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "VLMUNL"))}
        env |= {"HF_HOME": str(space / "hf"), "HF_ENDPOINT": hub.url, "PYTHONPATH": str(REPO), "NO_PROXY": "127.0.0.1"}
        env |= {"HF_HUB_DISABLE_XET": "1", "VLMUNL_WORKSPACE": str(space), "OMP_NUM_THREADS": "1", **environment}
        command = [sys.executable, *(("-c", code) if code else ("-m", "vlmunl")), *args]
        done = subprocess.run(command, cwd=space, env=env, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_first_fetch_gets_what_is_loaded_and_a_second_one_nothing(call, hub, space):
    code, out, err = call("fetch", "s")
    assert code == 0, err
    assert "me/base 1a1a1a1a1a1a" in out
    assert f'[model] revision = "{COMMIT}"' in out
    got = hub.fetched()
    assert "model.safetensors" in got
    assert not {Path(name).name for name in SKIPPED} & set(got)
    hub.asked.clear()
    code, out, _ = call("fetch", "s")
    assert code == 0
    assert "is there already" in out
    assert hub.fetched() == []


def test_a_run_finds_it_without_a_network(call, hub, space):
    missing = call("run", "s", "--dry-run")
    assert missing[0] == 1
    assert "vlmunl fetch STUDY" in missing[2]
    assert hub.asked == []  # a run never asks the Hub
    assert call("fetch", "s")[0] == 0
    hub.asked.clear()
    for revision in ("main", COMMIT):
        code, out, err = call("run", "s", "--dry-run", "--set", f"model.revision={revision}", HF_HUB_OFFLINE="1")
        assert code == 0, err
        assert "would run" in out
    assert call("fetch", "s", HF_HUB_OFFLINE="1")[0] == 0
    assert hub.asked == []


def test_offline_and_not_there_is_said_in_one_line(call, hub):
    code, _, err = call("fetch", "s", HF_HUB_OFFLINE="1")
    assert code == 1
    assert "HF_HUB_OFFLINE is set" in err
    assert "Traceback" not in err
    assert hub.asked == []


def test_a_cut_connection_is_taken_up_where_it_broke(call, hub, space):
    hub.cut["model.safetensors"] = [15 * MIB]
    code, _, err = call("fetch", "s", "--set", "model.id=me/large")
    assert code == 0, err
    ranges = [said for method, path, said in hub.asked if method == "GET" and path.endswith("model.safetensors")]
    assert ranges == ["", f"bytes={10 * MIB}-"]  # the client keeps whole pieces of 10 MiB
    blob = next((space / "hf").rglob("snapshots/*/model.safetensors"))
    assert blob.read_bytes() == LARGE


@pytest.mark.slow
def test_files_that_came_before_a_break_are_not_asked_for_again(call, hub, space):
    assert call("fetch", "s")[0] == 0
    lost = next((space / "hf").rglob("snapshots/*/model.safetensors"))
    lost.resolve().unlink()
    lost.unlink()
    hub.asked.clear()
    code, out, _ = call("fetch", "s", "--dry-run")
    assert code == 0
    assert "would download 1 file" in out
    assert hub.fetched() == []
    assert call("run", "s", "--dry-run", "--set", f"model.revision={COMMIT}")[0] == 1
    assert call("fetch", "s")[0] == 0
    assert hub.fetched() == ["model.safetensors"]


def test_pin_writes_the_commit_and_nothing_else(call, space):
    path = space / "manifests" / "s.toml"
    before = path.read_text()
    code, _, err = call("fetch", "s", "--pin")
    assert code == 0, err
    assert path.read_text() == before.replace('"main"', f'"{COMMIT}"')
    code, out, _ = call("fetch", "s", "--pin", "--json")
    assert json.loads(out)["pinned"] == []
    assert path.read_text() == before.replace('"main"', f'"{COMMIT}"')


@pytest.mark.slow
def test_of_a_data_set_only_the_files_that_are_read(call, hub, space):
    study = space / "manifests" / "s.toml"
    study.write_text(study.read_text().replace("people = 6\nforget = 2\nphotos = 5\n", ""))
    sets = ("--set", "model.id=tiny", "--set", "benchmark.id=public")
    code, _, err = call("run", "s", "--dry-run", *sets, "--set", "benchmark.revision=main", code=WITH_A_BENCHMARK)
    assert code == 1, err
    assert "dataset them/data@main is not whole" in err
    assert "vlmunl fetch STUDY" in err
    code, out, err = call("fetch", "s", *sets, code=WITH_A_BENCHMARK)
    assert code == 0, err
    assert f'[benchmark] revision = "{OTHER}"' in out
    assert sorted(hub.fetched()) == ["a.csv", "b.png"]
    sets = (*sets, "--set", f"benchmark.revision={OTHER}")
    code, out, err = call("run", "s", "--dry-run", *sets, code=WITH_A_BENCHMARK, HF_HUB_OFFLINE="1")
    assert code == 0, err
    assert "16 identities of public one (10 to forget)" in out


def test_a_tag_is_another_commit(call):
    _, out, _ = call("fetch", "s", "--dry-run", "--json", "--set", "model.revision=v1")
    document = json.loads(out)
    assert document["hub"][0]["commit"] == OTHER
    assert "model.safetensors" in document["hub"][0]["missing"]


def test_only_pickled_weights_are_taken_where_there_are_no_others(call, hub):
    code, _, err = call("fetch", "s", "--set", "model.id=me/old")
    assert code == 0, err
    assert "pytorch_model.bin" in hub.fetched()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("model.revision=v9", 2, "me/base has no revision 'v9'"),
        ("model.id=me/nothing", 2, "there is no model me/nothing on the Hub"),
        ("model.id=me/gated", 1, "me/gated is gated"),
        ("model.id=a/b/c", 2, "is no name of the Hub"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line_with_a_remedy(call, change, code, said):
    found, _, err = call("fetch", "s", "--set", change)
    assert found == code, err
    assert said in err
    assert len(err.strip().splitlines()) == 2, err


def test_a_hub_that_is_not_there(call):
    code, _, err = call("fetch", "s", HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 1
    assert "cannot be reached" in err
    assert "login node" in err
    assert "Traceback" not in err


def test_what_is_no_repository_is_not_downloaded(call, hub, space):
    shutil.copytree(TINY, space / "mine")
    code, out, _ = call("fetch", "s", "--set", "model.id=mine")
    assert code == 0
    assert str(space / "mine") in out
    assert call("fetch", "s", "--set", "model.id=tiny")[0] == 0
    code, out, _ = call("fetch", "s", "--set", "model.id=./gone")
    assert code == 1
    assert "is not there" in out
    assert hub.asked == []
