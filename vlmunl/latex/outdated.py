"""Is a PDF still that of its sources? From the list that latexmk keeps beside it: TeX itself is not needed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vlmunl.latex.pdf import BUILD

_SOURCE = re.compile(r'^  "(?P<path>(?!/)[^"]+)" \S+ -?\d+ (?P<md5>[0-9a-f]{32}) ""$', re.MULTILINE)
"""A file that no step of the build wrote: path, time, size, md5, and nothing as its maker (latexmk, format 3 and 4)."""


def changed_since(folder: Path, name: str) -> str:
    """The first source of `build/NAME.pdf` that is not what it was, below `folder`, the workspace's `latex/`.

    Empty if none is, and where that cannot be told: latexmk did not make the PDF, or its list is gone.
    """
    try:
        listed = (folder / BUILD / f"{name}.fdb_latexmk").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for source in _SOURCE.finditer(listed):
        path = Path(source["path"])
        if path.parts[:1] != (BUILD,) and _md5(folder / path) != source["md5"]:
            return str(path)
    return ""


def _md5(path: Path) -> str:
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return ""
