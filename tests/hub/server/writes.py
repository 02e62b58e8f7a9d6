"""What changes a repository: creation, commits, tags, branches, settings."""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from server.git_repo import pointer
from server.wire import Refused, Reply, Request, as_json

if TYPE_CHECKING:
    from server.hub import Hub, Repo

LARGE = 10 * 2**20
LFS_LINE = "filter=lfs diff=lfs merge=lfs -text"
ENDINGS = (
    "arrow",
    "bin",
    "gz",
    "h5",
    "msgpack",
    "npy",
    "npz",
    "onnx",
    "parquet",
    "pkl",
    "pt",
    "pth",
    "safetensors",
    "zip",
)
ATTRIBUTES = "".join(f"*.{ending} {LFS_LINE}\n" for ending in ENDINGS)
STALE = "A commit has happened since. Please refresh and try again."


def create(hub: Hub, request: Request) -> Reply:
    wanted = request.json()
    account = request.account
    if account is None:
        raise Refused(401, "Invalid username or password.")
    owner = wanted.get("organization") or account.name
    if account.role != "write" or owner not in (account.name, *account.organizations):
        raise Refused(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    name = f"{owner}/{wanted['name']}"
    with hub.lock:
        if name in hub.repos:
            raise Refused(409, "You already created this model repo", headers={"X-Repo": name})
        hub.create(name, private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
    return as_json({"url": f"{hub.url}/{name}", "name": name, "id": name})


def validate_yaml(hub: Hub, request: Request) -> Reply:
    wanted = request.json()
    if not wanted["content"].startswith("---\n") or "\n---\n" not in wanted["content"][3:]:
        raise Refused(400, "Invalid metadata in README.md: no front matter")
    return as_json({"errors": [], "warnings": []})


def preupload(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name, change=True)
    commit = hub.commit(repo, revision)
    wanted = request.json()
    there = repo.git.files(commit)
    attributes = repo.git.read(commit, ".gitattributes").decode()
    hidden = wanted.get("gitIgnore") or repo.git.read(commit, ".gitignore").decode()
    shown = []
    for file in wanted["files"]:
        path, row = file["path"], there.get(file["path"])
        sample = base64.b64decode(file["sample"])
        large = b"\0" in sample or file["size"] > LARGE or is_lfs(attributes, path)
        oid = None if row is None else row.lfs[0] if row.lfs else row.oid
        mode = "lfs" if large else "regular"
        shown.append({"path": path, "uploadMode": mode, "shouldIgnore": is_hidden(hidden, path), "oid": oid})
    return as_json({"files": shown})


# ------------------------------------------------------------------------------------------ commits


@dataclass
class Change:
    """The lines of a commit, read."""

    summary: str = ""
    text: str = ""
    parent: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    lfs: dict[str, tuple[str, int]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def commit(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    """A commit on a branch: 412 if the branch is not where the writer thinks, now or at the last instant."""
    repo = hub.repo(request, name, change=True)
    if request.parameter("create_pr"):
        raise Refused(403, "Discussions are disabled for this repo")
    head = hub.commit(repo, revision)
    change = _read(request.body.all())
    if change.parent and not head.startswith(change.parent):
        raise Refused(412, STALE)
    made = _made(hub, repo, head, change, request.account.name if request.account else "")
    if not repo.git.swap(f"refs/heads/{unquote(revision)}", made, head):
        raise Refused(412, STALE)
    url = f"{hub.url}/{name}/commit/{made}"
    return as_json({"success": True, "commitOid": made, "commitUrl": url, "hookOutput": "", "pullRequestUrl": None})


def _read(body: bytes) -> Change:
    change = Change()
    for line in body.splitlines():
        item = json.loads(line)
        value: dict[str, Any] = item["value"]
        match item["key"]:
            case "header":
                change.summary, change.text = value["summary"], value.get("description") or ""
                change.parent = value.get("parentCommit") or ""
            case "file":
                content = value["content"]
                plain = value.get("encoding") == "base64"
                change.files[_safe(value["path"])] = base64.b64decode(content) if plain else content.encode()
            case "lfsFile":
                change.lfs[_safe(value["path"])] = (value["oid"], int(value.get("size") or 0))
            case "deletedFile":
                change.deleted.append(_safe(value["path"]))
            case "deletedFolder":
                change.folders.append(_safe(value["path"].strip("/")))
            case other:
                raise Refused(400, f"unknown key {other}")
    return change


def _safe(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in ("", ".", "..", ".git") for part in parts):
        raise Refused(400, f"Invalid path: {path}")
    return path


def _made(hub: Hub, repo: Repo, head: str, change: Change, who: str) -> str:
    """The commit, which no branch has yet."""
    there = repo.git.files(head)
    deleted = list(change.deleted)
    for folder in change.folders:
        deleted += [path for path in there if path.startswith(f"{folder}/")] or [folder]
    for path in deleted:
        if path not in there:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
    files = dict(change.files)
    for path, (oid, size) in change.lfs.items():
        if not hub.storage.has(oid) and not (hub.cas and hub.cas.fetch(oid)):
            raise Refused(400, f"LFS pointer pointed to a file that does not exist: {path}")
        if hub.cas and oid in (known := hub.cas.hashes()):
            repo.xet_hashes[oid] = known[oid][0]
        files[path] = pointer(oid, size or hub.storage.path(oid).stat().st_size)
    attributes = files.get(".gitattributes", repo.git.read(head, ".gitattributes")).decode()
    missing = [path for path in sorted(change.lfs) if not is_lfs(attributes, path)]
    if missing:
        files[".gitattributes"] = (attributes + "".join(f"{_pattern(p)} {LFS_LINE}\n" for p in missing)).encode()
    return repo.git.commit(head, files, deleted, f"{change.summary}\n\n{change.text}".strip(), who)


# ----------------------------------------------------------------------------------- patterns of git


def is_lfs(attributes: str, path: str) -> bool:
    """Does the last fitting line of a `.gitattributes` say LFS?"""
    lfs = False
    for line in attributes.splitlines():
        pattern, marks = _split(line)
        if pattern and not pattern.startswith("#") and _fits(pattern, path):
            lfs = "filter=lfs" in marks
    return lfs


def is_hidden(ignore: str, path: str) -> bool:
    """Does a `.gitignore` name the path, or a folder on the way to it?"""
    parts = path.split("/")
    ways = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    hidden = False
    for line in (raw.strip() for raw in ignore.splitlines()):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").rstrip("/")
            if any(_fits(pattern, way) for way in ways):
                hidden = not line.startswith("!")
    return hidden


def _split(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        ends = line.index('"', 1) if '\\"' not in line else line.rindex('"')
        return line[1:ends].encode().decode("unicode_escape").encode("latin-1").decode(), line[ends + 1 :]
    pattern, _, marks = line.partition(" ")
    return pattern, marks


def _fits(pattern: str, path: str) -> bool:
    plain = pattern.replace("\\", "") if "\\" in pattern else None
    if "/" not in pattern:
        name = posixpath.basename(path)
        return name == plain or fnmatchcase(name, pattern)
    return path == (plain or "").lstrip("/") or fnmatchcase(path, pattern.lstrip("/").replace("**/", "*"))


def _pattern(path: str) -> str:
    """A pattern of `.gitattributes` that fits just this path."""
    literal = "".join(f"\\{letter}" if letter in "*?[]\\!#" else letter for letter in path)
    if all(33 <= ord(letter) < 127 and letter != '"' for letter in literal):
        return literal
    quoted = [chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:03o}" for b in literal.encode()]
    return f'"{"".join(quoted)}"'


# ------------------------------------------------------------------------------- tags, branches, settings


def tag(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name, change=True)
    wanted: Mapping[str, str] = request.json()
    if not repo.git.swap(f"refs/tags/{wanted['tag']}", hub.commit(repo, revision), ""):
        raise Refused(409, "Tag reference exists already")
    return as_json({})


def delete_tag(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name, change=True)
    there = repo.git.refs("refs/tags")
    if unquote(revision) not in there:
        raise Refused(404, "Tag not found", "RevisionNotFound")
    repo.git.git("update-ref", "-d", f"refs/tags/{unquote(revision)}")
    return as_json({})


def branch(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name, change=True)
    ref = f"refs/heads/{unquote(revision)}"
    if request.method == "DELETE":
        repo.git.git("update-ref", "-d", ref)
        return as_json({})
    start = (request.json() or {}).get("startingPoint") or "main"
    if not repo.git.swap(ref, hub.commit(repo, start), ""):
        raise Refused(409, "Reference already exists")
    return as_json({})


def settings(hub: Hub, request: Request, name: str) -> Reply:
    repo = hub.repo(request, name, change=True)
    wanted = request.json()
    repo.private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
    return as_json({"private": repo.private})
