"""What a push would change: the files of a publication against one listing of the repository."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vlmunl.errors import RemoteConflict
from vlmunl.hub.client import RemoteFile
from vlmunl.hub.inventory import folder, inventory_path
from vlmunl.hub.published import PublishedFile

Files = Mapping[str, PublishedFile]
Listing = Mapping[str, RemoteFile]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """From `head`, whose files are `tree`, to what is wanted."""

    head: str
    tree: Listing
    add: tuple[PublishedFile, ...] = ()
    update: tuple[PublishedFile, ...] = ()
    keep: tuple[PublishedFile, ...] = ()
    delete: tuple[str, ...] = ()

    @property
    def send(self) -> tuple[PublishedFile, ...]:
        """New and changed files."""
        return (*self.add, *self.update)

    @property
    def paths(self) -> frozenset[str]:
        """All paths that change."""
        return frozenset([*(file.path for file in self.send), *self.delete])

    @property
    def is_empty(self) -> bool:
        """Is everything there already?"""
        return not self.send and not self.delete

    @property
    def size(self) -> int:
        """Bytes of the new and changed files."""
        return sum(file.size for file in self.send)

    def __str__(self) -> str:
        return f"+{len(self.add)} ~{len(self.update)} -{len(self.delete)}"


def same(file: PublishedFile, there: RemoteFile | None) -> bool:
    """Does the file lie there with these bytes? Large files are compared by sha256, others by git's id."""
    if there is None or there.size != file.size:
        return False
    return there.sha256 == file.sha256 if there.sha256 is not None else there.blob == file.git_sha1


def compare(files: Files, tree: Listing, head: str, *, prune: str = "") -> Changes:
    """What changes. `prune`: delete what lies in the folder of this study beside its files."""
    unequal = [file for file in files.values() if not same(file, tree.get(file.path))]
    doomed = [path for path in tree if prune and path.startswith(f"{folder(prune)}/") and path not in files]
    changed = {file.path for file in unequal}
    return Changes(
        head=head,
        tree=tree,
        add=tuple(file for file in unequal if file.path not in tree),
        update=tuple(file for file in unequal if file.path in tree),
        keep=tuple(file for file in files.values() if file.path not in changed),
        delete=tuple(sorted(doomed)),
    )


def check_owned(changes: Changes, study: str, ours: Collection[str], forced: Collection[str]) -> None:
    """May these files be replaced? Those of a study that lies there already, and of `ours`; others only if forced.

    Raises:
        RemoteConflict: a file of somebody else's is in the way.
    """
    if inventory_path(study) in changes.tree:
        ours = {*ours, *(file.path for file in changes.update if file.path.startswith(f"{folder(study)}/"))}
    foreign = [f.path for f in changes.update if f.path not in ours and not is_forced(f.path, forced)]
    foreign += [path for path in changes.delete if inventory_path(study) not in changes.tree]
    if foreign:
        raise _conflict(sorted(foreign), "was not written by vlmunl and would be replaced")


def check_since(changes: Changes, before: Listing, derived: Collection[str], forced: Collection[str]) -> None:
    """Has anybody else changed since `before` what is to be changed? `derived` files are made anew, and do not count.

    Raises:
        RemoteConflict: somebody has.
    """
    met = [
        path
        for path in sorted(changes.paths)
        if path not in derived and changes.tree.get(path) != before.get(path) and not is_forced(path, forced)
    ]
    if met:
        raise _conflict(met, "was changed by somebody else meanwhile, and differs from what is published now")


def is_forced(path: str, forced: Collection[str]) -> bool:
    """Is the path, or a folder that it lies in, among those of `--force-path`?"""
    return any(path == one.rstrip("/") or path.startswith(one.rstrip("/") + "/") for one in forced)


def _conflict(paths: list[str], why: str) -> RemoteConflict:
    more = f" (and {len(paths) - 3} more)" if len(paths) > 3 else ""
    shown = ", ".join(paths[:3]) + more
    return RemoteConflict(f"{shown} {why}; nothing was committed", f"to replace it: --force-path {paths[0]}")
