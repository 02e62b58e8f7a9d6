"""`vlmunl store import FILE`: take in what another store exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vlmunl.commands.session import Globals
    from vlmunl.store.bundle_import import Checked

EXAMPLES = (
    "vlmunl store import quick.tar",
    "vlmunl store import quick.tar --dry-run",
    "vlmunl --workspace /scratch/new store import quick.tar",
)


def import_(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by vlmunl store export.")],
    store_only: Annotated[
        bool, typer.Option("--store-only", help="Only records and objects; put no study file into manifests/.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all of it and list what is new; change nothing.")
    ] = False,
) -> None:
    """Check an export to the last byte, then merge it into the store and put its study files into manifests/.

    Nothing is overwritten, and nothing becomes visible before everything was checked (sha256). Importing again
    changes nothing. Exit code 5: the file was cut or altered; 2: it is no export, or a study file is in the way.
    """
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.commands.session import globals_of
    from vlmunl.manifests.portable import take_in
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace)
    store = open_store(options.store, workspace, create=not dry_run)
    manifests = None if store_only else workspace.manifests
    with ByteProgress(options.out, "checking") as progress:
        checked = take_in(bundle, store, manifests, progress, dry_run=dry_run)
    _tell(options, bundle, checked, dry_run=dry_run, store_only=store_only)


def _tell(options: Globals, bundle: Path, checked: Checked, *, dry_run: bool, store_only: bool) -> None:
    out, new = options.out, set(checked.new_records)
    if dry_run:
        for name, cell in sorted(checked.cells.items(), key=lambda item: (item[1], item[0])):
            out.line(f"  {'new' if name in new else 'here already':<12}  {name.key[:10]}  {cell}")
    out.line(f"{bundle}: all of it is sound. {_sum(checked, 'would be added' if dry_run else 'added')}")
    for study in checked.studies if not (dry_run or store_only) else ():
        out.line(f"next: vlmunl status {study}")
    document: dict[str, Any] = {
        "schema": 1,
        "file": str(bundle),
        "dry_run": dry_run,
        "studies": sorted(checked.studies),
        "records": [
            {"file": name.file, "cell": cell, "new": name in new} for name, cell in sorted(checked.cells.items())
        ],
        "objects": {"all": len(checked.digest_of), "new": len(checked.new_objects), "new_bytes": checked.new_bytes},
    }
    out.document(document)


def _sum(checked: Checked, verb: str) -> str:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    if not checked.new_records and not checked.new_objects:
        return "Nothing in it is new"
    records = f"{count(len(checked.new_records), 'record')} of {len(checked.cells)}"
    objects = f"{count(len(checked.new_objects), 'object')} of {len(checked.digest_of)}"
    return f"{records} and {objects} ({size(checked.new_bytes)}) {verb}"
