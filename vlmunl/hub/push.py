"""Publishing a study: look, compare, check, send, commit once, verify, tag. What breaks off is planned anew.

The repository is at its old state or at its new one at any time; nothing is remembered here but a receipt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from vlmunl import __version__
from vlmunl.errors import RemoteConflict, SyncError
from vlmunl.hub import attributes, card_front, receipts
from vlmunl.hub.afterwards import Afterwards
from vlmunl.hub.client import Hub, jitter
from vlmunl.hub.compare import Changes, check_owned, check_since
from vlmunl.hub.failures import Failure, explained, is_missing_object, wait_of
from vlmunl.hub.planning import Planning
from vlmunl.hub.preflight import Ground, Wishes, check_tag, look, prepare
from vlmunl.hub.published import Publication
from vlmunl.hub.scan import Allowed, Finding, Scanner, refuse
from vlmunl.hub.transport import Chosen, Transport, choose, using
from vlmunl.hub.upload import Progress, check_local, commit, operations, send_large
from vlmunl.store import Store


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to push. `tags` are given beside the publication's own; `forced` paths may be somebody else's."""

    wishes: Wishes = field(default_factory=Wishes)
    prune: bool = False
    transport: Transport = "auto"
    tags: tuple[str, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    forced: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a push did, or with `dry_run` would do. `commit` is where everything lies now; None in a dry run."""

    changes: Changes
    commit: str | None
    made_commit: bool
    transport: Chosen | None
    warnings: tuple[Finding, ...]
    is_private: bool
    exists: bool
    created: bool


@dataclass(kw_only=True)
class Push:
    """One push of one publication. `say` tells a line, `progress` makes a (done, total) counter for some work."""

    publication: Publication
    hub: Hub
    store: Store
    options: Options
    say: Callable[[str], None] = lambda text: None
    progress: Callable[[str], Progress] = lambda verb: lambda done, total: None
    _cleared: set[tuple[str, str]] = field(default_factory=set)
    _warnings: set[Finding] = field(default_factory=set)

    def run(self) -> Outcome:
        """Do it.

        Raises:
            SyncError: one of exit codes 10 to 19; what is on the Hub is then as it was, or whole and not yet tagged.
            VlmunlError: the store cannot be written.
        """
        with self.hub.redact.logging():
            if self.options.dry_run:
                return self._run()
            with receipts.alone(self.store.root, self.hub.repo, self.hub.revision, self.say):
                return self._run()

    def _run(self) -> Outcome:
        ground = look(self.hub, self.options.wishes)
        changes = self._planning.changes(ground.head)
        self._check_owned(changes)
        for tag in self.options.tags:
            check_tag(self.hub, ground, tag, unchanged=changes.is_empty)
        self._clear(changes)
        if self.options.dry_run:
            chosen = choose(self.hub, self.options.transport) if ground.head and not changes.is_empty else None
            return self._outcome(changes, None, False, ground, chosen)
        ground = prepare(self.hub, ground, self.options.wishes)
        chosen = None if changes.is_empty else choose(self.hub, self.options.transport)
        with using(chosen or "lfs"):
            oid, made = self._land(ground, changes)
        last = Afterwards(publication=self.publication, hub=self.hub, store=self.store.root, tags=self.options.tags)
        if oid != changes.head or not changes.is_empty:  # else the plan has just seen that all is there
            last.verify(oid)
        last.tag(oid)
        last.note(oid, changes, chosen)
        return self._outcome(changes, oid, made, ground, chosen)

    def _land(self, ground: Ground, changes: Changes) -> tuple[str, bool]:
        """Send and commit what differs; (where everything is now, did this make a commit)."""
        if ground.head != changes.head:  # the repository, or the branch, was made just now
            changes = self._planning.changes(ground.head)
            self._clear(changes)
        return self._committed(changes if changes.is_empty else self._bootstrapped(changes))

    @cached_property
    def _planning(self) -> Planning:
        return Planning(publication=self.publication, hub=self.hub, prune=self.options.prune)

    def _check_owned(self, changes: Changes) -> None:
        check_owned(changes, self.publication.study, self._planning.ours(changes.tree), self.options.forced)

    def _clear(self, changes: Changes) -> None:
        """Hash and search what is to be sent and was not yet; a later plan may send more than the first.

        Raises:
            CopyDamaged, SecretFound: it must not be sent. Nothing of it was.
        """
        new = [file for file in changes.send if (file.path, file.sha256) not in self._cleared]
        if not self.options.dry_run:
            check_local(new, self.progress("checking"))
        self._warnings.update(refuse(self._scanner.scan(new), self.options.allowed))
        self._cleared.update((file.path, file.sha256) for file in new)

    @cached_property
    def _scanner(self) -> Scanner:
        return Scanner(self.hub.token)

    # ---------------------------------------------------------------------------------- committing

    def _bootstrapped(self, changes: Changes) -> Changes:
        """Tell the repository first which files are large ones, where it does not know; returns what is left to do."""
        for _ in range(self.hub.retries + 1):
            there = changes.tree.get(attributes.FILE)
            text = self.hub.read(there, changes.head).decode("utf-8", "replace") if there else ""
            lacking = attributes.missing(text, (file.path for file in changes.send))
            if not lacking:
                return changes
            data = attributes.with_patterns(text, lacking).encode()
            from huggingface_hub import CommitOperationAdd

            operation = CommitOperationAdd(attributes.FILE, data)
            try:
                title = f"vlmunl sync: {', '.join(lacking)} are large files"
                commit(self.hub, [operation], changes.head, title, "")
            except Exception as error:
                self._pause(error, 0, "writing .gitattributes")
            changes = self._replanned(changes)
        raise RemoteConflict(f"{self.hub.shown} changes all the time", "run it again")

    def _committed(self, changes: Changes) -> tuple[str, bool]:
        """(commit, did this make one); plans anew after any doubt, since a reply may be lost and the commit not."""
        sent = False
        for attempt in range(self.hub.retries + 1):
            if changes.is_empty:
                return changes.head, sent
            made = operations(changes)
            send_large(self.hub, changes, made, self.progress("sending"))
            try:
                return commit(self.hub, made, changes.head, *self._message(changes)), True
            except Exception as error:
                sent = True
                self._pause(error, attempt, "committing")
            changes = self._replanned(changes)
        if changes.is_empty:
            return changes.head, True
        raise RemoteConflict(
            f"{self.hub.shown} refused {self.hub.retries + 1} commits, each made for the state that it was in",
            "the token may not be allowed to commit, or others commit all the time; run it again",
        )

    def _pause(self, error: Exception, attempt: int, doing: str) -> None:
        """Wait before the next look, if there is to be one.

        Raises:
            SyncError: there is not.
        """
        failure = Failure.of(error)
        if failure is None or isinstance(error, SyncError):
            raise error
        ours = explained(failure, doing, self.hub, sent=True)
        again = failure.status in (409, 412) or (failure.status == 400 and is_missing_object(failure.text))
        pause = float(min(32, 2 ** (attempt + 1))) if failure.status == 409 else 0.2 if again else None
        pause = wait_of(failure, attempt) if pause is None else pause
        last = attempt >= self.hub.retries or (failure.status == 400 and attempt > 0)
        if failure.kind == "network" or (failure.status or 0) >= 500:
            self._unless_landed(ours, last=last or pause is None, error=error)
        elif pause is None or last:
            raise ours from (error if self.hub.redact.is_clean(error) else None)
        self.say(f"  {ours.message}; trying again")
        self.hub.sleep(jitter(pause or 0.0))

    def _unless_landed(self, ours: SyncError, *, last: bool, error: Exception) -> None:
        """A reply that is lost on the last attempt is no failure if the commit was made."""
        if last and not self._planning.changes(self.hub.head()).is_empty:
            raise ours from (error if self.hub.redact.is_clean(error) else None)

    def _replanned(self, before: Changes) -> Changes:
        changes = self._planning.changes(self.hub.head())
        self._check_owned(changes)
        check_since(changes, before.tree, (card_front.FILE, attributes.FILE), self.options.forced)
        self._clear(changes)
        return changes

    def _message(self, changes: Changes) -> tuple[str, str]:
        p = self.publication
        lines = {
            "manifest-sha256": p.manifest_sha256,
            "run-manifest-sha256": p.inventory.manifest,
            "study": p.study,
            "vlmunl-version": __version__,
            "files": str(len(p.files)),
            "bytes": str(p.size),
        }
        title = f"vlmunl sync: {changes} ({p.study})"
        return title, "".join(f"{name}: {value}\n" for name, value in lines.items())

    def _outcome(
        self,
        changes: Changes,
        oid: str | None,
        made: bool,
        ground: Ground,
        chosen: Chosen | None,
    ) -> Outcome:
        return Outcome(
            changes=changes,
            commit=oid,
            made_commit=made,
            transport=chosen,
            warnings=tuple(sorted(self._warnings)),
            is_private=ground.is_private,
            exists=ground.exists,
            created=ground.created,
        )
