"""A finished study, put on the Hub of the tests by the library alone, and what a machine has of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from server import Hub

from vlmunl.commands.session import Session
from vlmunl.hub.client import Hub as Client
from vlmunl.hub.published import Publication, publication
from vlmunl.manifests.states import Board
from vlmunl.store import Store
from vlmunl.workspace import Workspace

NAME = "lab/study"


def published(session: Session) -> Publication:
    """What is published of a finished study."""
    return publication(session.plan, Board(session.plan, session.store), session.store, session.workspace)


def put(hub: Hub, what: Publication, **changed: bytes | None) -> str:
    """Commit it, with the bytes of some files (by their name) changed or left out; the commit."""
    if NAME not in hub.repos:
        hub.create(NAME, private=True)
    adds = []
    for file in what.files:
        data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
        other = changed.get(file.path.rpartition("/")[2].replace(".", "_"), data)
        if other is not None:
            adds.append(CommitOperationAdd(file.path, other))
    api = HfApi(endpoint=hub.url, token=hub.write)
    oid = str(api.create_commit(NAME, adds, commit_message="published").oid)
    api.create_tag(NAME, tag=what.tag, revision=oid, exist_ok=True)
    return oid


def client(hub: Hub, revision: str = "main", token: str | None = None, **more: object) -> Client:
    """Ours, which waits for nothing."""
    return Client(repo=NAME, revision=revision, endpoint=hub.url, token=token or hub.read, sleep=_no_time, **more)  # type: ignore[arg-type]


def _no_time(seconds: float) -> None:
    pass


def elsewhere(folder: Path, session: Session) -> tuple[Store, Workspace]:
    """An empty workspace of another machine, which has the base model."""
    (folder / "manifests").mkdir(parents=True)
    shutil.copytree(session.workspace.root / "base", folder / "base")
    return Store.open(folder / "store"), Workspace(root=folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
