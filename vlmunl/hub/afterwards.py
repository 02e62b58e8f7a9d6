"""After the commit: does the Hub hold what was sent, the tag that names it, and a note of it in the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmunl import __version__
from vlmunl.errors import NotVerified, RemoteConflict
from vlmunl.hub import receipts
from vlmunl.hub.client import Hub, jitter
from vlmunl.hub.compare import Changes, same
from vlmunl.hub.failures import Failure, explained, wait_of
from vlmunl.hub.published import Publication
from vlmunl.hub.receipts import Receipt
from vlmunl.hub.transport import Chosen


@dataclass(frozen=True, kw_only=True)
class Afterwards:
    """The last steps of a push; `store` is the store's folder, `tags` are given beside the publication's own."""

    publication: Publication
    hub: Hub
    store: Path
    tags: tuple[str, ...]

    def verify(self, oid: str) -> None:
        """Is everything at that commit as it is here?

        Raises:
            NotVerified: it is not; nothing is tagged.
        """
        tree = self.hub.tree(oid)
        wrong = [
            f"{file.path}: {file.size} bytes here, {'nothing' if there is None else f'{there.size} bytes'} there"
            for file in self.publication.files
            if not same(file, there := tree.get(file.path))
        ]
        if wrong:
            more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
            raise NotVerified(
                f"{self.hub.repo} at {oid[:12]} is not what was committed, and got no tag: "
                + "; ".join(wrong[:4])
                + more,
                "look at that commit; run it again to publish anew",
            )

    def tag(self, oid: str) -> tuple[str, ...]:
        names = (self.publication.tag, *self.tags)
        there = self.hub.tags()
        for name in names:
            if name not in there:
                self._make_tag(name, oid)
            elif there[name] != oid and not (name == self.publication.tag and self._holds(there[name])):
                raise RemoteConflict(
                    f"the tag {name} of {self.hub.repo} names {there[name][:12]}, and not {oid[:12]}; it was not moved",
                    "everything else is published; choose another --tag, or delete that one on the Hub",
                )
        return names

    def _make_tag(self, name: str, oid: str) -> None:
        for attempt in range(self.hub.retries + 1):
            try:
                self.hub.api.create_tag(self.hub.repo, tag=name, revision=oid)
                return
            except Exception as error:
                failure = Failure.of(error)
                if failure is None:
                    raise
                there = self.hub.tags().get(name)
                if there == oid:
                    return
                pause = wait_of(failure, attempt)
                if there is not None or pause is None or attempt >= self.hub.retries:
                    ours = explained(failure, f"making the tag {name}", self.hub, sent=True)
                    raise ours from (error if self.hub.redact.is_clean(error) else None)
            self.hub.sleep(jitter(pause))

    def _holds(self, commit: str) -> bool:
        """Does that commit hold the publication too? Its tag was given then."""
        tree = self.hub.tree(commit)
        return all(same(file, tree.get(file.path)) for file in self.publication.files)

    def note(self, oid: str, changes: Changes, chosen: Chosen | None) -> None:
        import huggingface_hub

        p = self.publication
        new = Receipt(
            study=p.study,
            endpoint=self.hub.redact(self.hub.endpoint),
            repo=self.hub.repo,
            revision=self.hub.revision,
            commit=oid,
            tag=p.tag,
            manifest_sha256=p.manifest_sha256,
            run_manifest_sha256=p.inventory.manifest,
            files=len(p.files),
            bytes=p.size,
            sent_files=len(changes.send),
            sent_bytes=changes.size,
            transport=chosen or "",
            library=huggingface_hub.__version__,
            vlmunl=__version__,
        )
        old = receipts.read(self.store, self.hub.repo, self.hub.revision, p.study)
        if old is None or (old.commit, old.manifest_sha256, old.endpoint) != (oid, p.manifest_sha256, new.endpoint):
            receipts.write(self.store, new.stamped())
