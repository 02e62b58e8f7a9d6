"""How a worker is told to stop: words on a pipe of their own, which its cell looks at between two steps.

`STOP`: save what can be taken up again, and end the cell. `NOW`: do not wait for anything, though SIGTERM comes while
the cell could save. SIGTERM alone asks a cell to stop if it would notice soon, for whoever cancels a job signals all
its processes at once; a worker whose cell keeps nothing leaves at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from multiprocessing.connection import Connection

from vlmunl.stage_types import Stop

STOP, NOW = b"s", b"n"
UNHEARD = (signal.SIGINT, signal.SIGUSR1)
"""Signals that the scheduler gets too, and passes on as words."""


class Orders:
    """A worker's end of the pipe; `stop` is what the running cell is given."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe  # not to be closed by the collector
        self._fd = pipe.fileno()
        os.set_blocking(self._fd, False)
        self._heard = b""
        self.stop = Stop()

    def listen(self) -> None:
        """From now on heed signals as said above."""
        for number in UNHEARD:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._terminated)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, UNHEARD)

    def next_cell(self) -> Stop:
        """A new cell begins; what was said to the last one is over."""
        self._read()
        self._heard = b""
        self.stop = Stop(asked=self._asked)
        return self.stop

    def _asked(self) -> bool:
        self._read()
        return bool(self._heard)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nothing was said
            self._heard += os.read(self._fd, 64)

    def _terminated(self, number: int, frame: object) -> None:
        """Stop, or leave: unwind, so that the cell's claim and scratch directory are removed."""
        self._read()
        if self.stop.heeded and NOW not in self._heard:
            self._heard += STOP
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.exit(128 + number)
