"""The toy workspace of the engine's tests, and `vlmunl` called in this process."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from toy_space import calls, space, start

__all__ = ["calls", "cli", "space", "start"]


@pytest.fixture
def cli(space, monkeypatch, capsys):
    """Call `vlmunl ARGS`; returns (exit code, stdout, stderr) with runs of blanks as one. No results table."""
    from vlmunl.__main__ import main
    from vlmunl.commands import carry_out

    monkeypatch.setattr(carry_out, "show_results", lambda *args: None)
    monkeypatch.setattr(carry_out, "claims_left_out", lambda *args: ())

    def call(*args):
        with pytest.raises(SystemExit) as left:
            main(args)
        captured = capsys.readouterr()
        return left.value.code or 0, re.sub(" +", " ", captured.out), captured.err

    return call
