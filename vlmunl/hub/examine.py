"""What lies on the Hub of a study, held against what its evidence here reaches. Nothing is written there or here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlmunl.errors import CopyDamaged, NotOnHub
from vlmunl.hub.arrive import Arrivals, Progress, Wanted
from vlmunl.hub.client import Hub, RemoteFile
from vlmunl.hub.compare import Changes, compare
from vlmunl.hub.found import published_inventory
from vlmunl.hub.inventory import folder, inventory_path, tag_of
from vlmunl.hub.planning import Planning
from vlmunl.hub.published import Publication, PublishedFile
from vlmunl.hub.receipts import Receipt
from vlmunl.hub.receipts import read as read_receipt
from vlmunl.store import Store


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A published study against the one here. Paths are those of the repository; `damaged` is known after `deep` only.

    `tagged` is the commit that the publication's tag names; None if there is no such tag.
    """

    commit: str
    equal: tuple[str, ...]
    missing: tuple[str, ...]
    differing: tuple[str, ...]
    damaged: tuple[str, ...]
    extra: tuple[str, ...]
    tagged: str | None
    deep: bool

    @property
    def is_sound(self) -> bool:
        """Is everything there as it is here? What lies beside it does not count."""
        return not (self.missing or self.differing or self.damaged)


def verify(hub: Hub, publication: Publication, store: Store, progress: Progress, *, deep: bool = False) -> Examined:
    """Compare every file by what the Hub lists of it; with `deep` download and hash those that are listed as equal.

    Raises:
        NotOnHub: there is no such repository or revision, or the study is not in it.
        SyncError: the Hub does not answer, or says no.
    """
    commit = hub.head()
    tree = hub.tree(commit)
    if inventory_path(publication.study) not in tree:
        raise NotOnHub(f"{hub.shown} does not hold {publication.study}", f"publish it: vlmunl sync {publication.study}")
    changes = compare(publication.by_path, tree, commit)
    damaged = _damaged(hub, commit, tree, changes.keep, store, progress) if deep else ()
    beside = [path for path in tree if path.startswith(f"{folder(publication.study)}/")]
    return Examined(
        commit=commit,
        equal=tuple(file.path for file in changes.keep if file.path not in damaged),
        missing=tuple(file.path for file in changes.add),
        differing=tuple(file.path for file in changes.update),
        damaged=damaged,
        extra=tuple(sorted(path for path in beside if path not in publication.by_path)),
        tagged=hub.tags().get(publication.tag),
        deep=deep,
    )


def _damaged(
    hub: Hub,
    commit: str,
    tree: Mapping[str, RemoteFile],
    files: Iterable[PublishedFile],
    store: Store,
    progress: Progress,
) -> tuple[str, ...]:
    """The files that do not arrive as they are listed. All at once; if one is damaged, one by one, to name each."""
    wanted = {file.path: Wanted(remote=tree[file.path], sha256=file.sha256) for file in files}
    with store.scratch() as staging:

        def arrive(some: Iterable[Wanted], count: Progress) -> bool:
            try:
                Arrivals(hub=hub, commit=commit, staging=staging, progress=count).bring(list(some))
            except CopyDamaged:
                return False
            return True

        if arrive(wanted.values(), progress):
            return ()
        return tuple(path for path, one in wanted.items() if not arrive([one], lambda done, total: None))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a study is published, and what a push would do. None is what is not there.

    published: the sha256 of the inventory on the Hub, and `tag` what names it there, if something does. is_current: is
    it that of the evidence here; same_results: does it at least name the same run manifest. changes: of a push; None if
    there is nothing here that could be pushed.
    """

    exists: bool
    is_private: bool | None = None
    head: str | None = None
    published: str | None = None
    tag: str | None = None
    tagged: str | None = None
    is_current: bool = False
    same_results: bool = False
    receipt: Receipt | None = None
    changes: Changes | None = None


def status(hub: Hub, study: str, publication: Publication | None, store: Store) -> Standing:
    """Ask where things stand. `publication`: what would be published now, if that can be said.

    Raises:
        CopyDamaged: the inventory on the Hub is not one.
        SyncError: the Hub does not answer, or says no.
    """
    receipt = read_receipt(store.root, hub.repo, hub.revision, study)
    planning = None if publication is None else Planning(publication=publication, hub=hub, prune=False)

    def planned(head: str | None) -> Changes | None:
        return None if planning is None else planning.changes(head)

    try:
        info = hub.info()
    except NotOnHub:
        return Standing(exists=False, receipt=receipt, changes=planned(None))
    private = bool(getattr(info, "private", False))
    try:
        head = hub.head()
    except NotOnHub:
        return Standing(exists=True, is_private=private, receipt=receipt, changes=planned(None))
    there = published_inventory(hub, head, hub.tree(head), study)
    sha256 = there[1] if there else None
    tags = hub.tags()
    tag = tag_of(sha256) if sha256 else None
    return Standing(
        exists=True,
        is_private=private,
        head=head,
        published=sha256,
        tag=tag if tag in tags else None,
        tagged=tags.get(tag) if tag else None,
        is_current=publication is not None and sha256 == publication.manifest_sha256,
        same_results=bool(there and publication and there[0].manifest == publication.inventory.manifest),
        receipt=receipt,
        changes=planned(head),
    )
