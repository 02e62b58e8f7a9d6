"""What goes wrong on purpose, where the server waits for a test, and what was asked of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(kw_only=True)
class Fault:
    """What happens to the next `times` requests that fit `method` ("" for all) and `path` (searched, query included).

    status: answered with it, and with `headers` and `body`, without doing anything. drop: the connection is closed
    before anything is done. lose_reply: the request is carried out, then the connection is closed. stall: seconds
    without an answer, then closed. cut_request: closed after so many bytes of the request's body. cut_reply: closed
    after so many bytes of the reply's body. rewrite: the reply's body is changed. Without a status, `headers` are added
    to the answer that there is.
    """

    method: str = ""
    path: str = ""
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    lose_reply: bool = False
    stall: float | None = None
    cut_request: int | None = None
    cut_reply: int | None = None
    rewrite: Callable[[bytes], bytes] | None = None
    skip: int = 0
    happened: int = 0

    def fits(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and re.search(self.path, path) is not None


def rot(body: bytes) -> bytes:
    """The same number of bytes, the last one another."""
    return body[:-1] + bytes([body[-1] ^ 1])


@dataclass(kw_only=True)
class Pause:
    """The server waits once at a request: when it has `arrived`, before its body is read, or when it is `performed`.

    `reached` is set when it waits; it goes on when `go` is set. With `drop` it then closes the connection; a request
    that has only arrived is not carried out.
    """

    method: str
    path: str
    at: Literal["arrived", "performed"] = "arrived"
    drop: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    taken: bool = False

    def fits(self, method: str, path: str) -> bool:
        return self.method == method and re.search(self.path, path) is not None


@dataclass(kw_only=True)
class Logged:
    """A request: `authenticated` if it brought any Authorization header, `status` 0 if it got no answer."""

    method: str
    path: str
    query: str
    host: str
    authenticated: bool
    headers: dict[str, str]
    status: int = 0
    received: int = 0
    sent: int = 0

    @property
    def storage(self) -> bool:
        """Was it asked of the storage's host?"""
        return self.host.startswith("localhost")

    @property
    def writes(self) -> bool:
        """Could it change something? LFS downloads and paths are asked for by POST, and change nothing."""
        reads = ("/paths-info/", "/git-upload-pack", "/objects/verify", "/locks/verify", "/validate-yaml")
        return self.method not in ("GET", "HEAD") and not any(part in self.path for part in reads)


class Plan:
    """Faults and pauses to come, and the log; shared by all connections."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.faults: list[Fault] = []
        self.pauses: list[Pause] = []
        self.log: list[Logged] = []

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.fits(method, path):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    fault.happened += 1
                    return fault
        return None

    def take_pause(self, method: str, path: str, at: str) -> Pause | None:
        with self.lock:
            for pause in self.pauses:
                if not pause.taken and pause.at == at and pause.fits(method, path):
                    pause.taken = True
                    return pause
        return None

    def note(self, entry: Logged) -> None:
        with self.lock:
            self.log.append(entry)
