"""`vlmunl init`: a workspace that can be used, from the package alone, and nothing that is there is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vlmunl.manifests import shipped
from vlmunl.manifests.load import load_study
from vlmunl.new_workspace import begin

REPO = Path(__file__).parents[2]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Call `vlmunl ARGS` in an empty folder; returns (exit code, stdout, stderr)."""
    from vlmunl.__main__ import main

    for name in ("VLMUNL_WORKSPACE", "VLMUNL_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(args)
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_what_it_makes_is_a_workspace_and_it_says_what_to_type(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call("init", "my audit")
    assert code == 0
    assert "5 files in my audit" in out
    assert out.endswith("next: cd 'my audit' && vlmunl run first --dry-run\n")
    monkeypatch.chdir(tmp_path / "my audit" / "latex")
    code, out, _ = call("run", "first", "--dry-run")
    assert code == 0
    assert out.startswith("first  tiny + 16 fictitious people (8 to forget), 1 seed, 1 method, ")
    assert not (tmp_path / "my audit" / "store" / "LAYOUT.json").exists()


def test_nothing_is_overwritten_and_other_files_are_left_alone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.txt").write_text("mine")
    (tmp_path / "here" / "README.md").write_text("mine")
    code, _, err = call("init", "here")
    assert code == 2
    assert "here/README.md is there already, and nothing is overwritten" in err
    assert {p.name for p in (tmp_path / "here").rglob("*")} == {"notes.txt", "README.md"}
    (tmp_path / "here" / "README.md").unlink()
    assert call("init", "here")[0] == 0
    assert (tmp_path / "here" / "notes.txt").read_text() == "mine"
    assert call("init", "here")[0] == 2
    assert call("init", "here/notes.txt")[0] == 2


def test_a_dangling_link_is_not_written_through(call: Call, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "README.md").symlink_to(tmp_path / "elsewhere.md")
    assert call("init", "here")[0] == 2
    assert not (tmp_path / "elsewhere.md").exists()


def test_every_shipped_study_can_be_begun_with(tmp_path: Path) -> None:
    for name in shipped.names():
        begun = begin(tmp_path / name, name)
        study = load_study(tmp_path / name / "manifests" / f"{name}.toml")
        assert study.name == begun.study == name


def test_the_projects_studies_are_shipped_as_they_stand() -> None:
    ours = {path.stem: path.read_text() for path in (REPO / "manifests").glob("*.toml")}
    assert shipped.names() == ["first", *sorted(ours)]
    assert {name: shipped.text(name) for name in ours} == ours


def test_own_people_come_with_people(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("init", "mine", "--study", "own-people", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["study"] == "own-people"
    assert len(document["files"]) == 5 + 81
    monkeypatch.chdir(tmp_path / "mine")
    code, out, _ = call("benchmarks", "check", "examples/people")
    assert code == 0
    assert "0 errors, 0 warnings" in out
    assert call("run", "own-people", "--dry-run")[0] == 0


def test_a_misspelt_study_names_the_nearest(call: Call, tmp_path: Path) -> None:
    code, _, err = call("init", "mine", "--study", "own-poeple")
    assert code == 2
    assert "did you mean 'own-people'" in err
    assert not (tmp_path / "mine").exists()


@pytest.mark.slow
def test_an_installed_package_needs_no_checkout(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="needs setuptools 77: pip install -U setuptools")
    source = tmp_path / "source"
    for name in ("vlmunl", "manifests"):
        shutil.copytree(REPO / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, source)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*wheel, "-w", str(tmp_path), str(source)], check=True, capture_output=True)
    (made,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    unpack = [sys.executable, "-m", "zipfile", "-e", str(made), str(site)]
    subprocess.run(unpack, check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith("VLMUNL_")} | {"PYTHONPATH": str(site)}
    for args in (
        ["init", "a"],
        ["init", "b", "--study", "own-people"],
        ["--workspace", "a", "run", "first", "--dry-run"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "vlmunl", *args], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "a" / "manifests" / "first.toml").is_symlink()
