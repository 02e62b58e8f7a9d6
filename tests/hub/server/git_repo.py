"""A bare git repository, read and changed by the git program."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHA = re.compile(r"[0-9a-f]{40}")
POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


class GitFailed(Exception):
    """git refused."""


@dataclass(frozen=True)
class Row:
    """One entry of a tree. `lfs` is the SHA-256 and the size of what a pointer points at."""

    path: str
    kind: str
    oid: str
    size: int
    lfs: tuple[str, int] | None = None


def pointer(sha256: str, size: int) -> bytes:
    """The text that stands in git for an LFS object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


class GitRepo:
    """Commits of one bare repository; listings are kept, as commits never change."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._listings: dict[str, tuple[Row, ...]] = {}

    @classmethod
    def create(cls, place: Path, files: Mapping[str, bytes]) -> GitRepo:
        """A new repository whose branch `main` has one commit."""
        place.mkdir(parents=True)
        repo = cls(place)
        repo.git("init", "--quiet", "--bare", "--initial-branch=main")
        repo.git("config", "http.receivepack", "true")
        repo.git("config", "gc.auto", "0")
        made = repo.commit(None, files, (), "initial commit", "system")
        repo.git("update-ref", "refs/heads/main", made, "")
        return repo

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        """Standard output. Raises `GitFailed` with what git said."""
        command = ["git", "--git-dir", str(self.place), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, env={**os.environ, **ENVIRONMENT})
        if done.returncode != 0:
            raise GitFailed(done.stderr.decode(errors="replace").strip())
        return done.stdout

    # ----------------------------------------------------------------------------------------- reading

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, a tag, a full ref or a commit's own name."""
        if revision in self._listings:  # a commit, and commits never change
            return revision
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        names += [revision] if revision.startswith("refs/") or SHA.fullmatch(revision) else []
        for name in names:
            try:
                return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
            except GitFailed:
                continue
        return None

    def rows(self, commit: str) -> tuple[Row, ...]:
        """All files and folders of a commit, by path."""
        if commit not in self._listings:
            raw = self.git("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit).decode()
            found = []
            for line in raw.split("\0")[:-1]:
                head, _, path = line.partition("\t")
                _, kind, oid, size = head.split()
                found.append((path, kind, oid, 0 if size == "-" else int(size)))
            small = {oid for _, kind, oid, size in found if kind == "blob" and size < 200}
            pointers = self._pointers(sorted(small))
            self._listings[commit] = tuple(Row(p, k, o, s, pointers.get(o)) for p, k, o, s in sorted(found))
        return self._listings[commit]

    def files(self, commit: str) -> dict[str, Row]:
        return {row.path: row for row in self.rows(commit) if row.kind != "tree"}

    def blob(self, oid: str) -> bytes:
        return self.git("cat-file", "blob", oid)

    def read(self, commit: str, path: str) -> bytes:
        """A file's bytes in git; none if it is not there."""
        row = self.files(commit).get(path)
        return self.blob(row.oid) if row else b""

    def _pointers(self, oids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Which of these blobs are LFS pointers, and to what; in one call of git."""
        if not oids:
            return {}
        raw = self.git("cat-file", "--batch", given="".join(f"{oid}\n" for oid in oids).encode())
        found: dict[str, tuple[str, int]] = {}
        at = 0
        for oid in oids:
            head_end = raw.index(b"\n", at)
            size = int(raw[at:head_end].split()[2])
            match = POINTER.match(raw[head_end + 1 : head_end + 1 + size])
            if match:
                found[oid] = (match[1].decode(), int(match[2]))
            at = head_end + 1 + size + 1
        return found

    def refs(self, under: str) -> dict[str, str]:
        """Names below `under` and the commits they point at, annotated tags resolved."""
        form = "%(refname)%00%(objectname)%00%(*objectname)"
        lines = self.git("for-each-ref", f"--format={form}", under).decode().splitlines()
        split = [line.split("\0") for line in lines]
        return {name.removeprefix(under + "/"): peeled or oid for name, oid, peeled in split}

    def history(self, commit: str) -> list[dict[str, object]]:
        """Commits, newest first, as the API lists them."""
        raw = self.git("log", "--format=%H%x00%an%x00%at%x00%s%x00%b%x01", commit).decode()
        fields = [entry.strip("\n").split("\0") for entry in raw.split("\x01") if entry.strip("\n")]
        return [
            {"id": oid, "authors": [{"user": who}], "date": _utc(when), "title": title, "message": text.strip("\n")}
            for oid, who, when, title, text in fields
        ]

    # ---------------------------------------------------------------------------------------- changing

    def commit(
        self, parent: str | None, files: Mapping[str, bytes], deleted: Iterable[str], text: str, who: str
    ) -> str:
        """A new commit on top of `parent`, which no branch points at yet."""
        ref = f"refs/incoming/{uuid.uuid4().hex}"
        when = f"{who} <{who}@hub.invalid> {int(time.time())} +0000"
        stream = [f"commit {ref}\ncommitter {when}\n".encode(), _data(text.encode())]
        stream += [f"from {parent}\n".encode()] if parent else []
        stream += [f"D {_quoted(path)}\n".encode() for path in deleted]
        for path, content in sorted(files.items()):
            stream += [f"M 100644 inline {_quoted(path)}\n".encode(), _data(content)]
        self.git("fast-import", "--quiet", "--date-format=raw", given=b"".join([*stream, b"\ndone\n"]))
        made = self.git("rev-parse", ref).decode().strip()
        self.git("update-ref", "-d", ref)
        return made

    def swap(self, ref: str, new: str, old: str) -> bool:
        """Move a ref if it still is at `old` ("" for: does not exist). False if it is not."""
        try:
            self.git("update-ref", ref, new, old or "0" * 40)
        except GitFailed:
            return False
        return True


def _utc(seconds: str) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(seconds)))


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _quoted(path: str) -> str:
    """A path as fast-import wants it: C escapes for everything that is not plain."""
    plain = [chr(b) if 32 < b < 127 and chr(b) not in '"\\' else f"\\{b:03o}" for b in path.encode()]
    return f'"{"".join(plain)}"'
