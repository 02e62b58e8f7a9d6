"""The output sink: data on stdout, talk on stderr, one JSON document with `--json`, nothing with `--quiet`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from vlmunl.columns import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from vlmunl.columns import Cell
    from vlmunl.errors import VlmunlError

NEVER = 1 << 30
WIDE = 200
"""Columns when not on a terminal: nothing is cut that a script or a log could need."""


@dataclass
class Out:
    """Where a command's output goes. In JSON mode stdout has the one document of `document` and nothing else."""

    as_json: bool = False
    quiet: bool = False

    @property
    def live(self) -> bool:
        """May lines be redrawn? Only on a terminal, for a human."""
        dumb = os.environ.get("TERM", "") in ("dumb", "")
        return sys.stdout.isatty() and not self.as_json and not self.quiet and not dumb

    @cached_property
    def console(self) -> Console:
        """Rich on stdout: the terminal's width, or a wide page without colour where there is none."""
        from rich.console import Console

        if sys.stdout.isatty():
            return Console(highlight=False)
        return Console(highlight=False, color_system=None, force_terminal=False, width=WIDE)

    def line(self, text: str = "") -> None:
        """A plain line of the result, never wrapped."""
        if not self.as_json and not self.quiet:
            _write(sys.stdout, text)

    def show(self, renderable: object) -> None:
        """Something rich (a table, a tree), or text."""
        if self.as_json or self.quiet:
            return
        if sys.stdout.isatty():
            self.console.print(renderable)
            return
        with self.console.capture() as captured:  # without the blanks that pad a table to its width
            self.console.print(renderable)
        _write(sys.stdout, "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))

    def columns(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Rows of (text, style) cells, aligned; the last column wraps on a terminal."""
        if self.as_json or self.quiet:
            return
        if not sys.stdout.isatty():
            lines = ("".join(text for text, _ in pieces).rstrip() for pieces in aligned(rows, NEVER))
            _write(sys.stdout, "\n".join(lines))
            return
        from rich.text import Text

        lines_of_text = (Text.assemble(*pieces) for pieces in aligned(rows, self.console.width))
        self.console.print(Text("\n").join(lines_of_text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Talk: progress and remarks, on stderr."""
        if not self.quiet:
            _write(sys.stderr, text)

    def document(self, value: Any) -> None:
        """The one JSON document; printed in JSON mode only."""
        if self.as_json:
            plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
            _write(sys.stdout, json.dumps(value, indent=1, ensure_ascii=plain, allow_nan=False))

    def error(self, error: VlmunlError) -> None:
        """A failure: its message and hint on stderr, in JSON mode as a document on stdout."""
        if self.as_json:
            detail = {"code": error.exit_code, "message": error.message, "hint": error.hint}
            self.document({"error": detail})
            return
        _write(sys.stderr, f"error: {error.message}")
        if error.hint:
            _write(sys.stderr, f"  {error.hint}")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text + "\n")
    except UnicodeEncodeError:  # a locale without UTF-8: a "?" in place of an ellipsis is no reason to die
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def duration(seconds: float) -> str:
    """`0.4s`, `41s`, `1m 42s`, `2h 05m`."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def clock(seconds: float) -> str:
    """Time left as `0:07` or `1:02:30`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 cell`, `3 cells`."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
