"""The toy workspace with a small study, `vlmunl` in this process, and the results of an undisturbed run."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy_space import STUDY, calls, space, start

import vlmunl.engine.pool
from tests.faults.ground import INLINE, SMALL
from tests.faults.inline import Inline

__all__ = ["calls", "space", "start"]


def _finished(folder: Path, study: str) -> Path:
    """A workspace in which the study was run from beginning to end."""
    (folder / "manifests").mkdir(parents=True)
    (folder / "manifests" / "toy.toml").write_text(study)
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text("{}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOY_", "VLMUNL_"))}
    subprocess.run([sys.executable, INLINE, "run", "toy", "--quiet"], cwd=folder, env=clean, check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The study of two seeds and three methods, finished. Not to be written to."""
    return _finished(tmp_path_factory.mktemp("undisturbed") / "space", STUDY)


@pytest.fixture(scope="session")
def undisturbed_small(tmp_path_factory):
    """The study of one seed and one method, finished. Not to be written to."""
    return _finished(tmp_path_factory.mktemp("undisturbed") / "small", SMALL)


@pytest.fixture
def small(space):
    """The workspace with the small study."""
    (space / "manifests" / "toy.toml").write_text(SMALL)
    return space


@pytest.fixture
def finished(small, undisturbed_small):
    """The workspace with the small study, already run."""
    for folder in ("store", "manifests", "latex"):
        shutil.copytree(undisturbed_small / folder, small / folder, dirs_exist_ok=True)
    return small


@pytest.fixture
def vlmunl_(space, monkeypatch):
    """Call `vlmunl ARGS` in this process, its one worker included; returns (exit code, all that it said)."""
    from vlmunl.__main__ import main
    from vlmunl.commands import carry_out

    monkeypatch.setattr(carry_out, "show_results", lambda *args: False)
    monkeypatch.setattr(carry_out, "claims_left_out", lambda *args: ())
    monkeypatch.setattr(vlmunl.engine.pool, "Pool", Inline)

    def call(*args):
        text = io.StringIO()
        with pytest.raises(SystemExit) as left, contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            main(args)
        return left.value.code or 0, text.getvalue()

    return call
