"""The command lines that README and documentation show, and parsing them as the command line itself would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Do = Callable[[str, int], str]
"""Carry a line out, which is to end with this exit code; what it printed."""
ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELLS = ("sh", "bash", "shell", "console")
STOPS = ("&&", "||", "|", ";")


@dataclass(frozen=True)
class Line:
    """One command, as it stands on a page; `line` is where."""

    page: str
    line: int
    text: str

    @property
    def where(self) -> str:
        """`README.md:140`."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page with commands for a reader."""
    found = [ROOT / "README.md", ROOT / "commands" / "README.md", ROOT / "manifests" / "README.md"]
    found += [ROOT / "latex" / "README.md", ROOT / "store" / "README.md"]
    return [*found, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]


def lines(path: Path) -> Iterator[Line]:
    """All commands of a page: of shell blocks, of console blocks behind a `$`, and of indented blocks."""
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    for match in FENCE.finditer(text):
        if match[1] in SHELLS:
            first = text.count("\n", 0, match.start()) + 2
            yield from _block(name, first, match[2], prompt=match[1] == "console")
    plain = FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)
    for number, row in enumerate(plain.splitlines(), start=1):
        if re.match(r"    (vlmunl|sbatch|cd|make) ", row):
            yield Line(name, number, _said(row))


def spans(path: Path) -> Iterator[Line]:
    """Commands in the running text: `vlmunl ...` between backticks."""
    text = FENCE.sub(lambda m: "\n" * m[0].count("\n"), path.read_text(encoding="utf-8"))
    for match in re.finditer(r"`(vlmunl [^`]+)`", text):
        said = " ".join(match[1].split())
        if not re.search(r"…|\.\.\.|[,|(]", said):
            yield Line(str(path.relative_to(ROOT)), text.count("\n", 0, match.start()) + 1, said)


def _block(page: str, first: int, text: str, *, prompt: bool) -> Iterator[Line]:
    for number, row in enumerate(text.splitlines(), start=first):
        if prompt and not row.startswith("$ "):
            continue
        said = _said(row.removeprefix("$ ") if prompt else row)
        if said:
            yield Line(page, number, said)


def _said(row: str) -> str:
    """Without indentation and a comment at the end."""
    return re.sub(r"(^|\s+)#.*$", "", row).strip()


def commands(text: str) -> list[list[str]]:
    """The words of each command of a line: `a && b` has two, and in `a >> b` the second is no command."""
    found: list[list[str]] = [[]]
    words = iter(shlex.split(text))
    for word in words:
        if word in (">", ">>"):
            next(words)
        elif word in STOPS:
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command]


# ------------------------------------------------------------------------------------------- parsing


@cache
def _tree() -> Any:
    """The real commands, with leaves that say what they were given and do nothing."""
    from typer.main import get_command

    from vlmunl.commands.app import app

    top = get_command(app)
    _still(top)
    return top


def _still(command: Any) -> None:
    for below in getattr(command, "commands", {}).values():
        _still(below)
        below.callback = lambda name=below.name, **params: (name, params)


def parse(args: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters, converted.

    Raises:
        ValueError: no such command, argument or option.
    """
    from vlmunl.__main__ import hoist

    top = _tree()
    try:
        found = top.main(args=hoist(args), prog_name="vlmunl", standalone_mode=False)
    except Exception as error:  # Typer's copy of Click, whose errors have no name of ours
        said = error.format_message() if hasattr(error, "format_message") else error
        raise ValueError(f"vlmunl {shlex.join(args)}: {said}") from error
    return found if isinstance(found, tuple) else ("", {})
