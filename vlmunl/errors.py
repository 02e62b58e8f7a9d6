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


class SyncError(VlmunlError):
    """What can go wrong with a repository on a Hub: exit codes 10 to 19. No message holds a token."""

    exit_code = 10


class Unreachable(SyncError):
    """The Hub cannot be reached, or must not be; nothing was sent."""

    exit_code = 10


class NotSignedIn(SyncError):
    """There is no token, or it is not valid."""

    exit_code = 11


class NotAllowed(SyncError):
    """The token may not do this, or the account has no room left."""

    exit_code = 12


class NotOnHub(SyncError):
    """There is no such repository, revision or file, or it is hidden from this account."""

    exit_code = 13


class RemoteConflict(SyncError):
    """Somebody else changed what was to be changed, or a tag names something else."""

    exit_code = 14


class TryLater(SyncError):
    """The Hub limits the rate, or is out of order; running again resumes."""

    exit_code = 15


class SecretFound(SyncError):
    """What was to be published holds a secret; nothing was sent, or the Hub refused it."""

    exit_code = 16


class Refused(SyncError):
    """The Hub refuses the content: a model card that is not valid, too many files, or too large ones."""

    exit_code = 17


class CopyDamaged(SyncError):
    """A file is missing, or its bytes are not those that its sums promise: here before sending, or there on arrival."""

    exit_code = 18


class NotVerified(SyncError):
    """What lies on the Hub after a commit is not what was committed."""

    exit_code = 19
