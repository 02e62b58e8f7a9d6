"""git itself: clone, fetch and push through `git http-backend`."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from server.git_repo import ENVIRONMENT
from server.wire import Refused, Reply, Request

if TYPE_CHECKING:
    from server.hub import Hub


def serve(hub: Hub, request: Request, name: str, rest: str) -> Reply:
    pushes = "git-receive-pack" in (rest, request.parameter("service"))
    repo = hub.repo(request, name, change=pushes)
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(repo.git.place.parent.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{name}.git/{rest}",
        "QUERY_STRING": request.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": request.account.name if request.account else "",
        "REMOTE_ADDR": "127.0.0.1",
    }
    sent = request.body.all()
    environment["CONTENT_LENGTH"] = str(len(sent))
    done = subprocess.run(["git", "http-backend"], input=sent, capture_output=True, env=environment)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    if not headers:
        raise Refused(500, done.stderr.decode(errors="replace"))
    return Reply(status=int(headers.pop("Status", "200").split()[0]), headers=headers, body=body)
