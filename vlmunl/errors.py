"""Every error a user can meet. `main()` prints the message and the hint, and exits with `exit_code`."""

from __future__ import annotations

from typing import ClassVar


class VlmunlError(Exception):
    """A failure with a message for the user and, where there is one, the next thing to type.

    `str(error)` is the message alone; `hint` is printed on a line of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[VlmunlError], tuple[str, str]]:
        """Pickle both arguments: errors cross from worker processes to the scheduler."""
        return type(self), (self.message, self.hint)


class MissingInput(VlmunlError):
    """Something that was asked for is not there: a file, a model, an upstream result."""

    exit_code = 1


class CellFailed(VlmunlError):
    """The code of a stage raised; its error record is in the store."""

    exit_code = 1


class StudyError(VlmunlError):
    """The study file is wrong; the message names the file, the key and the nearest valid key."""

    exit_code = 2


class UsageError(VlmunlError):
    """The command line, or a call that stands for one, is wrong."""

    exit_code = 2


class GateFailed(VlmunlError):
    """An imprint did not pass its gate."""

    exit_code = 3


class Incomplete(VlmunlError):
    """Nothing is wrong, but cells are still pending."""

    exit_code = 4


class StoreDamaged(VlmunlError):
    """A file of the store is not what its name or its record says."""

    exit_code = 5


class ToolMissing(VlmunlError):
    """A program outside Python is missing (TeX, Slurm)."""

    exit_code = 69


class Stopped(VlmunlError):
    """Stopped early by a signal or a time limit; running again resumes.

    `warned`: it was the warning before a time limit. `further`: more is finished or saved than was at the beginning.
    """

    exit_code = 75
    warned = False
    further = False
