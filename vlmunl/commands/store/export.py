"""`vlmunl store export STUDY|KEY... --out FILE`: studies or single results as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmunl.commands.options import Sets

if TYPE_CHECKING:
    from vlmunl.commands.session import Globals
    from vlmunl.store import RecordName, Store
    from vlmunl.store.bundle_write import Export
    from vlmunl.workspace import Workspace

EXAMPLES = (
    "vlmunl store export quick --out quick.tar",
    "vlmunl store export quick weak-imprint --out both.tar --dry-run",
    "vlmunl store export unlearn/npo/seed0 --out npo.tar",
)


def export(
    ctx: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY|KEY...", help="A study, or the beginning of a run key, or a cell's name (its newest record)."
        ),
    ],
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write; it must not exist.")],
    sets: Sets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the file would hold; write nothing.")] = False,
) -> None:
    """Write what studies or records reach into one file that another store can import.

    Of a study: its file, run manifest, results, all its records, and every object that they read or wrote (not the
    base model). Equal content gives an equal file. It is a plain tar file and can be checked without vlmunl:
    tar xf FILE, cd vlmunl-export, sha256sum -c SHA256SUMS
    """
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.commands.session import globals_of
    from vlmunl.store.bundle_write import write
    from vlmunl.workspace import find_workspace

    options = globals_of(ctx)
    gathered = _gather(ctx, options, find_workspace(options.workspace, what[0]), what, sets)
    digest = None
    if not dry_run:
        with ByteProgress(options.out, "exporting") as progress:
            digest = write(gathered, to, progress)
    _tell(options, gathered, to, digest.sha256 if digest is not None else None)


def _gather(ctx: typer.Context, options: Globals, workspace: Workspace, what: list[str], sets: Sets) -> Export:
    """All studies and records that are named, as one export."""
    from vlmunl.commands.session import open_session
    from vlmunl.errors import UsageError
    from vlmunl.manifests.portable import portable
    from vlmunl.store.bundle_write import gather, upstream
    from vlmunl.workspace import open_store

    store = open_store(options.store, workspace, create=False)
    studies = [text for text in dict.fromkeys(what) if _is_study(text, workspace)]
    parts = [portable(open_session(ctx, text, sets, write=False).plan, store) for text in studies]
    files = {path: data for part in parts for path, data in part.files.items()}
    if len(files) < sum(len(part.files) for part in parts):
        raise UsageError("two of these studies have one name", "export them one by one")
    if sets and not studies:
        raise UsageError("--set changes a study, and none is named")
    chosen = {name for text in what if text not in studies for name in _records(text, store, workspace)}
    records = upstream(store, chosen) if chosen else set()
    about = {"studies": [part.about for part in parts], "keys": sorted({name.key for name in chosen})}
    return gather(store, records.union(*(part.records for part in parts)), files, about)


def _is_study(text: str, workspace: Workspace) -> bool:
    from vlmunl.errors import StudyError
    from vlmunl.workspace import study_path

    try:
        study_path(text, workspace)
    except StudyError:
        return False
    return True


def _records(text: str, store: Store, workspace: Workspace) -> list[RecordName]:
    """All whole records of the key that `text` names."""
    from vlmunl.commands.show import find_records
    from vlmunl.errors import MissingInput

    try:
        key = find_records(store, text)[0].key
    except MissingInput:
        raise MissingInput(
            f"{text!r} is no study in {workspace.manifests} and no record in {store.root}",
            "list a study's cells and keys: vlmunl status STUDY",
        ) from None
    records = store.all_for(key)
    return [record.name for record in records if all(store.has(ref) for ref in record.outputs.values())]


def _tell(options: Globals, export: Export, to: Path, sha256: str | None) -> None:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    out = options.out
    held = f"{count(export.records, 'record')} and {count(export.objects, 'object')}, {size(export.size)}"
    out.line(f"{to}{' would hold' if sha256 is None else ':'} {held}")
    if sha256 is not None:
        out.line(f"sha256 {sha256}")
    document: dict[str, Any] = {
        "schema": 1,
        "file": str(to),
        "dry_run": sha256 is None,
        "sha256": sha256,
        "bytes": export.size,
        "records": export.records,
        "objects": export.objects,
        "members": [{"path": m.path, "sha256": m.sha256, "bytes": m.size} for m in export.members],
    }
    out.document(document)
