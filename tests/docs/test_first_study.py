"""The first page's two lines, from nothing to a verdict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.command_lines import ROOT, Do, lines


@pytest.mark.model
@pytest.mark.slow
def test_the_first_study_passes_its_gate(do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = [line.text for line in lines(ROOT / "docs" / "index.md")]
    assert told == ["vlmunl init my-audit", "vlmunl --workspace my-audit run first"]
    said = [do(line, 0) for line in told][-1]
    assert "seed 0: gate passed" in said
    assert re.search(r"^npo +.*recovers$", said, re.MULTILINE)
