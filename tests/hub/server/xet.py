"""Xet: a content-addressed store of chunks on this machine's disk, which the client itself reads and writes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from server.storage import Storage
from server.wire import Refused, Reply, Request, as_json

if TYPE_CHECKING:
    from server.hub import Hub


class Cas:
    def __init__(self, place: Path, storage: Storage) -> None:
        self.place, self.storage = place, storage
        place.mkdir(parents=True)

    def hashes(self) -> dict[str, str]:
        return {}

    def fetch(self, oid: str) -> bool:
        return False


def token(hub: Hub, request: Request, name: str, revision: str, kind: str) -> Reply:
    """Where the chunks are, and a token for them."""
    hub.repo(request, name, change=kind == "write")
    if hub.cas is None:
        raise Refused(404, "Xet is not enabled on this server")
    url, expires = f"local://{hub.cas.place}", int(time.time()) + 3600
    headers = {
        "X-Xet-Cas-Url": url,
        "X-Xet-Access-Token": "xet",
        "X-Xet-Token-Expiration": str(expires),
    }
    return as_json({"casUrl": url, "accessToken": "xet", "exp": expires}, headers=headers)
