"""One connection: requests read, faults and pauses made to happen, answers sent."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from server.faults import Fault, Logged

if TYPE_CHECKING:
    from server.hub import Account, Hub

CHUNK = 1 << 20


@dataclass(kw_only=True)
class Reply:
    """An answer; `file` instead of `body` where the bytes lie in one. `ranged`: parts of it can be asked for."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: Path | None = None
    ranged: bool = False


class Refused(Exception):
    """An error answer in the Hub's form: JSON, and the headers that the client reads."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        head = {"X-Request-Id": "test", "X-Error-Message": message, **(headers or {})}
        self.reply = as_json({"error": message}, status=status, headers=head | ({"X-Error-Code": code} if code else {}))


class Hangup(Exception):
    """The connection is to be closed without an answer."""


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    head = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Reply(status=status, headers=head, body=json.dumps(value).encode())


class Body:
    """A request's body, of known length or in chunks; `limit`: how many bytes come before the line is cut."""

    def __init__(self, handler: Handler) -> None:
        self._file = handler.rfile
        self._chunked = "chunked" in handler.headers.get("Transfer-Encoding", "").lower()
        self._left = 0 if self._chunked else int(handler.headers.get("Content-Length", "0"))
        self.limit: int | None = None
        self.received = 0

    def read(self, most: int) -> bytes:
        """At most so many bytes; none at the end. Raises `Hangup` where the client is gone or the line is cut."""
        if self._chunked and self._left == 0 and not self._next_chunk():
            return b""
        wanted = min(most, self._left)
        if self.limit is not None:
            wanted = min(wanted, self.limit - self.received)
            if wanted <= 0 and self._left:
                raise Hangup
        block = self._file.read(wanted) if wanted else b""
        if len(block) < wanted:
            raise Hangup
        self._left -= len(block)
        self.received += len(block)
        if self._chunked and self._left == 0:
            self._file.readline()
        return block

    def _next_chunk(self) -> bool:
        self._left = int(self._file.readline().split(b";")[0] or b"0", 16)
        if self._left == 0:
            self._file.readline()
            self._chunked = False
        return self._left > 0

    def all(self) -> bytes:
        blocks = []
        while block := self.read(CHUNK):
            blocks.append(block)
        return b"".join(blocks)


@dataclass(kw_only=True)
class Request:
    """What was asked, by whom. `path` is as it came, still percent-encoded."""

    method: str
    path: str
    query: str
    host: str
    headers: Message
    body: Body
    account: Account | None
    authenticated: bool

    def json(self) -> Any:
        return json.loads(self.body.all() or b"null")

    def parameter(self, name: str) -> str:
        """The first value of a name in the query; empty if it is not there."""
        return parse_qs(self.query).get(name, [""])[0]


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        authorization = self.headers.get("Authorization", "")
        host = self.headers.get("Host", "")
        entry = Logged(
            method=self.command,
            path=path,
            query=query,
            host=host,
            authenticated=bool(authorization),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        self.server.plan.note(entry)
        body = Body(self)
        request = Request(
            method=self.command,
            path=path,
            query=query,
            host=host,
            headers=self.headers,
            body=body,
            account=self.server.account(_token(authorization)),
            authenticated=bool(authorization),
        )
        try:
            self._answer(request, entry)
        except (Hangup, OSError):
            self.close_connection = True
            self._cut()
        finally:
            entry.received = body.received

    def _answer(self, request: Request, entry: Logged) -> None:
        fault = self.server.plan.take_fault(self.command, self.path)
        self._wait("arrived")
        reply = self._injected(fault, request) or self._routed(request)
        self._wait("performed")
        if fault and fault.lose_reply:
            raise Hangup
        while request.body.read(CHUNK):
            pass
        if fault and fault.rewrite:
            whole = reply.file.read_bytes() if reply.file else reply.body
            reply = Reply(status=reply.status, headers=reply.headers, body=fault.rewrite(whole), ranged=reply.ranged)
        if fault and fault.headers and fault.status is None:
            reply = replace(reply, headers={**reply.headers, **fault.headers})
        entry.status = reply.status
        entry.sent = self._send(reply, fault.cut_reply if fault else None)

    def _wait(self, at: str) -> None:
        pause = self.server.plan.take_pause(self.command, self.path, at)
        if pause:
            pause.reached.set()
            pause.go.wait(60)
            if pause.drop:
                raise Hangup

    def _injected(self, fault: Fault | None, request: Request) -> Reply | None:
        if fault is None:
            return None
        if fault.stall is not None:
            self.server.closing.wait(fault.stall)
            raise Hangup
        if fault.drop:
            raise Hangup
        request.body.limit = fault.cut_request
        if fault.status is None:
            return None
        headers = {"X-Error-Message": fault.body.decode(errors="replace"), **fault.headers}
        return Reply(status=fault.status, headers=headers, body=fault.body)

    def _routed(self, request: Request) -> Reply:
        try:
            return self.server.route(request)
        except Refused as refused:
            return refused.reply

    def _send(self, reply: Reply, cut: int | None) -> int:
        """Send head and body, or as much of the body as `cut` says; the number of its bytes that were sent."""
        size = reply.file.stat().st_size if reply.file else len(reply.body)
        first, last = _range(self.headers.get("Range", ""), size) if reply.ranged and reply.status == 200 else (0, size)
        part = (first, last) != (0, size)
        self.send_response(206 if part else reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{size}")
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(last - first))
        self.end_headers()
        if self.command == "HEAD":
            return 0
        whole = reply.file.read_bytes() if reply.file else reply.body
        ends = last if cut is None else min(last, first + cut)
        self.wfile.write(whole[first:ends])
        self.wfile.flush()
        if ends < last:
            raise Hangup
        return ends - first

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _range(header: str, size: int) -> tuple[int, int]:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if match is None or int(match[1]) >= size:
        return 0, size
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size


def _token(authorization: str) -> str:
    """The token of a Bearer header, or the password of a Basic one, as git sends it."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "basic":
        return base64.b64decode(value).decode().partition(":")[2]
    return value if kind.lower() == "bearer" else ""
