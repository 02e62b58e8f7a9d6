"""Stopping cleanly: a signal sets a flag that the scheduler looks at between two messages."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from vlmunl.errors import Stopped

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # USR1: Slurm's warning before a time limit


class Watch:
    """Catches the first signal while its `with` block runs; a second one has its usual effect at once."""

    def __init__(self) -> None:
        self._came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Watch:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raise if a signal came.

        Raises:
            KeyboardInterrupt: SIGINT (exit code 130).
            Stopped: SIGTERM or SIGUSR1 (exit code 75).
        """
        if self._came == signal.SIGINT:
            raise KeyboardInterrupt
        if self._came is not None:
            name = signal.Signals(self._came).name
            raise Stopped(f"stopped by {name}", "run the same command again: what is finished is kept")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
