"""One way to the Hub for `sync`: with time limits, retries where the library has none, and errors in plain words."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vlmunl.errors import MissingInput, NotOnHub, NotSignedIn, SyncError, TryLater, Unreachable, UsageError
from vlmunl.hub.failures import Failure, explained, wait_of
from vlmunl.hub.redact import Redactor

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
PROBE = 5.0
"""Seconds that a Hub has to answer the first question."""
TRIES = 3
TIMEOUT, RETRIES = 60.0, 5
_REPO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9])?/[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository at a commit: its git id, its size and, of a large one, its sha256."""

    path: str
    size: int
    blob: str
    sha256: str | None = None


@dataclass(kw_only=True)
class Hub:
    """A model repository at a revision of a Hub. `sleep` waits, in seconds; `token` is never shown."""

    repo: str
    revision: str = "main"
    endpoint: str = ""
    token: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    retries: int = RETRIES
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)

    def __post_init__(self) -> None:
        if not _REPO.fullmatch(self.repo) or ".." in self.repo or "--" in self.repo:
            raise UsageError(f"{self.repo[:80]!r} is no name of a repository", "write owner/name")
        if not _REVISION.fullmatch(self.revision) or ".." in self.revision:
            raise UsageError(f"{self.revision[:80]!r} is no name of a revision")
        self.endpoint = (self.endpoint or _default_endpoint()).rstrip("/")
        _limit(self.timeout)

    @cached_property
    def redact(self) -> Redactor:
        """Takes the token out of texts."""
        return Redactor(self.token)

    @cached_property
    def api(self) -> HfApi:
        """The library's client. Its `vars` hold the token: never print them."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self.token or False, library_name="vlmunl")

    @property
    def shown(self) -> str:
        """`owner/name@revision`."""
        return f"{self.repo}@{self.revision}"

    # ------------------------------------------------------------------------------------------ asking

    @contextmanager
    def explained(self, doing: str, *, sent: bool = False) -> Iterator[None]:
        """Turn whatever the library raises into one of our errors; `sent` says that something may have been sent."""
        try:
            yield
        except SyncError:
            raise
        except Exception as error:
            failure = Failure.of(error)
            if failure is None:
                raise
            ours = explained(failure, doing, self, sent=sent)
            raise ours from (error if self.redact.is_clean(error) else None)

    def ask(self, doing: str, call: Callable[[], T], *, sent: bool = False) -> T:
        """Call, and again after a pause where the Hub says that it is busy, or says nothing.

        Only for what may be done twice.

        Raises:
            SyncError: it cannot be done, or not now.
        """
        for attempt in range(self.retries + 1):
            try:
                return call()
            except Exception as error:
                failure = Failure.of(error)
                if failure is None or isinstance(error, SyncError):
                    raise
                pause = wait_of(failure, attempt)
                last = attempt >= (min(self.retries, TRIES - 1) if failure.status is None else self.retries)
                if pause is None or last:
                    ours = explained(failure, doing, self, sent=sent)
                    raise ours from (error if self.redact.is_clean(error) else None)
            self.sleep(jitter(pause))
        raise AssertionError("the last attempt returns or raises")

    def whoami(self) -> Mapping[str, Any]:
        """Who the token belongs to, with a time limit of its own: a Hub that is not there is known at once.

        Raises:
            NotSignedIn: there is no token, or it is not valid.
            Unreachable: nobody answers, or `HF_HUB_OFFLINE` is set.
        """
        if offline():
            raise Unreachable("HF_HUB_OFFLINE is set; nothing was sent", "unset it: HF_HUB_OFFLINE=0 vlmunl sync ...")
        if self.token is None:
            raise NotSignedIn("there is no token for the Hub", _SIGN_IN)
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        def call() -> Mapping[str, Any]:
            headers = build_hf_headers(token=self.token, library_name="vlmunl")
            answer = get_session().get(f"{self.endpoint}/api/whoami-v2", headers=headers, timeout=PROBE)
            hf_raise_for_status(answer)
            found: Mapping[str, Any] = answer.json()
            return found

        return self.ask("asking who the token belongs to", call)

    def head(self, revision: str | None = None) -> str:
        """The commit that a revision (a branch, a tag, a commit) is now.

        Raises:
            NotOnHub: there is no such repository or revision for this account.
        """
        return str(self.info(revision or self.revision).sha)

    def info(self, revision: str | None = None) -> Any:
        """What the Hub says of the repository (and a revision of it)."""
        name = f"{self.repo}@{revision}" if revision else self.repo
        limit = self.timeout  # this call of the library sets one of its own otherwise: none
        return self.ask(f"looking for {name}", lambda: self.api.repo_info(self.repo, revision=revision, timeout=limit))

    def tree(self, commit: str) -> dict[str, RemoteFile]:
        """Path -> file of everything at a commit, by one recursive listing."""

        def call() -> dict[str, RemoteFile]:
            try:
                files = [file for page in self._pages(commit) for row in page if (file := _remote(row)) is not None]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise TryLater(f"{self.endpoint} does not list {self.repo} as a Hub does: {error!s:.80}") from None
            return {file.path: file for file in files}

        return self.ask(f"listing {self.repo} at {commit[:12]}", call)

    def _pages(self, commit: str) -> Iterator[list[Any]]:
        """The pages of a listing. The library itself would try each six times, for minutes if the Hub is silent."""
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        headers = build_hf_headers(token=self.token or False, library_name="vlmunl")
        url = f"{self.endpoint}/api/models/{self.repo}/tree/{commit}?recursive=true&expand=false"
        while url:
            answer = get_session().get(url, headers=headers, timeout=self.timeout)
            hf_raise_for_status(answer)
            yield answer.json()
            url = str(answer.links.get("next", {}).get("url", ""))
            if url and not url.startswith(f"{self.endpoint}/"):  # the token goes nowhere else
                raise TryLater(f"the listing of {self.repo} goes on at another host", "try again; or report it")

    def tags(self) -> dict[str, str]:
        """Tag -> the commit that it names."""

        def call() -> dict[str, str]:
            return {tag.name: str(tag.target_commit) for tag in self.api.list_repo_refs(self.repo).tags}

        return self.ask(f"listing the tags of {self.repo}", call)

    def read(self, file: RemoteFile, commit: str, most: int = 4 << 20) -> bytes:
        """The bytes of a small regular file at a commit, held against its git id.

        Raises:
            NotOnHub: it is too large for this, or a large file.
            TryLater: what came is something else.
        """
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        from vlmunl.hub.gitid import git_id

        if file.size > most or file.sha256 is not None:
            raise NotOnHub(f"{file.path} in {self.repo} is not the small text that it should be")
        url = hf_hub_url(self.repo, file.path, revision=commit, endpoint=self.endpoint)

        def call() -> bytes:
            answer = get_session().get(url, headers=build_hf_headers(token=self.token or False), timeout=self.timeout)
            hf_raise_for_status(answer)
            return bytes(answer.content)

        data = self.ask(f"reading {file.path} of {self.repo}", call)
        if git_id(data) != file.blob:
            raise TryLater(f"{file.path} of {self.repo} did not arrive as it is on the Hub", "try again")
        return data


_SIGN_IN = "sign in once: hf auth login; or set HF_TOKEN, or name a file: --token-file FILE"


def find_token(file: Path | None) -> str | None:
    """The token of `--token-file`, else of `HF_TOKEN`, else that of the last `hf auth login`.

    Raises:
        MissingInput: the file cannot be read.
        NotSignedIn: it holds no token.
    """
    if file is None:
        from huggingface_hub import get_token

        return get_token()
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise MissingInput(f"the token file {file} cannot be read: {why}") from None
    if not token or not token.isascii() or len(token.split()) != 1:
        raise NotSignedIn(f"the file {file} does not hold one token", "write nothing but the token into it")
    return token


def offline() -> bool:
    """Has the user said that there is no network?"""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def jitter(seconds: float) -> float:
    """A little more, so that many clients do not come back at once."""
    return seconds * (1 + random.random() / 4)


def _default_endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _remote(row: Any) -> RemoteFile | None:
    """A row of a listing; None if it is a folder."""
    if row["type"] != "file":
        return None
    large = row.get("lfs") or {}
    size = large.get("size", row["size"])
    return RemoteFile(path=str(row["path"]), size=int(size), blob=str(row["oid"]), sha256=large.get("oid"))


_limits: list[float] = []
"""The time limit that requests of this process have just now."""


def _limit(seconds: float) -> None:
    """Every request of this process gets a time limit: the library's client waits for ever.

    A client that is in use is closed only if the limit is another one.
    """
    import huggingface_hub

    if _limits == [seconds]:
        return
    _limits[:] = [seconds]
    try:
        from huggingface_hub.utils._http import default_client_factory
    except ImportError:  # a version that keeps it elsewhere: the client that there is gets the limit
        huggingface_hub.get_session().timeout = seconds
        return

    def limited() -> Any:
        client = default_client_factory()
        client.timeout = seconds
        return client

    huggingface_hub.set_client_factory(limited)
