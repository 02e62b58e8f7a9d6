"""The command line from outside: output, exit codes, JSON, files, and what `--help` may load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vlmunl.__main__ import hoist
from vlmunl.errors import MissingInput, VlmunlError

COMMANDS = (
    "run",
    "imprint",
    "gate",
    "unlearn",
    "eval",
    "aggregate",
    "tables",
    "status",
    "logs",
    "show",
    "trace",
    "diff",
    "methods",
    "routes",
    "doctor",
    "version",
)
HEAVY = (
    "torch",
    "transformers",
    "pyarrow",
    "matplotlib",
    "numpy",
    "huggingface_hub",
    "peft",
    "accelerate",
    "PIL",
    "rich.live",
)


def test_help_loads_nothing_heavy_and_nobody_imports_click():
    code = (
        "import sys\nfrom vlmunl.__main__ import main\n"
        "for args in (['--help'], ['run', '--help'], ['version'], ['--version'], ['methods']):\n"
        "    try: main(args)\n    except SystemExit as e: assert not e.code, args\n"
        f"bad = [m for m in {HEAVY!r} + ('click',) if m in sys.modules]\nassert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_example(command, cli):
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert f"$ vlmunl {command}" in out


def test_global_options_may_stand_anywhere():
    assert hoist(["run", "x", "--json", "--store", "s", "--jobs", "2"]) == [
        "--json",
        "--store",
        "s",
        "run",
        "x",
        "--jobs",
        "2",
    ]
    assert hoist(["--store=s", "show", "k"]) == ["--store=s", "show", "k"]
    assert hoist(["show", "--", "--json"]) == ["show", "--", "--json"]


def test_a_run_writes_files_and_a_second_one_nothing(cli, space, calls):
    code, out, err = cli("run", "toy", "--jobs", "2")
    assert (code, err) == (0, "")
    assert out.startswith("toy base + 48 fictitious people (16 to forget), 2 seeds, 3 methods, ")
    assert "30 cells ran in" in out
    assert "summary manifests/toy/summary.md" in out
    files = {
        p: (p.read_bytes(), p.stat().st_mtime_ns) for d in ("manifests/toy", "latex") for p in (space / d).rglob("*.*")
    }
    assert {p.name for p in files} == {"run_manifest.json", "verified_results.json", "summary.md", "main.tex"}
    calls()
    (space / "latex" / "generated" / "toy" / "old.tex").write_text("stale")
    (space / "manifests" / "toy" / "summary.md").write_text("edited by hand")
    code, out, _ = cli("run", "toy")
    assert code == 0
    assert "no cell ran" in out
    assert not calls()
    assert not (space / "latex" / "generated" / "toy" / "old.tex").exists()
    for path, (data, when) in files.items():
        assert path.read_bytes() == data
        assert path.name == "summary.md" or path.stat().st_mtime_ns == when


def test_run_in_json_is_one_document(cli):
    code, out, err = cli("run", "toy", "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 0
    assert len(document["ran"]) == document["cells"]["verified"] == 30
    assert "[30/30]" in err


def test_quiet_is_quiet(cli):
    assert cli("run", "toy", "--quiet") == (0, "", "")


def test_dry_run_says_why_and_touches_nothing(cli, space, calls):
    code, out, _ = cli("run", "toy", "--dry-run")
    assert code == 0
    assert " data would run first run" in out
    assert " unlearn/ga/seed0 would run after gate/seed0, if it passes" in out
    assert "30 cells would run" in out
    assert not (space / "store").exists()
    assert not calls()
    _, out, _ = cli("gate", "toy", "--dry-run")
    assert "nothing would run; what is missing cannot run yet" in out


def test_stages_one_by_one(cli, calls):
    code, _, err = cli("gate", "toy")
    assert code == 1
    assert err == "error: gate/seed0 needs data, which is not done\n  first: vlmunl imprint toy\n"
    assert cli("imprint", "toy", "--seed", "0")[0] == 0
    assert sorted(calls()) == ["data", "imprint/gold/0", "imprint/imprint/0", "imprint/placebo/0"]
    assert cli("gate", "toy", "--seed", "0")[0] == 0
    assert cli("unlearn", "toy", "--method", "ga", "--seed", "0")[0] == 0
    calls()
    code, out, _ = cli("eval", "toy", "--method", "ga")
    assert code == 4
    assert "pending: eval/ga/seed1: needs imprint/imprint/seed1, which is not done" in out
    assert calls() == ["eval"]
    code, out, _ = cli("aggregate", "toy")
    assert code == 0
    code, out, _ = cli("tables", "toy")
    assert code == 0
    assert "no cell ran" not in out
    assert "no cell ran" in cli("imprint", "toy", "--seed", "0")[1]


def test_a_changed_setting_runs_what_depends_on_it_and_is_explained(cli, calls):
    cli("run", "toy")
    calls()
    code, out, _ = cli("run", "toy", "--set", "methods.ga.lr=0.5", "--dry-run")
    assert code == 0
    assert "unlearn/ga/seed0 would run changed: optim.lr 0.0005 -> 0.5" in out
    assert "unlearn/npo" not in out
    cli("run", "toy", "--set", "methods.ga.lr=0.5")
    assert sorted(calls()) == ["aggregate", "tables", "unlearn/ga/0", "unlearn/ga/1"]  # same bytes: no eval
    assert "no cell ran" in cli("run", "toy")[1]


def test_a_weak_seed_ends_with_3_everywhere(cli, monkeypatch):
    monkeypatch.setenv("TOY_WEAK", "1")
    code, out, _ = cli("run", "toy")
    assert code == 3
    assert "gate/seed1 seed 1 FAILED: open: 0 people are answered on 3 of 4 paraphrases, 8 are needed" in out
    assert "failed-gate: gate/seed1, eval/imprint/seed1, eval/gold/seed1 and 7 more: open: 0 people" in out
    code, out, _ = cli("status", "toy", "--json")
    rows = {row["cell"]: row for row in json.loads(out)["cells"]}
    assert code == 3
    assert rows["unlearn/npo/seed1"]["state"] == "failed-gate"
    assert rows["imprint/imprint/seed1"]["state"] == "verified"


def test_a_failure_is_told_and_recorded(cli, monkeypatch):
    monkeypatch.setenv("TOY_FAIL", "unlearn/npo/0")
    code, out, _ = cli("run", "toy")
    assert code == 1
    assert "unlearn/npo/seed0 FAILED: unlearn/npo/seed0 failed: RuntimeError: unlearn/npo/0 is told to fail" in out
    assert "its traceback is in" in out
    assert cli("status", "toy")[0] == 1
    code, out, _ = cli("show", "unlearn/npo/seed0")
    assert code == 0
    assert "error: RuntimeError: unlearn/npo/0 is told to fail" in out


def test_status_before_during_and_after(cli, space):
    code, out, _ = cli("status", "toy")
    assert code == 4
    assert "would run: first run" in out
    assert not (space / "store").exists()
    cli("run", "toy")
    code, out, _ = cli("status", "toy")
    assert code == 0
    assert out.rstrip().endswith("30 verified")
    assert "open D=1.00 (passed)" in out


def test_show_by_key_by_cell_and_by_nothing(cli):
    cli("run", "toy", "--only", "data")
    document = json.loads(cli("show", "data", "--json")[1])
    assert document["cell"] == "data"
    code, out, _ = cli("show", document["key"][:8])
    assert code == 0
    assert "people: 48" in out
    assert cli("show", "00000000")[0] == 1
    assert cli("show", "unlearn/ga/seed9")[0] == 1


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("run", "tyo"), 2, "did you mean 'toy'?"),
        (("run", "toy", "--only", "evl"), 2, "did you mean eval"),
        (("imprint", "toy", "--seed", "7"), 2, "--seed '7' fits no cell of this study\n  known: 0, 1"),
        (("unlearn", "toy", "--method", "nop"), 2, "did you mean npo?"),
        (("run", "toy", "--set", "methods.ga.lrr=1"), 2, "did you mean 'lr'?"),
        (("run", "toy", "--set", "nothing"), 2, "section.key=value"),
        (("run", "toy", "--set", "model.id=elsewhere/"), 2, "has no revision"),
        (("run", "toy", "--workspace", "nowhere"), 2, "is not a directory"),
        (("methods", "nop"), 2, "did you mean 'npo'?"),
        (("routes", "--family", "geometri"), 2, "did you mean 'geometry'?"),
        (("nothing",), 2, "nothing"),
    ],
)
def test_mistakes_are_told_in_a_line_or_two(args, code, words, cli, space):
    found, out, err = cli(*args)
    assert found == code
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_errors_in_json_are_a_document_too(cli, space):
    code, out, _ = cli("run", "tyo", "--json")
    assert code == json.loads(out)["error"]["code"] == 2


def test_a_study_elsewhere_and_the_workspace_found_from_below(cli, space, monkeypatch):
    (space / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(space / "a" / "b")
    assert cli("run", "toy", "--only", "data")[0] == 0
    assert (space / "store" / "LAYOUT.json").exists()
    monkeypatch.chdir("/")
    assert cli("status", str(space / "manifests" / "toy.toml"))[0] == 4


def test_two_cells_with_one_key_are_run_once(cli, space, calls):
    path = space / "manifests" / "toy.toml"
    path.write_text(path.read_text() + '[methods.twin]\nlike = "ga"\n')
    assert cli("run", "toy")[0] == 0
    assert calls().count("unlearn/ga/0") == 1


def test_methods_routes_and_version(cli):
    assert "npo" in cli("methods")[1]
    assert "beta = 0.1, retain = " in cli("methods", "npo")[1]
    assert "canonical" in cli("routes")[1]
    assert "canonical" not in cli("routes", "--family", "few_shot")[1]
    assert json.loads(cli("routes", "canonical", "--json")[1])["routes"][0]["id"] == "canonical"
    assert cli("version")[1].startswith("vlmunl ")


def test_the_root_tells_its_version_as_the_command_does(cli, calls):
    assert cli("--version") == cli("version")
    assert cli("--version")[0] == 0
    assert cli("--version", "--json") == cli("version", "--json")
    assert cli("run", "toy", "--version") == cli("version")
    assert not calls()


def test_global_options_alone_are_no_command(cli):
    code, out, err = cli("--json")
    assert (code, out) == (2, "")
    assert "Missing command" in err


def test_an_error_pickles_with_its_hint():
    import pickle

    error = pickle.loads(pickle.dumps(MissingInput("a", "b")))
    assert isinstance(error, VlmunlError)
    assert (error.message, error.hint) == ("a", "b")
