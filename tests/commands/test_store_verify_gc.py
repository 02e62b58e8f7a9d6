"""`vlmunl store verify|gc|ls|du|pin|unpin` from outside, on a toy study."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.test_cli import HEAVY

COMMANDS = ("verify", "gc", "ls", "du", "pin", "unpin")


def document(cli, *args: str):
    code, out, _ = cli("store", *args, "--json")
    return code, json.loads(out)


def row(cli, cell: str) -> dict[str, str]:
    """One record's line of `store ls --json`."""
    return next(line for line in document(cli, "ls", "--cell", cell)[1]["records"] if line["cells"] == [cell])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def rows_of(space: Path, cell: str) -> Path:
    manifest = json.loads((space / "manifests" / "toy" / "run_manifest.json").read_text())
    (ref,) = (c["outputs"]["rows"] for c in manifest["cells"] if c["cell"] == cell)
    return space / "store" / "objects" / ref["xxh3"][:2] / ref["xxh3"]


def age(space: Path) -> None:
    then = time.time() - 30 * 86400
    for path in (space / "store").rglob("*"):
        os.utime(path, (then, then))


_FOLDERS = ("manifests/toy", "latex", "store")


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def done(cli, space, kept) -> Path:
    """The workspace with the study finished; run once, then copied."""
    if not (kept / "store").exists():
        assert cli("run", "toy")[0] == 0
    source, target = (kept, space) if (kept / "store").exists() else (space, kept)
    for folder in _FOLDERS:
        shutil.copytree(source / folder, target / folder)
    return space


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_example(command, cli):
    code, out, _ = cli("store", command, "--help")
    assert code == 0
    assert f"$ vlmunl store {command}" in out


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom vlmunl.__main__ import main\n"
        "for args in (['store', '--help'], *(['store', c, '--help'] for c in " + repr(COMMANDS) + ")):\n"
        "    try: main(args)\n    except SystemExit as e: assert not e.code, args\n"
        f"bad = [m for m in {HEAVY!r} if m in sys.modules]\nassert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_store_they_say_so(cli):
    for command in ("verify", "gc", "ls", "du", "pin"):
        code, out, err = cli("store", command)
        assert (code, out) == (1, "")
        assert "there is no store at" in err


def test_damage_is_found_named_set_aside_and_made_anew(cli, done, space):
    assert cli("store", "verify")[0] == 0
    path = rows_of(space, "eval/npo/seed1")
    flip(path)
    code, out, _ = cli("store", "verify")
    assert code == 5
    assert f"damaged object {path.name}: altered" in out
    assert "made by eval/npo/seed1 (" in out
    read_by = out.partition("read by ")[2].partition("\n")[0]
    assert [cell.partition(" (")[0] for cell in read_by.split(", ")] == ["aggregate", "tables"]
    assert "studies toy" in out
    assert "files manifests/toy/summary.md, manifests/toy/verified_results.json, latex/generated/toy/main.tex" in out
    assert out.rstrip().endswith("to make it anew: vlmunl store verify --quarantine, then: vlmunl run toy")
    code, told = document(cli, "verify", "--quarantine")
    assert (code, told["exit_code"]) == (5, 5)
    (damage,) = told["damaged"]
    assert (damage["name"], damage["studies"]) == (path.name, ["toy"])
    assert Path(damage["moved_to"]).exists()
    assert not path.exists()
    assert cli("run", "toy")[0] == 0
    assert document(cli, "verify") == (0, {**told, "exit_code": 0, "damaged": [], "objects": told["objects"],
                                           "bytes": told["bytes"]})  # fmt: skip


def test_a_lost_record_is_missed_by_the_run_manifest(cli, done, space):
    manifest = json.loads((space / "manifests" / "toy" / "run_manifest.json").read_text())
    file = next(c["record"] for c in manifest["cells"] if c["cell"] == "unlearn/ga/seed0")
    (space / "store" / "records" / file[:2] / file).unlink()
    code, told = document(cli, "verify")
    assert code == 5
    (damage,) = told["damaged"]
    assert (damage["kind"], damage["problem"], damage["studies"]) == ("record", "missing", ["toy"])
    assert [user["cell"] for user in damage["made_by"]] == ["unlearn/ga/seed0"]
    assert [user["cell"] for user in damage["read_by"]] == ["eval/ga/seed0", "tables"]  # which draws its curve


def test_a_store_alone_and_a_workspace_of_another_store(cli, done, space, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("elsewhere")
    assert cli("run", "toy", "--only", "data", "--store", str(other / "store"), "--set", "benchmark.seed=9")[0] == 0
    code, _, err = cli("store", "verify", "--store", str(other / "store"))
    assert (code, "was made with another store" in err) == (0, True)
    monkeypatch.chdir(other)
    code, _, err = cli("store", "verify", "--store", str(space / "store"), "--level", "fast")
    assert (code, "no workspace here" in err) == (0, True)
    assert cli("store", "verify")[0] == 2


def test_gc_shows_then_does(cli, done, space):
    cli("run", "toy", "--set", "methods.ga.lr=0.5", "--only", "unlearn/ga")
    orphan = space / "store" / "objects" / "ab" / ("ab" + "0" * 30)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("orphan")
    age(space)
    code, out, _ = cli("store", "gc")
    assert code == 0
    assert "to trash/ 6 bytes object ab0000" in out
    assert "nothing was changed; to do it, add --delete" in out
    assert orphan.exists()
    _, told = document(cli, "gc", "--stale")
    labels = sorted(item["label"] for item in told["items"] if item["what"] == "record")
    assert labels == ["unlearn/ga/seed0", "unlearn/ga/seed1"]
    assert {item["label"] for item in told["items"] if item["what"] == "object"} == {""}  # outputs are shared
    assert cli("store", "gc", "--stale", "--delete")[0] == 0
    assert not orphan.exists()
    assert cli("store", "gc", "--stale", "--delete")[1].endswith("older than 14d\n")
    assert cli("store", "verify")[0] == 0
    assert "no cell ran" in cli("run", "toy")[1]


def test_what_gc_took_comes_back_when_a_study_wants_it(cli, space):
    cli("run", "toy", "--set", "methods.ga.lr=0.5", "--only", "unlearn/ga", "--only", "data", "--only", "imprint",
        "--only", "gate")  # fmt: skip
    age(space)
    cli("store", "gc", "--stale", "--delete")
    study = space / "manifests" / "toy.toml"
    study.write_text(study.read_text().replace("[methods.ga]", "[methods.ga]\nlr = 0.5"))
    _, told = document(cli, "gc", "--stale", "--delete")
    assert {item["fate"] for item in told["items"]} == {"restore"}
    assert row(cli, "unlearn/ga/seed0")["missing"] is False


def test_gc_refuses_what_it_cannot_read(cli, done, space):
    age(space)
    study, manifest = space / "manifests" / "toy.toml", space / "manifests" / "toy" / "run_manifest.json"
    study.write_text("[study")
    code, _, err = cli("store", "gc", "--stale", "--delete")
    assert (code, str(study) in err) == (2, True)
    manifest.write_text("{")
    code, _, err = cli("store", "gc", "--delete")
    assert (code, str(manifest) in err) == (2, True)
    assert not list((space / "store" / "trash").iterdir())
    assert cli("store", "gc", "--grace", "soon")[0] == 2


def test_a_collection_while_the_study_runs_anew_takes_nothing(cli, done, start, space):
    """All its objects are there, old and unreached; every cell wants them again."""
    for path in (space / "store" / "records").rglob("*.json"):
        path.unlink()
    (space / "manifests" / "toy" / "run_manifest.json").unlink()
    age(space)
    running = start("run", "toy", "--jobs", "2", "--only", "data", "--only", "imprint", TOY_SLEEP="0.1")
    passes = 0
    while running.poll() is None:
        assert cli("store", "gc", "--delete", "--grace", "0")[0] == 0
        passes += 1
    assert (running.returncode, passes > 2) == (0, True)
    assert cli("store", "verify")[0] == 0
    assert len(document(cli, "ls")[1]["records"]) == 7


def test_ls_and_du_agree(cli, done, space):
    _, listed = document(cli, "ls", "objects")
    _, used = document(cli, "du")
    assert used["objects"] == {"files": len(listed["objects"]), "bytes": sum(o["size"] for o in listed["objects"])}
    for group in ("stage", "study"):
        assert sum(amount["bytes"] for amount in used[group].values()) == used["objects"]["bytes"]
    assert used["other"]["unreachable"]["files"] == 0
    assert list(used["study"]) == ["toy"]
    assert {line["stages"][0] for line in document(cli, "ls", "--stage", "gate")[1]["records"]} == {"gate"}
    assert document(cli, "ls", "--study", "nothing")[1]["records"] == []
    key = row(cli, "data")["name"]
    assert [line["name"] for line in document(cli, "ls", "--key", key[:10])[1]["records"]] == [key]
    sizes = [line["size"] for line in document(cli, "ls", "objects", "--sort", "size")[1]["objects"]]
    assert sizes == sorted(sizes, reverse=True)
    assert cli("store", "ls", "--limit", "1")[1].rstrip().endswith("and 29 more")


def test_pins_from_outside(cli, done, space):
    assert cli("store", "pin")[1] == "nothing is pinned\n"
    assert cli("store", "pin", "paper", "eval/ga/seed0", row(cli, "data")["name"][:12])[1] == "paper: 2 pinned\n"
    listed = cli("store", "pin")[1]
    assert "paper data " in listed
    assert "paper eval/ga/seed0 " in listed
    assert cli("store", "unpin", "paper", "data")[1] == "paper: 1 pinned\n"
    assert cli("store", "unpin", "paper")[1] == "paper: 0 pinned\n"
    assert cli("store", "unpin", "paper")[0] == 2
    assert cli("store", "pin", "paper", "nothing/like/it")[0] == 1


def test_gc_keeps_what_follows_from_the_benchmark_of_a_study_whose_model_is_not_here(cli, done):
    """Its keys cannot be known without the model, and neither a run manifest nor a published file names the records."""
    study = done / "manifests" / "toy.toml"
    study.write_text(study.read_text().replace('id = "base"', 'id = "./base"'))  # a folder, and no name on the Hub
    shutil.rmtree(done / "base")
    shutil.rmtree(done / "manifests" / "toy")
    shutil.rmtree(done / "latex")
    age(done)
    before = {p.name for p in (done / "store" / "records").rglob("*.json")}
    code, said = document(cli, "gc", "--stale", "--delete")
    assert code == 0, said
    assert {p.name for p in (done / "store" / "records").rglob("*.json")} == before
    study.write_text(study.read_text() + "[benchmark]\nseed = 5\n")  # others than these are taught
    assert document(cli, "gc", "--stale", "--delete")[0] == 0
    assert not list((done / "store" / "records").rglob("*.json"))
