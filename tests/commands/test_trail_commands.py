"""`trace`, `diff` and `status --why` on the toy study: exit codes, one JSON document, and no heavy import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.commands.test_cli import HEAVY

SMALL = ("--jobs", "1", "--set", "study.seeds=[0]")
ABOVE = ("--only", "data", "--only", "imprint", "--only", "gate", "--jobs", "1")


def test_why_before_and_after(cli, space):
    code, out, _ = cli("status", "toy", "--why")
    assert code == 4
    assert " data pending " in out
    assert "waits for data (first run)" in out
    assert not (space / "store").exists()
    cli("run", "toy", *ABOVE)
    _, out, _ = cli("status", "toy", "--why", "--set", "imprint.steps=7")
    assert "changed: optim.steps 150 -> 7" in out
    assert "(changed: optim.steps 100 -> 5)" in out  # gold: two thirds of the people
    assert "waits for imprint/" in out


def test_why_after_a_failure(cli, monkeypatch):
    monkeypatch.setenv("TOY_FAIL", "unlearn/npo/0")
    cli("run", "toy", "--only", "unlearn/npo", *ABOVE)
    code, out, _ = cli("status", "toy", "--why", "--json")
    rows = {row["cell"]: row for row in json.loads(out)["cells"]}
    assert code == 1
    assert rows["unlearn/npo/seed0"]["why"]["kind"] == "failed before"
    assert rows["eval/npo/seed0"]["why"]["because"] == ["unlearn/npo/seed0"]
    assert rows["unlearn/npo/seed1"]["why"]["kind"] == "record"


def test_diff_of_a_study_before_and_after_a_change(cli, space):
    assert cli("diff", "toy", "toy")[0] == 0  # no results yet: the study files are compared
    cli("run", "toy", *SMALL)
    (space / "before.json").write_bytes((space / "manifests" / "toy" / "run_manifest.json").read_bytes())
    cli("run", "toy", *SMALL, "--set", "methods.ga.lr=0.5")
    code, out, _ = cli("diff", "before.json", "toy", "--exit-code")
    assert code == 1
    assert "optim.lr 0.0005 -> 0.5" in out
    assert "its output is the same" in out  # the toy method does not read its rate
    assert "eval/ga/seed0" not in out
    document = json.loads(cli("diff", "before.json", "toy", "--json")[1])
    assert [c["cell"] for c in document["cells"]] == ["unlearn/ga/seed0"]


def test_results_that_cannot_be_read_are_told_in_one_line(cli):
    code, _, err = cli("trace", "toy", "npo.wcr")
    assert (code, err.count("\n")) == (1, 2)
    assert "first: vlmunl run toy" in err
    cli("run", "toy", *SMALL)  # the toy results are no results
    code, _, err = cli("trace", "toy", "npo.wcr")
    assert code == 1
    assert err.startswith("error: verified results have schema")


@pytest.mark.parametrize("command", ["trace", "diff", "status"])
def test_help_is_light(command):
    code = (
        "import sys\nfrom vlmunl.__main__ import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit as e: assert not e.code\n"
        f"bad = [m for m in {HEAVY!r} if m in sys.modules]\nassert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"$ vlmunl {command}" in done.stdout
