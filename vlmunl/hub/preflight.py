"""Before anything is written: is the Hub there, whose token is it, is the repository what it should be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vlmunl.errors import NotAllowed, NotOnHub, RemoteConflict, UsageError
from vlmunl.hub.client import Hub
from vlmunl.hub.failures import Failure


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the repository is to be. `private`: as it is, or private if it is made; else as said."""

    create: bool = False
    private: bool | None = None
    set_visibility: bool = False


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What was found. `head` is None where there is no repository or no such branch yet."""

    account: str
    exists: bool
    head: str | None
    is_private: bool
    tags: Mapping[str, str]
    created: bool = False


def look(hub: Hub, wishes: Wishes) -> Ground:
    """Ask, and write nothing.

    Raises:
        Unreachable, NotSignedIn: the Hub is not there, or does not know the token.
        NotAllowed: the token may only read.
        NotOnHub: there is no such repository or branch, and none is to be made.
        UsageError: the repository has another visibility than was asked for.
    """
    if wishes.set_visibility and wishes.private is None:
        raise UsageError("--set-visibility needs --private or --public")
    who = hub.whoami()
    token = (who.get("auth") or {}).get("accessToken") or {}
    if token.get("role") == "read":
        raise NotAllowed(
            f"the token of {who.get('name')} may only read, and {hub.repo} is to be written",
            "make one that may write, in the account's settings on the Hub",
        )
    account = str(who.get("name") or "")
    try:
        info = hub.info()
    except NotOnHub:
        if not wishes.create:
            raise
        return Ground(account=account, exists=False, head=None, is_private=wishes.private is not False, tags={})
    is_private = bool(getattr(info, "private", False))
    _check_visibility(hub, wishes, is_private=is_private)
    head = _head(hub, wishes)
    return Ground(account=account, exists=True, head=head, is_private=is_private, tags=hub.tags() if head else {})


def prepare(hub: Hub, ground: Ground, wishes: Wishes) -> Ground:
    """Make the repository, the branch, or the visibility what was asked for, where it is not.

    Raises:
        SyncError: it cannot be done.
        UsageError: somebody made the repository meanwhile, with another visibility.
    """
    if not ground.exists:
        created = _create(hub, private=ground.is_private)
        info = hub.info()
        is_private = bool(getattr(info, "private", False))
        if not created:
            _check_visibility(hub, replace(wishes, private=ground.is_private), is_private=is_private)
        ground = replace(ground, exists=True, created=created, is_private=is_private, head=_head(hub, wishes))
    if ground.head is None:
        hub.ask(
            f"making the branch {hub.revision}",
            lambda: hub.api.create_branch(hub.repo, branch=hub.revision, exist_ok=True),
        )
        ground = replace(ground, head=hub.head(), created=True)
    if wishes.set_visibility and wishes.private is not None and wishes.private != ground.is_private:
        wanted = wishes.private
        hub.ask("changing the visibility", lambda: hub.api.update_repo_settings(hub.repo, private=wanted))
        ground = replace(ground, is_private=wanted)
    return ground


def check_tag(hub: Hub, ground: Ground, name: str, *, unchanged: bool) -> None:
    """May this tag be given? One that names another commit than the head cannot: tags are never moved.

    Raises:
        RemoteConflict: it names something else.
    """
    there = ground.tags.get(name)
    if there is not None and not (unchanged and there == ground.head):
        raise RemoteConflict(
            f"the tag {name} of {hub.repo} names {there[:12]} already, and a tag is never moved",
            "choose another --tag",
        )


def _create(hub: Hub, *, private: bool) -> bool:
    """Make the repository; False if somebody else was quicker."""

    def call() -> bool:
        try:
            hub.api.create_repo(hub.repo, private=private)
        except Exception as error:
            failure = Failure.of(error)
            if failure is None or failure.status != 409:
                raise
            return False
        return True

    return hub.ask(f"making the repository {hub.repo}", call)


def _head(hub: Hub, wishes: Wishes) -> str | None:
    try:
        return hub.head()
    except NotOnHub:
        if not wishes.create:
            raise
        return None


def _check_visibility(hub: Hub, wishes: Wishes, *, is_private: bool) -> None:
    if wishes.private is not None and wishes.private != is_private and not wishes.set_visibility:
        said, found = ("private", "public") if wishes.private else ("public", "private")
        raise UsageError(f"{hub.repo} is {found}, not {said}", "to change that: --set-visibility")
