"""git-lfs: the batch call of the API, and the objects on the storage's host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from server.wire import Refused, Reply, Request, as_json

if TYPE_CHECKING:
    from server.hub import Hub

LFS_JSON = {"Content-Type": "application/vnd.git-lfs+json"}


def batch(hub: Hub, request: Request, name: str) -> Reply:
    """Where each object is to be put, or can be had; no actions for what is there already."""
    wanted = request.json()
    upload = wanted["operation"] == "upload"
    hub.repo(request, name, change=upload)
    parts = upload and "multipart" in wanted.get("transfers", []) and hub.multipart_from is not None
    transfer = "multipart" if parts else "basic"
    check = {
        "href": f"{hub.url}/{name}.git/info/lfs/objects/verify",
        "header": {"Authorization": request.headers.get("Authorization", "")},
    }
    items = wanted["objects"]
    shown = [_upload(hub, item, transfer, check) if upload else _download(hub, item) for item in items]
    return as_json({"transfer": transfer, "objects": shown, "hash_algo": "sha256"}, headers=LFS_JSON)


def _upload(hub: Hub, item: dict[str, Any], transfer: str, check: dict[str, Any]) -> dict[str, Any]:
    oid, size = item["oid"], int(item["size"])
    if hub.storage.has(oid, size):
        return {"oid": oid, "size": size}
    where = f"/objects/{oid}"
    action: dict[str, Any] = {"href": _signed(hub, "PUT", where)}
    if transfer == "multipart" and hub.multipart_from is not None and size >= hub.multipart_from:
        numbers = range(1, math.ceil(size / hub.part_size) + 1)
        header = {f"{n:05d}": _signed(hub, "PUT", f"{where}/parts/{n}") for n in numbers}
        action = {
            "href": _signed(hub, "POST", f"{where}/complete"),
            "header": {"chunk_size": str(hub.part_size), **header},
        }
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"upload": action, "verify": check}}


def _download(hub: Hub, item: dict[str, Any]) -> dict[str, Any]:
    oid, size = item["oid"], int(item["size"])
    if not hub.storage.has(oid):
        return {"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
    href = _signed(hub, "GET", f"/objects/{oid}")
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": {"href": href}}}


def verify(hub: Hub, request: Request, name: str) -> Reply:
    hub.repo(request, name, change=True)
    wanted = request.json()
    if not hub.storage.has(wanted["oid"], int(wanted["size"])):
        raise Refused(404, "Object does not exist")
    return as_json({}, headers=LFS_JSON)


# ------------------------------------------------------------------------------------ the storage's host


def _signed(hub: Hub, method: str, path: str) -> str:
    return f"{hub.storage_url}{path}?{hub.storage.sign(method, path)}"


def _check(hub: Hub, request: Request) -> None:
    method = "GET" if request.method == "HEAD" else request.method
    if not hub.storage.signed(method, request.path, request.query):
        raise Refused(403, "SignatureDoesNotMatch")


def put(hub: Hub, request: Request, oid: str) -> Reply:
    _check(hub, request)
    if not hub.storage.put(oid, request.body.read):
        raise Refused(400, "the content is not that of its SHA-256")
    return Reply(headers={"ETag": f'"{oid}"'})


def get(hub: Hub, request: Request, oid: str) -> Reply:
    _check(hub, request)
    if not hub.storage.has(oid):
        raise Refused(404, "NoSuchKey")
    headers = {"ETag": f'"{oid}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    return Reply(headers=headers, file=hub.storage.path(oid), ranged=True)


def put_part(hub: Hub, request: Request, oid: str, number: str) -> Reply:
    _check(hub, request)
    return Reply(headers={"ETag": hub.storage.put_part(oid, int(number), request.body.read)})


def complete(hub: Hub, request: Request, oid: str) -> Reply:
    _check(hub, request)
    etags = {int(part["partNumber"]): part["etag"] for part in request.json()["parts"]}
    if not hub.storage.join(oid, etags):
        raise Refused(400, "the parts are not those of the object")
    return as_json({"success": True})
