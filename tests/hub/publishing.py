"""git, and a finished study, put on the Hub of the tests by the library alone, and what a machine has of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Mapping
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


def put(hub: Hub, what: Publication, other: Mapping[str, bytes] | None = None, **changed: bytes) -> str:
    """Commit it, with the bytes of some files (by their name) changed, and with others; the commit."""
    if NAME not in hub.repos:
        hub.create(NAME, private=True)
    adds = [CommitOperationAdd(path, data) for path, data in (other or {}).items()]
    for file in what.files:
        data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
        adds.append(CommitOperationAdd(file.path, changed.get(file.path.rpartition("/")[2].replace(".", "_"), data)))
    api = HfApi(endpoint=hub.url, token=hub.write)
    with warnings.catch_warnings(action="ignore"):  # the library finds Parquet strange in a model repository
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


def git(*arguments: str, where: Path) -> str:
    """What git says, with git-lfs and no settings of this machine."""
    settings = ["-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.process=git-lfs filter-process"]
    settings += ["-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.required=true"]
    settings += ["-c", "user.name=lab", "-c", "user.email=lab@hub.invalid"]
    quiet = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=where, capture_output=True, text=True, env={**os.environ, **quiet}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
