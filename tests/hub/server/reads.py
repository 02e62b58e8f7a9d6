"""What does not change a repository: accounts, listings, refs and files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from server.git_repo import Row, pointer
from server.wire import Refused, Reply, Request, as_json

if TYPE_CHECKING:
    from server.hub import Hub, Repo


def whoami(hub: Hub, request: Request) -> Reply:
    if request.account is None:
        raise Refused(401, "Invalid username or password.")
    account = request.account
    return as_json(
        {
            "type": "user",
            "name": account.name,
            "fullname": account.name,
            "orgs": [{"type": "org", "name": name} for name in account.organizations],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": account.role}},
        }
    )


def info(hub: Hub, request: Request, name: str, revision: str = "main") -> Reply:
    repo = hub.repo(request, name)
    commit = hub.commit(repo, revision)
    blobs = request.parameter("blobs").lower() in ("true", "1")
    siblings = [_sibling(row, blobs) for row in repo.git.files(commit).values()]
    return as_json({"id": name, "modelId": name, "sha": commit, "private": repo.private, "siblings": siblings})


def _sibling(row: Row, blobs: bool) -> dict[str, object]:
    if not blobs:
        return {"rfilename": row.path}
    shown: dict[str, object] = {"rfilename": row.path, "blobId": row.oid, "size": row.lfs[1] if row.lfs else row.size}
    if row.lfs:
        shown["lfs"] = {"sha256": row.lfs[0], "size": row.lfs[1], "pointerSize": row.size}
    return shown


def tree(hub: Hub, request: Request, name: str, revision: str, under: str | None = None) -> Reply:
    """A page of a listing; the address of the next page is in the header `Link`."""
    repo = hub.repo(request, name)
    commit = hub.commit(repo, revision)
    folder = unquote(under or "").strip("/")
    start = f"{folder}/" if folder else ""
    rows = [row for row in repo.git.rows(commit) if row.path.startswith(start)]
    if folder and not rows:
        raise Refused(404, f"{folder} does not exist on {revision}", "EntryNotFound")
    if request.parameter("recursive").lower() not in ("true", "1"):
        rows = [row for row in rows if "/" not in row.path[len(start) :]]
    size = min(int(request.parameter("limit") or hub.page), hub.page)
    first = int(base64.b64decode(request.parameter("cursor") or b"MA=="))
    headers = {}
    if first + size < len(rows):
        cursor = base64.b64encode(str(first + size).encode()).decode().replace("=", "%3D")
        others = [part for part in request.query.split("&") if part and not part.startswith("cursor=")]
        address = f"{hub.url}{request.path}?{'&'.join([*others, f'cursor={cursor}'])}"
        headers["Link"] = f'<{address}>; rel="next"'
    return as_json([entry(repo, row) for row in rows[first : first + size]], headers=headers)


def entry(repo: Repo, row: Row) -> dict[str, object]:
    """A row of a listing, as the API shows it."""
    if row.kind == "tree":
        return {"type": "directory", "oid": row.oid, "size": 0, "path": row.path}
    shown: dict[str, object] = {"type": "file", "oid": row.oid, "size": row.size, "path": row.path}
    if row.lfs:
        oid, size = row.lfs
        shown |= {"size": size, "lfs": {"oid": oid, "size": size, "pointerSize": len(pointer(oid, size))}}
        if oid in repo.xet_hashes:
            shown["xetHash"] = repo.xet_hashes[oid]
    return shown


def paths_info(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name)
    commit = hub.commit(repo, revision)
    wanted = parse_qs(request.body.all().decode()).get("paths", [])
    by_path = {row.path: row for row in repo.git.rows(commit)}
    return as_json([entry(repo, by_path[path]) for path in wanted if path in by_path])


def refs(hub: Hub, request: Request, name: str) -> Reply:
    repo = hub.repo(request, name)
    kinds = {"branches": "refs/heads", "tags": "refs/tags"}
    found = {
        kind: [{"name": n, "ref": f"{under}/{n}", "targetCommit": oid} for n, oid in repo.git.refs(under).items()]
        for kind, under in kinds.items()
    }
    return as_json({**found, "converts": []})


def commits(hub: Hub, request: Request, name: str, revision: str) -> Reply:
    repo = hub.repo(request, name)
    return as_json(repo.git.history(hub.commit(repo, revision)))


def resolve(hub: Hub, request: Request, name: str, revision: str, path: str) -> Reply:
    """A regular file itself; for an LFS file the way to the storage's host."""
    repo = hub.repo(request, name)
    commit = hub.commit(repo, revision)
    row = repo.git.files(commit).get(unquote(path))
    headers = {"X-Repo-Commit": commit}
    if row is None:
        raise Refused(404, "Entry not found", "EntryNotFound", headers)
    if row.lfs is None:
        headers |= {"ETag": f'"{row.oid}"', "Accept-Ranges": "bytes"}
        return Reply(headers=headers, body=repo.git.blob(row.oid), ranged=True)
    oid, size = row.lfs
    where = f"/objects/{oid}"
    headers |= {
        "X-Linked-Etag": f'"{oid}"',
        "X-Linked-Size": str(size),
        "Location": f"{hub.storage_url}{where}?{hub.storage.sign('GET', where)}",
    }
    if hub.cas is not None and oid in repo.xet_hashes:
        route = f"{hub.url}/api/models/{name}/xet-read-token/{commit}"
        headers |= {"X-Xet-Hash": repo.xet_hashes[oid], "X-Xet-Refresh-Route": route}
        headers["Link"] = f'<{route}>; rel="xet-auth"'
    return Reply(status=302, headers=headers)
