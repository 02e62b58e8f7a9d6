"""`vlmunl`: the command line with its error table and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from vlmunl.errors import VlmunlError
from vlmunl.out import Out

_FLAGS = ("--json", "--quiet", "--debug", "--version")
_VALUES = ("--workspace", "--store")
_OFTEN = {"--watch": "10"}
"""Options whose number may be left out."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 failed, 2 usage, 3 gate failed, 4 not complete, 5 store damaged, ..."""
    given = hoist(sys.argv[1:] if argv is None else argv)
    with contextlib.ExitStack() as ends:
        if {"RANK", "WORLD_SIZE"} <= os.environ.keys():
            _meet(ends)
        _carry_out(given)


def _meet(ends: contextlib.ExitStack) -> None:
    """Started once per rank by a launcher: rank 0 leads, the others follow and never return."""
    from vlmunl.engine import launched

    if not launched.is_launched():
        return
    if launched.number():
        sys.exit(launched.following())
    ends.enter_context(launched.leading())


def _carry_out(given: list[str]) -> NoReturn:
    out = Out(as_json="--json" in given, quiet=False)
    debug = "--debug" in given or os.environ.get("VLMUNL_DEBUG") == "1"
    try:
        from vlmunl.commands.app import app

        app(args=given, prog_name="vlmunl")
    except VlmunlError as error:
        if debug:
            raise
        out.error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        out.note("interrupted; what is finished is kept")
        sys.exit(130)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    sys.exit(0)


def hoist(argv: Sequence[str]) -> list[str]:
    """Put the global options, which may stand anywhere before `--`, in front of the subcommand."""
    front: list[str] = []
    rest: list[str] = []
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if token == "--":
            return [*front, *rest, token, *tokens]
        if token in _FLAGS or token.partition("=")[0] in _VALUES:
            front.append(token)
            if token in _VALUES and tokens:
                front.append(tokens.pop(0))
        else:
            rest.append(token)
            if token in _OFTEN and not (tokens and tokens[0].replace(".", "", 1).isdecimal()):
                rest.append(_OFTEN[token])
    return [*front, *rest]


if __name__ == "__main__":
    main()
