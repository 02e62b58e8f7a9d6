"""PDF from a workspace's LaTeX: its own paper, or a small document of a study's tables where it has none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from vlmunl.errors import ToolMissing, VlmunlError
from vlmunl.workspace import write_file

PROGRAM = "latexmk"
PACKAGES = "latexmk texlive-latex-recommended texlive-latex-extra lmodern"
"""The Debian packages that bring all that is needed."""
PAPERS = ("paper.tex", "supplement.tex")
BUILD = "build"
_STUDIES = re.compile(r"^[^%\n]*\\usestudies\{([^}]*)\}", re.MULTILINE)
_ERROR = re.compile(r"^(\S[^:\n]*):(\d+): (.*)$", re.MULTILINE)
_LOST = re.compile(r"^! (.*)$", re.MULTILINE)
_TAIL = 400


def studies_of(folder: Path) -> tuple[str, ...]:
    """The studies that a workspace's paper takes in, `\\usestudies{quick,routes}`; none without a paper."""
    named: dict[str, None] = {}
    for source in _sources(folder):
        for group in _STUDIES.findall(source.read_text(encoding="utf-8", errors="replace")):
            named |= dict.fromkeys(name.strip() for name in group.split(",") if name.strip())
    return tuple(named)


def documents(folder: Path, study: str) -> tuple[Path, ...]:
    """What is to be compiled for a study: the paper and supplement that take it in, else a document of its tables.

    That document is written to `build/STUDY.tex` below `folder`, the workspace's `latex/`.
    """
    papers = _sources(folder)
    if papers and study in studies_of(folder):
        return tuple(path for path in papers if path.name in PAPERS)
    template = files("vlmunl.latex").joinpath("assets/study.tex").read_text(encoding="utf-8")
    made = folder / BUILD / f"{study}.tex"
    write_file(made, template.replace("@STUDY@", study).encode())
    return (made,)


def _sources(folder: Path) -> tuple[Path, ...]:
    """The paper, the supplement, and what they read in, if there is a paper."""
    if not (folder / PAPERS[0]).is_file():
        return ()
    named = dict.fromkeys([*(folder / name for name in PAPERS), *sorted(folder.glob("*.tex"))])
    return tuple(path for path in named if path.is_file())


def require() -> None:
    """Raises: ToolMissing, naming the Debian packages, if there is no TeX."""
    if shutil.which(PROGRAM) is None:
        raise ToolMissing(
            f"no PDF was made: {PROGRAM} is not on this machine; all tables and figures are written",
            f"Debian: apt-get install {PACKAGES}",
        )


def compile_pdf(source: Path, folder: Path) -> Path:
    """Compile one document with latexmk, from `folder`, into `folder/build`; the PDF.

    Equal sources give equal bytes: the date is SOURCE_DATE_EPOCH, or 1970. Nothing is done where nothing changed.

    Raises:
        ToolMissing: there is no TeX.
        VlmunlError: LaTeX stopped; the message is its first error as `file:line: message`.
    """
    require()
    options = ("-pdf", "-norc", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", f"-outdir={BUILD}")
    (folder / BUILD).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [PROGRAM, *options, os.path.relpath(source, folder)],
        cwd=folder,
        env=_environment(os.environ),
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    pdf = folder / BUILD / f"{source.stem}.pdf"
    if done.returncode or not pdf.is_file():
        log = folder / BUILD / f"{source.stem}.log"
        raise VlmunlError(first_error(done.stdout + done.stderr), f"all that LaTeX said: {log}")
    return pdf


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    epoch = given.get("SOURCE_DATE_EPOCH") or "0"
    width = {"max_print_line": "1000"}  # else TeX breaks its messages after 79 characters
    return {**given, **width, "SOURCE_DATE_EPOCH": epoch, "FORCE_SOURCE_DATE": "1", "TZ": "UTC"}


def first_error(text: str) -> str:
    """`paper.tex:12: Undefined control sequence`: LaTeX's first error in one line."""
    if found := _ERROR.search(text):
        return f"{found[1].removeprefix('./')}:{found[2]}: {found[3].strip().rstrip('.')}"
    if found := _LOST.search(text):
        return f"LaTeX: {found[1].strip()}"
    return f"LaTeX failed: {' '.join(text.split())[-_TAIL:]}"
