"""Bringing a published study to this machine: all of it is checked, then its store and its workspace have it.

A failure leaves both as they were, but for what has arrived in the store's `tmp/`, where the next attempt goes on. If
it is the workspace that cannot be written, the store has the study, and the workspace nothing of it.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from vlmunl.errors import RemoteConflict, VlmunlError
from vlmunl.hub.arrive import WORKERS, Arrivals, Arrived, Progress
from vlmunl.hub.client import Hub
from vlmunl.hub.foreign import IN_STORE, Foreign, checked, in_store, settle
from vlmunl.hub.found import Found, look
from vlmunl.hub.inventory import Entry, Inventory, Withheld
from vlmunl.hub.published import BUILT
from vlmunl.keys import Digest, digest_file, read_chunks
from vlmunl.store import Store
from vlmunl.store.atomic import discard, discard_tree, size_of
from vlmunl.store.bundle import object_path
from vlmunl.workspace import Workspace

_NAMED = {"manifest": "run_manifest.json", "results": "verified_results.json", "summary": "summary.md"}
_PDF = re.compile(r"latex/[^/]+\.pdf")
SHOWN = 12
"""Files that a message names before it counts the rest."""


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What a pull did. `new_bytes` are those of the objects that the store lacked."""

    study: str
    commit: str
    inventory_sha256: str
    files: int
    downloaded_bytes: int
    new_objects: int
    new_bytes: int
    new_records: int
    records: int
    written: tuple[Path, ...]
    withheld: tuple[Withheld, ...]
    overrides: Mapping[str, object]


def pull(
    hub: Hub,
    store: Store,
    workspace: Workspace,
    study: str | None,
    progress: Progress,
    *,
    force: bool = False,
    workers: int = WORKERS,
) -> Pulled:
    """Bring a published study into the store and the workspace. With `force` local files give way to published ones.

    Raises:
        NotOnHub: there is no such repository, revision or study.
        UsageError: the repository holds several studies, and none was named.
        RemoteConflict: local files say something else; nothing was changed.
        CopyDamaged: a byte on the Hub, or on the way, is not what it should be; nothing was changed.
        SyncError: the Hub does not answer, or says no; what has arrived is not downloaded again.
        StoreDamaged: the store holds another content under one of the addresses.
        VlmunlError: the store or the workspace could not be written.
    """
    try:
        found = look(hub, study)
        files = workspace_files(found.inventory, workspace)
        if not force and (differing := [path for path, entry in files.items() if _differs(path, entry)]):
            raise _conflict(differing, workspace)
        with _staging(store, found) as staging:
            arrivals = Arrivals(hub=hub, commit=found.commit, staging=staging, progress=progress, workers=workers)
            return _taken_over(found, arrivals, store, files)
    except OSError as error:
        raise VlmunlError(
            f"{hub.shown} could not be taken over: {hub.redact(str(error))}", "make room, and pull it again"
        ) from (error if hub.redact.is_clean(error) else None)


def _taken_over(found: Found, arrivals: Arrivals, store: Store, files: Mapping[Path, Entry]) -> Pulled:
    inventory = found.inventory
    here = {e.path: e.digest for e in inventory.files if e.kind in IN_STORE and in_store(store, e.digest)}
    came = arrivals.bring([one for path, one in found.wanted().items() if path not in here])
    foreign = checked(inventory, here, came, store)
    store.refresh()
    new_records = len(foreign.new_records(store))
    settle(foreign, store)
    sources = {path: _source(entry, foreign, came, store) for path, entry in files.items()}
    written = _write(
        {path: (sources[path], entry) for path, entry in files.items() if _differs(path, entry, absent=True)}
    )
    return Pulled(
        study=found.study,
        commit=found.commit,
        inventory_sha256=found.sha256,
        files=len(inventory.files),
        downloaded_bytes=arrivals.received,
        new_objects=len(foreign.new_objects),
        new_bytes=foreign.new_bytes,
        new_records=new_records,
        records=len(foreign.records),
        written=tuple(written),
        withheld=inventory.withheld,
        overrides=inventory.overrides,
    )


def workspace_files(inventory: Inventory, workspace: Workspace) -> dict[Path, Entry]:
    """Where the study's files go in a workspace; nothing of the inventory leads out of these folders."""
    files: dict[Path, Entry] = {}
    for entry in inventory.files:
        if entry.kind == "study":
            files[workspace.manifests / f"{inventory.study}.toml"] = entry
        elif entry.kind in _NAMED:
            files[workspace.results(inventory.study) / _NAMED[entry.kind]] = entry
        elif entry.kind == "paper" and _PDF.fullmatch(entry.path):
            files[workspace.root / BUILT / entry.path.removeprefix("latex/")] = entry
        elif entry.kind == "object" and entry.path.startswith("latex/"):
            files[workspace.generated(inventory.study) / entry.path.removeprefix("latex/")] = entry
    return files


@contextmanager
def _staging(store: Store, found: Found) -> Iterator[Path]:
    """A folder for this publication, kept after a failure so that the next attempt goes on; one process at a time."""
    name = found.sha256[:32]
    folder = store.root / "tmp" / f"pull-{name}"
    with store.claim(name) as claim:
        while not claim.first():
            time.sleep(0.2)
        folder.mkdir(exist_ok=True)
        yield folder
        discard_tree(folder)


def _source(entry: Entry, foreign: Foreign, came: Mapping[str, Arrived], store: Store) -> Path:
    """Where the bytes of a file are, now that the store has its objects."""
    return store.root / object_path(entry.xxh3) if entry.xxh3 in foreign.digests else came[entry.sha256].path


def _differs(path: Path, entry: Entry, *, absent: bool = False) -> bool:
    """Is there something else at this path? `absent`: what is said of a path where nothing is."""
    if not path.exists() and not path.is_symlink():
        return absent
    return size_of(path) != entry.size or digest_file(path) != entry.digest


def _conflict(differing: list[Path], workspace: Workspace) -> RemoteConflict:
    named = ", ".join(str(path.relative_to(workspace.root)) for path in differing[:SHOWN])
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return RemoteConflict(
        f"in {workspace.root} these say something else than the published ones: {named}{more}; nothing was changed",
        "--force takes the published ones; or pull into another --workspace",
    )


def _write(files: Mapping[Path, tuple[Path, Entry]]) -> list[Path]:
    """Write all files, each first beside its place and then, when all are there, to it.

    Raises:
        OSError: one could not be written; those that were not moved yet are gone again.
    """
    ready: dict[Path, Path] = {}
    try:
        for target, (source, entry) in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            ready[target] = target.parent / f".{target.name}.{uuid4().hex[:8]}"
            _copy(source, ready[target], entry.digest)
        for target, temporary in ready.items():
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            os.replace(temporary, target)
    finally:
        for temporary in ready.values():
            discard(temporary)
    return list(files)


def _copy(source: Path, target: Path, digest: Digest) -> None:
    with open(target, "xb") as file:
        for chunk in read_chunks(source):
            file.write(chunk)
    if digest_file(target) != digest:
        raise OSError(f"{source} changed while it was copied")
