"""A command line of a page, carried out."""

from __future__ import annotations

import shlex

import pytest

from tests.docs.command_lines import Do, commands


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Do:
    """Carry out a line in this process; returns what it printed."""
    from vlmunl.__main__ import main

    for name in ("VLMUNL_WORKSPACE", "VLMUNL_STORE"):
        monkeypatch.delenv(name, raising=False)

    def call(line: str, code: int) -> str:
        said = ""
        for words in commands(line):
            with pytest.raises(SystemExit) as left:
                main(words[1:])
            out, err = capsys.readouterr()
            said += out
            assert int(left.value.code or 0) == code, (
                f"{shlex.join(words)}: {left.value.code}\n{out[-2000:]}{err[-2000:]}"
            )
        return said

    return call
