"""Both ends of the range of the Hub's library that the package takes, by LFS and by Xet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from publishing import contents
from server import serving

from vlmunl.commands.session import Session

pytestmark = [pytest.mark.hub, pytest.mark.slow]
OLDEST = "1.31.0"
REPO = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the library in the wanted version, to be put before all others; none for the installed one."""
    if request.param == "installed":
        return ""
    folder = tmp_path_factory.mktemp("library")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    done = subprocess.run([*pip, f"huggingface_hub=={request.param}"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"pip cannot install huggingface_hub {request.param} here: {done.stderr.strip()[-200:]}")
    return str(folder)


@pytest.mark.parametrize("transport", ["lfs", "xet"])
@pytest.mark.parametrize("library", ["installed", OLDEST], indirect=True)
def test_a_study_goes_there_and_comes_back(library: str, transport: str, finished: Session, tmp_path: Path) -> None:
    if transport == "xet":
        pytest.importorskip("hf_xet", reason="hf_xet is not installed: pip install hf_xet")
    root, other = tmp_path / "root", tmp_path / "other"
    shutil.copytree(finished.workspace.root, root)
    with serving(tmp_path / "hub", with_xet=transport == "xet") as hub:
        path = os.pathsep.join(part for part in (library, str(REPO)) if part)
        done = subprocess.run(
            [sys.executable, "-m", "tests.hub.other_client", str(root), str(other), hub.url],
            cwd=REPO,
            env={**os.environ, **hub.environment(), "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert bool(hub.asked("PUT", "/objects/")) == (transport == "lfs")
        assert not any(entry.authenticated for entry in hub.log if entry.storage)
    assert hub.write not in done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["made"], told["transport"]) == ([True, False], transport)
    if library:
        assert told["library"] == OLDEST
    assert contents(other / "manifests") == contents(root / "manifests")
    assert contents(other / "latex") == contents(root / "latex")
