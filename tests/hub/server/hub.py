"""The server: accounts, repositories and which function answers which request."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from server import git_http, lfs, reads, writes, xet
from server.faults import Fault, Logged, Pause, Plan
from server.git_repo import GitRepo
from server.storage import Storage
from server.wire import Handler, Refused, Reply, Request

Route = tuple[str, "re.Pattern[str]", Callable[..., Reply]]


@dataclass(frozen=True)
class Account:
    """Whose token it is, what it may do, and the names under which the account may write."""

    name: str
    role: Literal["read", "write"]
    organizations: tuple[str, ...] = ()


@dataclass
class Repo:
    """A model repository."""

    name: str
    git: GitRepo
    private: bool = False
    xet_hashes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, place: Path) -> Repo:
        """One that an earlier server has left; it counts as private."""
        return cls(f"{place.parent.name}/{place.stem}", GitRepo(place), private=True)

    @property
    def head(self) -> str:
        """The commit of `main`."""
        return self.git.resolve("main") or ""

    def files(self, revision: str = "main") -> dict[str, str]:
        """Paths and the git names of what lies there."""
        return {path: row.oid for path, row in self.git.files(self.git.resolve(revision) or "").items()}


class Hub(ThreadingHTTPServer):
    """A Hub whose files lie below `place`. `write` and `read` are tokens of its account `lab`, `stranger` another's."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, place: Path, *, with_xet: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.place = place
        self.plan = Plan()
        self.storage = Storage(place / "storage")
        self.repos = {repo.name: repo for repo in map(Repo.opened, sorted((place / "git").glob("*/*.git")))}
        self.cas = xet.Cas(place / "cas", self.storage) if with_xet else None
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.page = 1000
        self.multipart_from: int | None = None
        self.part_size = 1 << 20
        self.write, self.read, self.stranger = ("hf_" + secrets.token_hex(17) for _ in range(3))
        self.tokens = {
            self.write: Account("lab", "write", ("group",)),
            self.read: Account("lab", "read", ("group",)),
            self.stranger: Account("stranger", "write"),
        }

    # ------------------------------------------------------------------------------------ for tests

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def storage_url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"

    @property
    def log(self) -> list[Logged]:
        return self.plan.log

    def environment(self, token: str | None = None) -> dict[str, str]:
        """What a process of its own needs to meet only this Hub, with `token` (none: the one that may write)."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.write if token is None else token,
            "HF_HOME": str(self.place / "home"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_XET": "" if self.cas else "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def create(self, name: str, *, private: bool = False, files: Mapping[str, bytes] | None = None) -> Repo:
        """A repository as the Hub makes it, with a `.gitattributes` and what else is given."""
        git = GitRepo.create(
            self.place / "git" / f"{name}.git", {".gitattributes": writes.ATTRIBUTES.encode(), **(files or {})}
        )
        self.repos[name] = Repo(name, git, private)
        return self.repos[name]

    def fail(self, method: str = "", path: str = "", **effect: Any) -> Fault:
        """Something to go wrong: see `Fault`."""
        fault = Fault(method=method, path=path, **effect)
        self.plan.faults.append(fault)
        return fault

    def pause(
        self, method: str, path: str, at: Literal["arrived", "performed"] = "arrived", drop: bool = False
    ) -> Pause:
        """A place to wait at: see `Pause`."""
        pause = Pause(method=method, path=path, at=at, drop=drop)
        self.plan.pauses.append(pause)
        return pause

    def asked(self, method: str = "", path: str = "") -> list[Logged]:
        """The requests so far that fit."""
        return [e for e in list(self.log) if (not method or e.method == method) and re.search(path, e.path)]

    def writes(self) -> list[Logged]:
        """The requests so far that could change something."""
        return [entry for entry in list(self.log) if entry.writes]

    def corrupt(self, sha256: str) -> None:
        """Change one byte of a stored object; its size stays."""
        path = self.storage.path(sha256)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    # ---------------------------------------------------------------------------------- for routes

    def account(self, token: str) -> Account | None:
        return self.tokens.get(token)

    def repo(self, request: Request, name: str, *, change: bool = False) -> Repo:
        """A repository that the request may read or change. Raises `Refused`."""
        if request.authenticated and request.account is None:
            raise Refused(401, "Invalid credentials in Authorization header", headers=_ask_for_password(request))
        repo, account = self.repos.get(name), request.account
        mine = account is not None and name.partition("/")[0] in (account.name, *account.organizations)
        if repo is None or (repo.private and not mine):
            status = 404 if account else 401
            raise Refused(status, "Repository not found", "RepoNotFound", _ask_for_password(request))
        if change:
            if account is None:
                raise Refused(401, "Invalid username or password.", headers=_ask_for_password(request))
            if account.role != "write" or not mine:
                raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
        return repo

    def commit(self, repo: Repo, revision: str) -> str:
        """The commit of a percent-encoded revision. Raises `Refused`."""
        found = repo.git.resolve(unquote(revision))
        if found is None:
            raise Refused(404, f"Invalid rev id: {unquote(revision)}", "RevisionNotFound")
        return found

    def route(self, request: Request) -> Reply:
        """Answer a request. Raises `Refused`."""
        table = STORAGE if request.host.startswith("localhost") else API
        for method, pattern, function in table:
            match = pattern.fullmatch(request.path)
            if match and request.method in method.split("|"):
                return function(self, request, **match.groupdict())
        raise Refused(404, f"no such route: {request.method} {request.path}")


def _ask_for_password(request: Request) -> dict[str, str]:
    """git asks for a password only if it is told to."""
    is_git = "git" in request.headers.get("User-Agent", "").lower()
    return {"WWW-Authenticate": 'Basic realm="hub"', "Lfs-Authenticate": 'Basic realm="hub"'} if is_git else {}


def _route(method: str, pattern: str, function: Callable[..., Reply]) -> Route:
    named = pattern.replace("{R}", r"(?P<name>[^/]+/[^/]+?)").replace("{rev}", r"(?P<revision>[^/]+)")
    return method, re.compile(named), function


API = [
    _route("GET", "/api/whoami-v2", reads.whoami),
    _route("POST", "/api/repos/create", writes.create),
    _route("POST", "/api/validate-yaml", writes.validate_yaml),
    _route("GET", "/api/models/{R}", reads.info),
    _route("GET", "/api/models/{R}/revision/{rev}", reads.info),
    _route("GET", "/api/models/{R}/tree/{rev}(?:/(?P<under>.*))?", reads.tree),
    _route("POST", "/api/models/{R}/paths-info/{rev}", reads.paths_info),
    _route("GET", "/api/models/{R}/refs", reads.refs),
    _route("GET", "/api/models/{R}/commits/{rev}", reads.commits),
    _route("POST", "/api/models/{R}/preupload/{rev}", writes.preupload),
    _route("POST", "/api/models/{R}/commit/{rev}", writes.commit),
    _route("POST", "/api/models/{R}/tag/{rev}", writes.tag),
    _route("DELETE", "/api/models/{R}/tag/{rev}", writes.delete_tag),
    _route("POST|DELETE", "/api/models/{R}/branch/{rev}", writes.branch),
    _route("PUT", "/api/models/{R}/settings", writes.settings),
    _route("GET", "/api/models/{R}/xet-(?P<kind>read|write)-token/{rev}", xet.token),
    _route("POST", "/{R}(?:\\.git)?/info/lfs/objects/batch", lfs.batch),
    _route("POST", "/{R}(?:\\.git)?/info/lfs/objects/verify", lfs.verify),
    _route("GET|HEAD", "/{R}/resolve/{rev}/(?P<path>.+)", reads.resolve),
    _route("GET|POST", "/{R}(?:\\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)", git_http.serve),
]
STORAGE = [
    _route("PUT", "/objects/(?P<oid>[0-9a-f]{64})", lfs.put),
    _route("GET|HEAD", "/objects/(?P<oid>[0-9a-f]{64})", lfs.get),
    _route("PUT", "/objects/(?P<oid>[0-9a-f]{64})/parts/(?P<number>\\d+)", lfs.put_part),
    _route("POST", "/objects/(?P<oid>[0-9a-f]{64})/complete", lfs.complete),
]


@contextmanager
def serving(place: Path, *, with_xet: bool = False) -> Iterator[Hub]:
    """A Hub that answers for as long as the block runs."""
    hub = Hub(place, with_xet=with_xet)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        for pause in hub.plan.pauses:
            pause.go.set()
        hub.shutdown()
        hub.server_close()
        thread.join()
