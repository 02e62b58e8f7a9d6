"""Showing work that is measured in bytes: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from vlmunl.out import Out, clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 30.0
"""Seconds between two lines when lines cannot be redrawn; work that is quicker than this says nothing."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class ByteProgress:
    """Call it with (bytes done, bytes in all), inside a `with` block."""

    def __init__(self, out: Out, verb: str) -> None:
        self.out, self.verb = out, verb
        self.began = self.spoke = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """`done` bytes of `total` are through."""
        if self.out.live:
            self._draw(done, total)
            return
        now = time.monotonic()
        if now - self.spoke >= EVERY:
            self.spoke = now
            rate = done / (now - self.began)
            left = clock((total - done) / rate) if rate else "?"
            self.out.note(f"  {self.verb}: {size(done)} of {size(total)}, {size(round(rate))}/s, {left} left")

    def _draw(self, done: int, total: int) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        if self._bar is None:
            columns = ("  " + self.verb, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.out.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("")
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)


def size(count: int) -> str:
    """`812 bytes`, `3.4 MB`; in powers of 1,000, as disks are sold and as `ls --si` counts."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"
