"""`docs/reference/cli.md`: every command with its arguments, options and examples, from the Typer app itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

HEAD = """# Commands

Every command, argument and option, from the code; written by `python -m vlmunl.reference`, not by hand. `vlmunl COMMAND
--help` says the same on a terminal. [Exit codes](exit-codes.md) are on a page of their own.
"""


def page() -> str:
    """The page."""
    from typer.main import get_command

    from vlmunl.commands.app import app

    top: Any = get_command(app)
    parts = [HEAD, *_contents(top), "## Options of every command", _paragraphs(top.help), *_parameters(top)]
    for path, command in commands(top):
        parts += [f"## {' '.join(path)}", *_section(path, command)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def commands(top: Any, path: tuple[str, ...] = ("vlmunl",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of all that is not hidden, groups before what is in them."""
    for name, command in top.commands.items():
        if not command.hidden:
            yield (*path, name), command
            yield from commands(command, (*path, name)) if hasattr(command, "commands") else ()


def _contents(top: Any) -> Iterator[str]:
    """The commands under the titles that `--help` has."""
    panels: dict[str, list[str]] = {}
    for name, command in top.commands.items():
        panels.setdefault(str(command.rich_help_panel), []).append(f"[{name}](#vlmunl-{name})")
    rows = "\n".join(f"| {panel} | {', '.join(names)} |" for panel, names in panels.items())
    yield f"| | commands |\n|---|---|\n{rows}"


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield f"```text\n{_usage(path, command)}\n```"
    yield _paragraphs(command.help)
    yield from _parameters(command)
    if examples := [line for line in (command.epilog or "").splitlines() if line.startswith("$ ")]:
        yield "```console\n" + "\n".join(examples) + "\n```"


def _usage(path: tuple[str, ...], command: Any) -> str:
    words = list(path)
    if any(p.param_type_name == "option" for p in command.params):
        words.append("[OPTIONS]")
    words += [_written(p) for p in command.params if p.param_type_name == "argument"]
    if hasattr(command, "commands"):
        words.append(command.subcommand_metavar)
    return " ".join(words)


def _parameters(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if not p.hidden]
    rows = [f"| `{_written(p)}` | {_meaning(p)} |" for p in sorted(shown, key=lambda p: p.param_type_name)]
    if rows:
        yield "\n".join(["| argument, option | meaning |", "|---|---|", *rows])


def _written(param: Any) -> str:
    """`STUDY`, `[NAME]`, `--seed N`, `--json`."""
    if param.param_type_name == "argument":
        name = str(param.metavar or param.name.upper())
        more = "..." if param.nargs == -1 else ""
        return f"{name}{more}" if param.required or name.startswith("[") else f"[{name}]{more}"
    names = ", ".join([*param.opts, *param.secondary_opts])
    if param.is_flag:
        return names
    return f"{names} {param.metavar or param.name.upper()}"


def _meaning(param: Any) -> str:
    """Its help, and the default where it is a value that the help does not tell."""
    text = " ".join((param.help or "").split()).replace("|", "\\|")
    default = param.default
    if param.is_flag if param.param_type_name == "option" else False:
        return text
    if isinstance(default, str | int | float) and not callable(default) and "default" not in text.lower():
        text += f" Default: `{default}`."
    return text


def _paragraphs(text: str | None) -> str:
    """A docstring's paragraphs, each on one line."""
    found = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in found)
