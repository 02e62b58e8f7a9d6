"""The paper compiles with the generated files and without them; needs TeX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.latex import synthetic
from tests.latex.test_stage import make

FOLDER = Path(__file__).parents[2] / "latex"
pytestmark = [
    pytest.mark.latex,
    pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed"),
]


@pytest.mark.parametrize("which", ["full", "minimal", "nothing"])
def test_the_paper_compiles(which: str, tmp_path: Path) -> None:
    for name in ("paper.tex", "references.bib"):
        shutil.copy(FOLDER / name, tmp_path)
    if which != "nothing":
        document = synthetic.results() if which == "full" else synthetic.minimal()
        make(document, tmp_path / "made", figures=True)
        shutil.copytree(tmp_path / "made/out/generated", tmp_path / "generated/quick")
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
