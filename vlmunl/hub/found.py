"""What a repository holds of a study at one commit: its inventory, held against the listing and the tag."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlmunl.errors import CopyDamaged, NotOnHub, StoreDamaged, UsageError
from vlmunl.hub.arrive import Arrivals, Wanted
from vlmunl.hub.client import Hub, RemoteFile
from vlmunl.hub.inventory import FILE, Inventory, folder, inventory_path, parse, tag_of

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
LARGEST = 256 << 20
"""Bytes that an inventory may have; it is read whole."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A published study. `tree` is all of the repository at `commit`; `sha256` that of the inventory."""

    commit: str
    inventory: Inventory
    sha256: str
    tree: Mapping[str, RemoteFile]

    @property
    def study(self) -> str:
        """Its name, which is also its folder in the repository."""
        return self.inventory.study

    def wanted(self) -> dict[str, Wanted]:
        """Path in the inventory -> what is to come of it.

        Raises:
            CopyDamaged: the repository lacks a file, or lists another size or sum than the inventory.
        """
        wanted = {}
        for entry in self.inventory.files:
            path = f"{folder(self.study)}/{entry.path}"
            remote = self.tree.get(path)
            if remote is None:
                raise _damaged(f"it lacks {path}, which its inventory names")
            if remote.size != entry.size or remote.sha256 not in (None, entry.sha256):
                raise _damaged(f"{path} is not the file that its inventory names")
            wanted[entry.path] = Wanted(remote=remote, sha256=entry.sha256)
        return wanted


def look(hub: Hub, study: str | None) -> Found:
    """Find a published study: first the commit that the revision is now, then everything at that commit.

    Raises:
        NotOnHub: no such repository or revision, or no study in it.
        UsageError: it holds several, and none was named.
        CopyDamaged: the inventory is not what the listing, the tag or itself says.
        SyncError: the Hub does not answer, or says no. Nothing that lies on this machine stands in for its answer.
    """
    commit = hub.head()
    tree = hub.tree(commit)
    name = _chosen(hub, tree, study)
    there = published_inventory(hub, commit, tree, name)
    assert there is not None, "only one that is there is chosen"
    inventory, sha256 = there
    if hub.revision.startswith(tag_of("")) and hub.revision != tag_of(sha256):
        raise _damaged(f"the tag {hub.revision} names an inventory whose sha256 begins with {sha256[:12]}")
    return Found(commit=commit, inventory=inventory, sha256=sha256, tree=tree)


def published_inventory(
    hub: Hub, commit: str, tree: Mapping[str, RemoteFile], study: str
) -> tuple[Inventory, str] | None:
    """The inventory of a study at a commit, and its sha256; None if the study is not there.

    Raises:
        CopyDamaged: it is not one, or that of another study.
        SyncError: the Hub does not answer, or says no.
    """
    remote = tree.get(inventory_path(study))
    if remote is None:
        return None
    if remote.size > LARGEST:
        raise _damaged(f"{remote.path} has {remote.size} bytes")
    data = read(hub, commit, remote)
    try:
        inventory = parse(data, f"{remote.path} of {hub.shown}")
    except StoreDamaged as error:
        raise CopyDamaged(error.message, _AGAIN) from None
    if inventory.study != study:
        raise _damaged(f"{remote.path} speaks of another study, {inventory.study!r}")
    return inventory, hashlib.sha256(data).hexdigest()


def studies(tree: Mapping[str, RemoteFile]) -> list[str]:
    """The studies that a repository holds, by the inventories in it."""
    split = [path.split("/") for path in tree]
    return sorted(p[0] for p in split if len(p) == 2 and p[1] == FILE and _NAME.fullmatch(p[0]))


def read(hub: Hub, commit: str, remote: RemoteFile) -> bytes:
    """The bytes of one file, regular or large, held against the listing."""
    if remote.sha256 is None:
        return hub.read(remote, commit, most=LARGEST)
    with tempfile.TemporaryDirectory() as folder:
        arrivals = Arrivals(hub=hub, commit=commit, staging=Path(folder), progress=lambda done, total: None)
        came = arrivals.bring([Wanted(remote=remote, sha256=remote.sha256)])
        return came[remote.sha256].path.read_bytes()


def _chosen(hub: Hub, tree: Mapping[str, RemoteFile], study: str | None) -> str:
    there = studies(tree)
    if study is not None and study not in there:
        held = f"it holds {', '.join(there)}" if there else "it holds no study"
        raise NotOnHub(f"{hub.shown} has no study {study!r}; {held}", "check --repo and the revision")
    if not there:
        raise NotOnHub(f"{hub.shown} holds no study: no {FILE} in a folder of it", "is it the right repository?")
    if study is None and len(there) > 1:
        raise UsageError(f"{hub.shown} holds several studies: {', '.join(there)}", "name one of them as STUDY")
    return study or there[0]


_AGAIN = "ask whoever published it to push it again"


def _damaged(what: str) -> CopyDamaged:
    return CopyDamaged(f"the published copy is damaged: {what}; nothing was taken over", _AGAIN)
