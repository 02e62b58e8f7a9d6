"""What the Hub's library raises, as one kind of failure, and what each means: the error, and whether to try again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vlmunl.errors import (
    CopyDamaged,
    NotAllowed,
    NotOnHub,
    NotSignedIn,
    Refused,
    RemoteConflict,
    SecretFound,
    SyncError,
    TryLater,
    Unreachable,
)

if TYPE_CHECKING:
    from vlmunl.hub.client import Hub

Kind = Literal["answer", "missing", "network", "offline", "card", "transfer"]
"""`answer`: the Hub answered with a status; `missing`: it says that something is not there; `network`: no answer, or
half of one; `card`: the model card is not valid; `transfer`: an upload broke, and only a text says why."""

BUSY = (408, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT = 900.0
"""Seconds that are waited at most when the Hub says how long; beyond that the user is told."""
_IN_TEXT = re.compile(r"\b(401|403|404|429|5\d\d)\b")
_RESET = re.compile(r"\bt=(\d+)")
_FULL = re.compile(r"(?i)storage (limit|quota)|out of storage|quota exceeded|insufficient storage|payment required")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed call. `text` is the server's own, or the library's; it may hold anything."""

    kind: Kind
    status: int | None = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: BaseException) -> Failure | None:
        """What an exception means; None if it has nothing to do with the Hub."""
        from huggingface_hub import errors as hub

        missing = (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.EntryNotFoundError)
        if isinstance(error, hub.OfflineModeIsEnabled):
            return cls(kind="offline", text="HF_HUB_OFFLINE is set")
        if isinstance(error, hub.HfHubHTTPError):
            kind: Kind = "missing" if isinstance(error, missing) else "answer"
            return cls(kind=kind, **_answer(error))
        if isinstance(error, hub.HTTPError):  # type: ignore[attr-defined]
            return cls(kind="network", text=f"{type(error).__name__}: {error}")
        if isinstance(error, RuntimeError) and error.__cause__ is not None:  # a file that was not uploaded
            return cls.of(error.__cause__)
        if isinstance(error, ConnectionError | TimeoutError):  # of hf_xet, which says no more than a text
            found = _IN_TEXT.search(str(error))
            return cls(kind="transfer", status=int(found[1]) if found else None, text=str(error))
        if isinstance(error, json.JSONDecodeError):  # an answer that is none: a proxy's page, or nothing
            return cls(kind="network", text=f"an answer that is not JSON ({error})")
        if isinstance(error, ValueError) and "LFS batch API" in str(error):
            return cls(kind="transfer", text=str(error))
        if isinstance(error, ValueError) and "metadata" in str(error):
            return cls(kind="card", text=str(error))
        return None

    @property
    def says_full(self) -> bool:
        """Does the account have no room left?"""
        return self.status in (402, 507) or bool(_FULL.search(self.text))

    @property
    def seconds(self) -> float | None:
        """How long the Hub asks to wait, if it says so."""
        lower = {name.lower(): value for name, value in self.headers.items()}
        if (after := lower.get("retry-after", "").strip()).isdigit():
            return float(after)
        found = _RESET.search(lower.get("ratelimit", ""))
        return float(found[1]) if found else None


def _answer(error: Any) -> dict[str, Any]:
    response = getattr(error, "response", None)
    text = getattr(error, "server_message", None) or str(error)
    headers = dict(getattr(response, "headers", None) or {})
    return {"status": getattr(response, "status_code", None), "text": str(text), "headers": headers}


def wait_of(failure: Failure, attempt: int) -> float | None:
    """Seconds to wait before the next attempt (the first is 0), before jitter; None if another is of no use."""
    if failure.kind == "network" or (failure.kind == "transfer" and failure.status is None and not failure.says_full):
        return float(min(8, 2**attempt))
    if failure.status not in BUSY:
        return None
    if failure.status != 429:
        return failure.seconds if failure.seconds is not None else float(min(8, 2**attempt))
    if "per hour" in failure.text or (failure.seconds or 0) > LONGEST_WAIT:
        return None
    return failure.seconds + 1 if failure.seconds is not None else float(min(120, 30 * 2**attempt))


def explained(failure: Failure, doing: str, hub: Hub, *, sent: bool) -> SyncError:
    """The error for the user: what was asked, what the Hub says, what to do."""
    said = " ".join(hub.redact(failure.text).split())[:300]
    made = _special(failure, doing, hub, said) or _by_status(failure, doing, hub, said)
    if made is None and sent:
        made = TryLater(f"{hub.endpoint} broke off while {doing}: {said}", _RESUME)
    if made is None:
        made = Unreachable(f"{hub.endpoint} cannot be reached ({doing}): {said}; nothing was sent", _NETWORK)
    return type(made)(hub.redact(made.message), made.hint)


_RESUME = "run it again: what has arrived is not sent again"
_NETWORK = "run it on a machine with network (a login node); or name another Hub with --endpoint"
_SIGN_IN = "sign in again: hf auth login; or check HF_TOKEN, or the file of --token-file"


def _special(failure: Failure, doing: str, hub: Hub, said: str) -> SyncError | None:
    if failure.kind == "offline":
        return Unreachable("HF_HUB_OFFLINE is set; nothing was sent", "unset it to reach the Hub")
    if failure.kind == "card":
        return Refused(f"the Hub refuses the model card: {said}", "report this: vlmunl writes the card")
    if failure.kind == "missing":
        return NotOnHub(f"{hub.shown} is not on {hub.endpoint} for this account ({doing}: {said})", _MISSING)
    if failure.says_full:
        return NotAllowed(
            f"the account has no room on {hub.endpoint}: {said}", "make room there, or use another --repo"
        )
    return None


_MISSING = (
    "check the name, and whose token it is (a private repository is hidden); to make it: vlmunl sync ... --create"
)


def _by_status(failure: Failure, doing: str, hub: Hub, said: str) -> SyncError | None:
    status = failure.status
    answered = f"the Hub answered {status} while {doing}: {said}"
    if status == 401:
        return NotSignedIn(f"{hub.endpoint} does not accept the token ({doing}): {said}", _SIGN_IN)
    if status == 403:
        return NotAllowed(answered, "the token needs the right to write to this repository; ask its owner")
    if status == 404:
        return NotOnHub(answered, _MISSING)
    if status in (409, 412):
        return RemoteConflict(answered, "look at the repository's history, and run it again")
    if status == 400:
        return _bad_request(answered, said)
    if status == 413:
        return Refused(answered, "too many or too large files that are not LFS; report this")
    if status == 429:
        return TryLater(answered, _when(failure))
    return TryLater(answered, _RESUME) if status is not None and status >= 500 else None


def _bad_request(answered: str, said: str) -> SyncError:
    if "secret" in said.lower():
        return SecretFound(answered, "take the secret out of the study's files, and revoke it")
    if is_missing_object(said):
        return CopyDamaged(answered, "run it again: it is uploaded anew")
    return Refused(answered, "see the text above; nothing became visible")


def is_missing_object(text: str) -> bool:
    """Does the Hub say that a large file of a commit has not arrived?"""
    lower = text.lower()
    return "lfs" in lower and any(word in lower for word in ("not exist", "not found", "missing", "unknown"))


def _when(failure: Failure) -> str:
    if failure.seconds is not None:
        return f"run it again in {max(1, round(failure.seconds / 60))} min: what has arrived is not sent again"
    return "run it again in an hour: what has arrived is not sent again"
