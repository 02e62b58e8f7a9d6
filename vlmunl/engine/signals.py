"""Stopping cleanly: a signal sets a flag that the scheduler looks at between two messages."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from vlmunl.errors import Stopped

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # USR1: Slurm's warning before a time limit
GRACE = {signal.SIGINT: 10.0, signal.SIGTERM: 20.0, signal.SIGUSR1: 90.0}
"""Seconds that cells have to save their state: who types Ctrl-C waits, Slurm kills 30 s after SIGTERM (KillWait), and
its warning comes as long before the time limit as `--signal` says (120 s in the scripts that vlmunl writes)."""
SECONDS = "VLMUNL_GRACE"
"""Replaces all of them."""


class Watch:
    """Catches signals while its `with` block runs. The first asks to stop, a second to stop at once.

    After the second, and after a first SIGINT for SIGINT, signals have their usual effect.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self.again = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Watch:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore(*self._before)

    @property
    def grace(self) -> float:
        """Seconds that running cells have to save their state."""
        told = os.environ.get(SECONDS, "")
        return float(told) if told.isdecimal() else GRACE[signal.Signals(self.came or signal.SIGTERM)]

    @property
    def name(self) -> str:
        """The signal that came."""
        return signal.Signals(self.came).name if self.came is not None else ""

    def error(self, told: str, *, further: bool) -> BaseException:
        """What to raise: KeyboardInterrupt for SIGINT (exit code 130), else `Stopped` (75). `told` says what is kept,
        and `further` whether anything was done since the beginning.
        """
        if self.came == signal.SIGINT:
            return KeyboardInterrupt(told)
        error = Stopped(f"stopped by {self.name}; {told}", "run the same command again: what is finished is kept")
        error.warned = self.came == signal.SIGUSR1
        error.further = further
        return error

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came is None:
            self.came = number
            self._restore(signal.SIGINT)  # whoever types it twice does not want to wait for anything
        else:
            self.again = True
            self._restore(*self._before)

    def _restore(self, *numbers: int) -> None:
        for number in numbers:
            if number in self._before:
                signal.signal(number, self._before.pop(number))
