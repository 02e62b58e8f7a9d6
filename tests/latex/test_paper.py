"""The paper compiles with the generated files and without them, byte for byte the same; needs TeX."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.latex import synthetic
from tests.latex.test_stage import make
from vlmunl.errors import ToolMissing, VlmunlError
from vlmunl.latex import pdf

FOLDER = Path(__file__).parents[2] / "latex"
needs_tex = [
    pytest.mark.latex,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("latexmk") is None, reason=f"no latexmk; Debian: apt-get install {pdf.PACKAGES}"),
]


def workspace(folder: Path, *, which: str = "", paper: bool = True) -> Path:
    """A workspace's `latex/`, with the paper and the made-up study quick."""
    latex = folder / "latex"
    if paper:
        shutil.copytree(FOLDER, latex, ignore=shutil.ignore_patterns("generated", "build"))
    if which:
        document = synthetic.results() if which == "full" else synthetic.minimal()
        make(document, folder / "made", figures=True)
        shutil.copytree(folder / "made/out/generated", latex / "generated/quick")
    latex.mkdir(exist_ok=True)
    return latex


class TestWithTex:
    """What runs LaTeX."""

    pytestmark = needs_tex

    @pytest.mark.parametrize("which", ["minimal", ""])
    def test_the_paper_compiles(self, which: str, tmp_path: Path) -> None:
        latex = workspace(tmp_path, which=which)
        if which:  # the made-up study has other methods than the paper speaks of
            text = (latex / "generated/quick/numbers.tex").read_text()
            (latex / "generated/quick/numbers.tex").write_text(text + "\\renewcommand{\\vlmunlunknown}[2]{}\n")
        sources = pdf.documents(latex, "quick")
        assert [source.name for source in sources] == ["paper.tex", "supplement.tex"]
        for source in sources:
            assert pdf.compile_pdf(source, latex).stat().st_size > 10_000

    def test_a_study_of_ones_own_gets_a_document_twice_the_same(self, tmp_path: Path) -> None:
        made = []
        for name in ("one", "two"):
            latex = workspace(tmp_path / name, which="full", paper=False)
            (source,) = pdf.documents(latex, "quick")
            made.append(pdf.compile_pdf(source, latex).read_bytes())
        assert made[0] == made[1]
        assert len(made[0]) > 50_000

    def test_an_error_is_one_line_with_its_place(self, tmp_path: Path) -> None:
        latex = workspace(tmp_path, which="full", paper=False)
        source = latex / "paper.tex"
        source.write_text(
            "\\documentclass{article}\n\\begin{document}\n\\input{generated/quick/numbers.tex}\n\\vlmunl{npo.wrc}\n"
            "\\end{document}\n"
        )
        with pytest.raises(VlmunlError, match=r"^paper\.tex:4: vlmunl: study quick has no figure npo\.wrc$"):
            pdf.compile_pdf(source, latex)
        source.write_text("\\documentclass{article}\n\\begin{document}\n\\nosuchthing\n\\end{document}\n")
        with pytest.raises(VlmunlError, match=r"^paper\.tex:3: Undefined control sequence$"):
            pdf.compile_pdf(source, latex)


def test_which_documents_show_a_study(tmp_path: Path) -> None:
    latex = workspace(tmp_path)
    assert "quick" in pdf.studies_of(latex)
    assert [source.name for source in pdf.documents(latex, "quick")] == ["paper.tex", "supplement.tex"]
    (other,) = pdf.documents(latex, "mine")
    assert other == latex / "build" / "mine.tex"
    assert "generated/mine" in other.read_text()
    assert "@STUDY@" not in other.read_text()
    assert pdf.studies_of(tmp_path / "nothing") == ()


def test_without_tex_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as caught:
        pdf.require()
    assert caught.value.exit_code == 69
    assert "texlive-latex-extra" in caught.value.hint


def test_the_first_error_in_one_line() -> None:
    said = "This is pdfTeX\n./sections/a.tex:12: LaTeX Error: File `x.sty' not found.\n\nType X\n./paper.tex:1: later\n"
    assert pdf.first_error(said) == "sections/a.tex:12: LaTeX Error: File `x.sty' not found"
    assert pdf.first_error("! Emergency stop.\n").startswith("LaTeX: Emergency stop")
    assert pdf.first_error("what").endswith("what")
