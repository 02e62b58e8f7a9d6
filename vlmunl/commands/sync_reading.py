"""`vlmunl sync` where it writes nothing on the Hub: `--pull`, `--verify` and `--status`."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlmunl.commands.session import Globals, Session
    from vlmunl.hub.client import Hub
    from vlmunl.hub.examine import Examined, Standing
    from vlmunl.hub.pull import Pulled
    from vlmunl.out import Out
    from vlmunl.workspace import Workspace

SHOWN = 20
"""Paths that are named one by one before the rest is counted."""


def pull(options: Globals, study: str | None, hub_of: Callable[[str, str], Hub], source: str, *, force: bool) -> None:
    """Bring REPO[@REV] to this machine."""
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.hub.pull import pull as bring
    from vlmunl.hub.signals import interruptible
    from vlmunl.workspace import find_workspace, is_path, open_store

    out = options.out
    workspace = find_workspace(options.workspace)
    repo, _, revision = source.partition("@")
    hub = hub_of(repo, revision or "main")
    store = open_store(options.store, workspace, create=True)
    out.line(f"{hub.shown} on {hub.redact(hub.endpoint)}  ->  {store.root}")
    with interruptible(), hub.redact.logging(), ByteProgress(out, hub.repo) as progress:
        name = Path(study).stem if study and is_path(study) else study
        done = bring(hub, store, workspace, name, progress, force=force)
    _tell_pulled(out, done, workspace)
    out.document(
        {
            "schema": 1,
            "study": done.study,
            "endpoint": hub.redact(hub.endpoint),
            "repo": hub.repo,
            "revision": hub.revision,
            "commit": done.commit,
            "manifest_sha256": done.inventory_sha256,
            "files": done.files,
            "downloaded_bytes": done.downloaded_bytes,
            "objects": {"new": done.new_objects, "new_bytes": done.new_bytes},
            "records": {"all": done.records, "new": done.new_records},
            "written": [str(path) for path in done.written],
            "not_published": [f"{kept.cell}/{kept.output}" for kept in done.withheld],
            "overrides": dict(done.overrides),
        }
    )


def _tell_pulled(out: Out, done: Pulled, workspace: Workspace) -> None:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    out.line(f"commit    {done.commit}")
    out.line(
        f"{done.study}: all {count(done.files, 'file')} are sound; {size(done.downloaded_bytes)} downloaded, "
        f"{count(done.new_objects, 'object')} ({size(done.new_bytes)}) and {count(done.new_records, 'record')} are new"
    )
    for path in done.written[:SHOWN]:
        out.line(f"  {workspace.shown(path)}")
    if len(done.written) > SHOWN:
        out.line(f"  and {count(len(done.written) - SHOWN, 'more file')}")
    for kept in done.withheld:
        out.line(f"  not published: {kept.output} of {kept.cell}: {kept.reason}")
    if done.overrides:
        sets = " ".join(f"--set {shlex.quote(_set(key, value))}" for key, value in done.overrides.items())
        out.line(f"  it was run with {sets}: say the same to the other commands")
    out.line(f"next: vlmunl status {done.study}")


def _set(key: str, value: object) -> str:
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def verify(session: Session, hub: Hub, *, deep: bool) -> None:
    """Compare what is published with what the study's evidence reaches; exit code 19 if it is not the same."""
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.errors import NotVerified
    from vlmunl.hub.examine import verify as examine
    from vlmunl.hub.signals import interruptible
    from vlmunl.hub.study import published_study

    out = session.out
    publication = published_study(session.plan, session.store, session.workspace, hub.repo)
    with interruptible(), hub.redact.logging(), ByteProgress(out, hub.repo) as progress:
        found = examine(hub, publication, session.store, progress, deep=deep)
    _tell_verified(out, hub, found, publication.tag)
    told = {name: value for name, value in asdict(found).items() if name != "equal"}
    out.document(
        {
            "schema": 1,
            "study": publication.study,
            "repo": hub.repo,
            "revision": hub.revision,
            "sound": found.is_sound,
            "equal": len(found.equal),
            "tag": publication.tag,
            "manifest_sha256": publication.manifest_sha256,
            **told,
        }
    )
    if not found.is_sound:
        raise typer.Exit(NotVerified.exit_code)


def _tell_verified(out: Out, hub: Hub, found: Examined, tag: str) -> None:
    from vlmunl.out import count

    for what, paths in (("missing", found.missing), ("differs", found.differing), ("damaged", found.damaged)):
        for path in paths[:SHOWN]:
            out.line(f"  {what:<8}  {path}")
        if len(paths) > SHOWN:
            out.line(f"  {what:<8}  and {count(len(paths) - SHOWN, 'more file')}")
    if found.extra:
        out.line(f"  {count(len(found.extra), 'file')} beside them are not of this study as it is now")
    if found.tagged is None:
        out.line(f"  no tag {tag} names it")
    elif found.tagged != found.commit:
        out.line(f"  the tag {tag} names {found.tagged[:12]}")
    how = "downloaded and hashed" if found.deep else "compared by size and sum, not downloaded"
    verdict = "as it is here" if found.is_sound else "NOT as it is here"
    out.line(f"{hub.shown} at {found.commit[:12]}: {verdict} ({count(len(found.equal), 'file')} equal; {how})")


def status(session: Session, hub: Hub) -> None:
    """Say what is published where, and what a push would change. Nothing is written."""
    from vlmunl.errors import Incomplete
    from vlmunl.hub.examine import status as ask
    from vlmunl.hub.study import published_study

    out, study = session.out, session.plan.study.name
    try:
        publication = published_study(session.plan, session.store, session.workspace, hub.repo)
    except Incomplete as error:
        publication = None
        out.line(f"here      {error.message}")
    with hub.redact.logging():
        found = ask(hub, study, publication, session.store)
    _tell_status(out, hub, found)
    changes = found.changes
    document: dict[str, Any] = {
        "schema": 1,
        "study": study,
        "endpoint": hub.redact(hub.endpoint),
        "repo": hub.repo,
        "revision": hub.revision,
        "exists": found.exists,
        "private": found.is_private,
        "head": found.head,
        "manifest_sha256": found.published,
        "tag": found.tag,
        "tagged": found.tagged,
        "current": found.is_current,
        "same_results": found.same_results,
        "receipt": asdict(found.receipt) if found.receipt else None,
        "push": None,
    }
    if changes is not None:
        document["push"] = {
            "add": [file.path for file in changes.add],
            "update": [file.path for file in changes.update],
            "unchanged": len(changes.keep),
            "bytes": changes.size,
        }
    out.document(document)


def _tell_status(out: Out, hub: Hub, found: Standing) -> None:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    seen = "not there, or hidden from this account"
    if found.exists:
        seen = "private" if found.is_private else "public"
    out.line(f"hub       {hub.shown} on {hub.redact(hub.endpoint)}: {seen}")
    if found.head:
        out.line(f"head      {found.head}")
    if found.published is None:
        out.line("study     not published there")
    else:
        named = f"tag {found.tag}" if found.tag else "no tag"
        out.line(f"study     manifest {found.published[:12]}, {named}; {_how_current(found)}")
    if (receipt := found.receipt) is not None:
        out.line(f"receipt   {receipt.time}: {receipt.commit[:12]}, {receipt.tag}, {size(receipt.bytes)}")
    else:
        out.line("receipt   none: this store has not published it there")
    if (changes := found.changes) is not None:
        files = f"{count(len(changes.send), 'file')}, {size(changes.size)} ({changes})"
        out.line("a push    would change nothing" if changes.is_empty else f"a push    would send {files}")


def _how_current(found: Standing) -> str:
    if found.is_current:
        return "it is what the evidence here says"
    return "the same results, other files" if found.same_results else "of other evidence than there is here"
