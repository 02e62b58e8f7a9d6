"""`docs/reference/exit-codes.md`: what a command's exit code says, from the errors and the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from vlmunl import errors
from vlmunl.reference.cli import commands

HEAD = """# Exit codes

From the code; written by `python -m vlmunl.reference`, not by hand. An error is one line on stderr and mostly a second
one that says what to type; with `--json` it is a document `{"error": {"code", "message", "hint"}}` on stdout.
`--debug` shows the traceback.

| code | what it means |
|---|---|
"""
OTHERS = {
    0: "Done; or nothing was left to do.",
    130: "Interrupted (Ctrl-C). What is finished is kept, and the same command goes on from there.",
}
"""Codes that no error stands for."""


def page() -> str:
    """The page."""
    found: dict[int, list[str]] = {code: [text] for code, text in OTHERS.items()}
    for kind in _kinds(errors.VlmunlError):
        if not any(below.__module__ == errors.__name__ for below in kind.__subclasses__()):
            said = " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())
            found.setdefault(kind.exit_code, []).append(said)
    rows = "".join(f"| {code} | {' '.join(_distinct(texts))} |\n" for code, texts in sorted(found.items()))
    own = "".join(f"- `{name}`: {text}\n" for name, text in _told())
    return f"{HEAD}{rows}\nWhat single commands mean by theirs:\n\n{own}"


def _kinds(kind: type[errors.VlmunlError]) -> Iterator[type[errors.VlmunlError]]:
    """The error and all that are made of it, in the order of the file."""
    if kind.__module__ == errors.__name__:
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _told() -> Iterator[tuple[str, str]]:
    """(command, what its help says of exit codes)."""
    from typer.main import get_command

    from vlmunl.commands.app import app

    for path, command in commands(get_command(app)):
        text = " ".join(inspect.cleandoc(command.help or "").split())
        if match := re.search(r"Exit codes? (.*)", text):
            yield " ".join(path), match[1]
