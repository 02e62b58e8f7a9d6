"""A PDF is that of its sources, or it is not: told from the list that latexmk keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vlmunl.latex.outdated import changed_since
from vlmunl.latex.pdf import PROGRAM, compile_pdf

LISTED = """# Fdb version 4
["pdflatex"] 1795337615 "paper.tex" "build/paper.pdf" "paper" 1795337617 0
  "/usr/share/texlive/texmf-dist/tex/latex/base/article.cls" 1 2 00000000000000000000000000000000 ""
  "build/paper.aux" 1795337616 8708 2cde8e44eabb1dd91abf397cc541e127 "pdflatex"
  "generated/a b/main.tex" 1795337553 2 60b725f10c9c85c70d97880dfe8191b3 ""
  "paper.tex" 1795336061 2 3b5d5c3712955042212316173ccf37be ""
  (generated)
  "build/paper.log"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A paper and what it reads; latexmk has listed both."""
    for name, text in (("generated/a b/main.tex", "a\n"), ("paper.tex", "b\n"), ("build/paper.fdb_latexmk", LISTED)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_only_content_counts(folder: Path) -> None:
    assert changed_since(folder, "paper") == ""
    (folder / "paper.tex").touch()
    assert changed_since(folder, "paper") == ""
    (folder / "generated/a b/main.tex").write_text("another number\n")
    assert changed_since(folder, "paper") == "generated/a b/main.tex"


def test_a_source_that_is_gone_is_another_one(folder: Path) -> None:
    (folder / "paper.tex").unlink()
    assert changed_since(folder, "paper") == "paper.tex"


def test_without_a_list_nothing_is_claimed(folder: Path) -> None:
    (folder / "paper.tex").write_text("another\n")
    assert changed_since(folder, "supplement") == ""


@pytest.mark.latex
@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")
def test_the_list_is_that_of_a_real_latexmk(tmp_path: Path) -> None:
    (tmp_path / "part.tex").write_text("one")
    (tmp_path / "paper.tex").write_text("\\documentclass{article}\\begin{document}\\input{part}\\end{document}\n")
    compile_pdf(tmp_path / "paper.tex", tmp_path)
    assert changed_since(tmp_path, "paper") == ""
    (tmp_path / "part.tex").write_text("two of them")
    assert changed_since(tmp_path, "paper") == "part.tex"
    compile_pdf(tmp_path / "paper.tex", tmp_path)
    assert changed_since(tmp_path, "paper") == ""
