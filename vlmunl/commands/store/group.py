"""The group `vlmunl store`: its subcommands, one file each. Nothing heavy is imported here.

A subcommand's module has `EXAMPLES` and a function; to add one, import the module and give it a line below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from vlmunl.commands.store import du, export, gc, import_, ls, pin, unpin, verify

group = typer.Typer(
    name="store",
    help="Look after the artifact store: check it, see what it holds, clear away what nothing needs.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: vlmunl store verify",
)


@group.callback()
def _group() -> None:
    """Look after the artifact store: check it, see what it holds, clear away what nothing needs."""


_COMMANDS: tuple[tuple[str, tuple[str, ...], Callable[..., Any]], ...] = (
    ("verify", verify.EXAMPLES, verify.verify),
    ("gc", gc.EXAMPLES, gc.gc),
    ("ls", ls.EXAMPLES, ls.ls),
    ("du", du.EXAMPLES, du.du),
    ("pin", pin.EXAMPLES, pin.pin),
    ("unpin", unpin.EXAMPLES, unpin.unpin),
    ("export", export.EXAMPLES, export.export),
    ("import", import_.EXAMPLES, import_.import_),
)

for _name, _lines, _command in _COMMANDS:
    _examples = "\n\n".join(f"$ {line}" for line in _lines)
    group.command(_name, epilog=f"Examples:\n\n{_examples}")(_command)
