"""What a run shows while it goes on."""

from __future__ import annotations

import io

import pytest

from vlmunl.commands.progress import Redrawn
from vlmunl.engine.run import execute
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.out import Out, clock, count, duration
from vlmunl.store import Store


def test_redrawn_lines_end_complete(space, monkeypatch):
    from rich.console import Console

    monkeypatch.setenv("TOY_WEAK", "1")
    study = load_study(space / "manifests" / "toy.toml")
    out = Out()
    page = io.StringIO()
    out.__dict__["console"] = Console(file=page, force_terminal=True, width=120)
    execute(plan(study, base_model(study, space)), Store.open(space / "store"), Redrawn(out), jobs=2)
    last = page.getvalue().rpartition("imprint")[2]
    assert "████████████████ \x1b" in last or "████████████████" in last
    assert "6/6" in last
    assert "seed 1 FAILED" in last
    assert "3 not run (gate failed)" in last


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (9.96, "10s"), (59.6, "1m 00s"), (102, "1m 42s"), (7500, "2h 05m")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_clock_and_count():
    assert [clock(s) for s in (7, 90, 3750)] == ["0:07", "1:30", "1:02:30"]
    assert [count(1, "cell"), count(2, "cell"), count(2, "study", "studies")] == ["1 cell", "2 cells", "2 studies"]
