"""Xet: a content-addressed store of chunks on this machine's disk, which the client itself reads and writes."""

from __future__ import annotations

import shutil
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from server.storage import Storage
from server.wire import Refused, Reply, Request, as_json

if TYPE_CHECKING:
    from server.hub import Hub


BLOCK = 48
ENDS = b"\xff" * 32
HAS_CHECKS, HAS_SHA256 = 1 << 31, 1 << 30


class Cas:
    """The client's local store of chunks below `place`, and what files its shards (lists of chunks) speak of."""

    def __init__(self, place: Path, storage: Storage) -> None:
        self.place, self.storage = place, storage
        place.mkdir(parents=True)

    def hashes(self) -> dict[str, tuple[str, int]]:
        """SHA-256 of a file -> its Xet hash and its size."""
        found: dict[str, tuple[str, int]] = {}
        for shard in self.place.glob("xet/xorbs/shards/*.mdb"):
            data, at = shard.read_bytes(), BLOCK
            while data[at : at + 32] != ENDS and at < len(data):
                flags, count = struct.unpack_from("<II", data, at + 32)
                name, at = _hash(data, at), at + BLOCK
                size = sum(struct.unpack_from("<I", data, at + BLOCK * n + 36)[0] for n in range(count))
                at += BLOCK * count * (2 if flags & HAS_CHECKS else 1)
                if flags & HAS_SHA256:
                    found[_hash(data, at)] = name, size
                    at += BLOCK
        return found

    def fetch(self, oid: str) -> bool:
        """Copy a file out of the chunks to the storage; False if it is not there, or is another one.

        It is read from a copy of the store, as the client may have its database open.
        """
        import hf_xet  # type: ignore[import-untyped,unused-ignore]

        if oid not in self.hashes():
            return False
        name, size = self.hashes()[oid]
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(self.place, Path(copy) / "cas")
            out = Path(copy) / "out"
            session = hf_xet.XetSession()
            with session.new_file_download_group(
                endpoint=f"local://{copy}/cas", token="xet", token_expiry_unix_secs=int(time.time()) + 3600
            ) as group:
                group.start_download_file(hf_xet.XetFileInfo(name, size), str(out))
            shutil.move(out, staged := self.storage.place / "incoming" / f"xet-{oid}")
        return self.storage.adopt(oid, staged)


def _hash(data: bytes, at: int) -> str:
    """A hash as Xet writes it: four numbers of eight bytes each, the low byte first."""
    return "".join(f"{number:016x}" for number in struct.unpack_from("<4Q", data, at))


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
