"""The storage host: LFS objects by their SHA-256, and signed addresses for them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 20


class Storage:
    """Objects below `place`: `objects/aa/<sha256>`; an upload appears under its name only when its bytes are right."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.secret = secrets.token_bytes(16)
        self.lock = threading.Lock()
        (place / "incoming").mkdir(parents=True, exist_ok=True)

    def path(self, oid: str) -> Path:
        return self.place / "objects" / oid[:2] / oid

    def has(self, oid: str, size: int | None = None) -> bool:
        path = self.path(oid)
        return path.is_file() and (size is None or path.stat().st_size == size)

    def put(self, oid: str, read: Callable[[int], bytes]) -> bool:
        """Take an object in; False if its bytes are not those of its name."""
        staged = self.place / "incoming" / secrets.token_hex(8)
        digest = hashlib.sha256()
        with staged.open("wb") as file:
            while block := read(CHUNK):
                digest.update(block)
                file.write(block)
        return self._settle(staged, oid, digest.hexdigest())

    def adopt(self, oid: str, source: Path) -> bool:
        """Take in an object that lies in a file, which is used up; False if it is another one."""
        with source.open("rb") as file:
            return self._settle(source, oid, hashlib.file_digest(file, "sha256").hexdigest())

    def _settle(self, staged: Path, oid: str, found: str) -> bool:
        if found != oid:
            staged.unlink()
            return False
        self.path(oid).parent.mkdir(parents=True, exist_ok=True)
        staged.replace(self.path(oid))
        return True

    # ------------------------------------------------------------------------------------- multipart

    def put_part(self, oid: str, number: int, read: Callable[[int], bytes]) -> str:
        """Keep one part; its ETag."""
        folder = self.place / "parts" / oid
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.md5(usedforsecurity=False)
        with (folder / f"{number:05d}").open("wb") as file:
            while block := read(CHUNK):
                digest.update(block)
                file.write(block)
        return digest.hexdigest()

    def join(self, oid: str, etags: dict[int, str]) -> bool:
        """Make an object of its parts; False if a part is missing, is another one, or the whole is not `oid`."""
        folder = self.place / "parts" / oid
        whole = self.place / "incoming" / secrets.token_hex(8)
        with whole.open("wb") as out:
            for number in sorted(etags):
                part = folder / f"{number:05d}"
                if not part.is_file() or hashlib.md5(part.read_bytes()).hexdigest() != etags[number]:
                    return False
                out.write(part.read_bytes())
        shutil.rmtree(folder, ignore_errors=True)
        return self.adopt(oid, whole)

    # ------------------------------------------------------------------------------------- addresses

    def sign(self, method: str, path: str) -> str:
        """The query that lets whoever has it do one thing with one path."""
        mark = hmac.new(self.secret, f"{method} {path}".encode(), "sha256").hexdigest()
        return f"X-Amz-Signature={mark}"

    def signed(self, method: str, path: str, query: str) -> bool:
        return hmac.compare_digest(self.sign(method, path), query)
