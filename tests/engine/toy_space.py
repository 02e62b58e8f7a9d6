"""A workspace with a study on a pretended base model, and the toy stages in place of the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_stages

from vlmunl.stages.declared import STAGES

STUDY = """
[study]
name = "toy"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.npo]
[methods.retrain]
"""
MAIN = Path(__file__).parent / "toy_main.py"


@pytest.fixture
def space(tmp_path, monkeypatch):
    """The workspace; the current directory is in it."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "toy.toml").write_text(STUDY)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("TOY_", "VLMUNL_", "SLURM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "calls"))
    monkeypatch.setenv("TOY_ONCE", str(tmp_path / "once"))
    for name, stage in toy_stages.TOYS.items():
        monkeypatch.setitem(STAGES, name, stage)
    return tmp_path


@pytest.fixture
def calls(space):
    """What the toy stages were called for so far; reading empties the list."""

    def read():
        path = space / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return read


@pytest.fixture
def start(space):
    """Start `vlmunl ARGS` with the toy stages as a process."""
    started = []

    def begin(*args, stdout=subprocess.PIPE, **env):
        process = subprocess.Popen(
            [sys.executable, str(MAIN), *args],
            cwd=space,
            env={**os.environ, **env},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
