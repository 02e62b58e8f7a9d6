"""Pushing the finished small study to the Hub of the tests, and what is asked of the result."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from server import Hub

from vlmunl.commands.session import Session
from vlmunl.hub.client import Hub as Client
from vlmunl.hub.preflight import Wishes
from vlmunl.hub.published import Publication
from vlmunl.hub.push import Options, Outcome, Push
from vlmunl.hub.study import published_study
from vlmunl.store import Store

NAME = "lab/study"
MAKE = Wishes(create=True)


def client(hub: Hub, token: str | None = None, **more: Any) -> Client:
    """Ours, which waits for nothing."""
    more = {"sleep": lambda seconds: None, "repo": NAME, **more}
    return Client(endpoint=hub.url, token=token or hub.write, **more)


def push(
    hub: Hub, session: Session, publication: Publication | None = None, ours: Client | None = None, **options: Any
) -> Outcome:
    """Publish a session's study, making the repository if need be."""
    ours = ours or client(hub)
    what = publication or published_study(session.plan, session.store, session.workspace, ours.repo)
    options = {"wishes": MAKE, **options}
    return Push(publication=what, hub=ours, store=session.store, options=Options(**options)).run()


def published(session: Session) -> Publication:
    """What is published of the study in the tests' repository."""
    return published_study(session.plan, session.store, session.workspace, NAME)


def there(hub: Hub, revision: str = "main", name: str = NAME) -> dict[str, tuple[int, str]]:
    """Path -> (size, sha256 of a large file or git's id of another) on the Hub, as its API lists them."""
    rows = HfApi(endpoint=hub.url, token=hub.write).list_repo_tree(name, revision=revision, recursive=True)
    found: dict[str, tuple[int, str]] = {}
    for row in rows:
        if hasattr(row, "blob_id"):
            found[row.path] = (row.size, row.lfs.sha256 if row.lfs else row.blob_id)
    return found


def is_there(hub: Hub, publication: Publication, revision: str = "main") -> bool:
    """Does the Hub hold exactly these bytes under these names?"""
    tree = there(hub, revision)
    return all(
        tree.get(file.path) in ((file.size, file.sha256), (file.size, git_id(file.source)))
        for file in publication.files
    )


def git_id(source: bytes | Path) -> str:
    """The id of a blob, computed here once more."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def titles(hub: Hub, name: str = NAME) -> list[str]:
    """Titles of the commits on main, newest first."""
    repo = hub.repos[name]
    return [str(commit["title"]) for commit in repo.git.history(repo.head)]


def tags(hub: Hub, name: str = NAME) -> dict[str, str]:
    """Tag -> commit."""
    return hub.repos[name].git.refs("refs/tags")


def moved(session: Session, root: Path) -> Session:
    """The session of a copy of its workspace, with a store of its own."""
    from dataclasses import replace

    from vlmunl.workspace import Workspace

    return replace(session, workspace=Workspace(root=root), store=Store.open(root / "store"))


def paper_of(session: Session) -> Path:
    """Where the workspace's paper lies once it is compiled."""
    path = session.workspace.root / "latex" / "build" / "paper.pdf"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
