"""`vlmunl store verify`: is the store what it says it is, and what rests on what is not?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from vlmunl.commands.store.opened import Opened
    from vlmunl.store.verify import Verification
    from vlmunl.trail.damage import Consequence
    from vlmunl.trail.published import Published

EXAMPLES = (
    "vlmunl store verify",
    "vlmunl store verify --level fast",
    "vlmunl store verify --quarantine",
    "vlmunl --store /archive/store store verify --json",
)

Level = Annotated[
    Literal["sizes", "fast", "full"],
    typer.Option(
        "--level", help="sizes: names and sizes only; fast: re-hash (xxh3); full: both hashes, against all records."
    ),
]
Quarantine = Annotated[
    bool,
    typer.Option("--quarantine", help="Move what is damaged to quarantine/, so that the next run makes it anew."),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, metavar="N", help="Threads. Default: the cores this process may use.")
]


def verify(ctx: typer.Context, level: Level = "full", quarantine: Quarantine = False, jobs: Jobs = None) -> None:
    """Re-hash every object, check every record, and say what rests on whatever is damaged.

    Of each damaged file: the cells that made and read it, the studies, and the published numbers. Nothing is ever
    deleted; without --quarantine nothing is written. Exit code 5: damage was found.
    """
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.commands.store.opened import opened
    from vlmunl.commands.store.verify_report import report
    from vlmunl.engine.cores import usable_cores
    from vlmunl.store.verify import set_aside
    from vlmunl.store.verify import verify as verify_store
    from vlmunl.trail.damage import consequences

    at = opened(ctx, alone=True)
    published = _published(at)
    known = [node for study in published for node in study.manifest.nodes.values()]
    with ByteProgress(at.out, "verifying") as progress:
        found = verify_store(at.store, level=level, jobs=jobs or usable_cores(), known=known, progress=progress)
    if quarantine:
        found = set_aside(at.store, found)
    damage = consequences(found, published)
    report(at, found, damage)
    at.out.document(_document(at, found, damage))
    raise typer.Exit(5 if found.damages else 0)


def _published(at: Opened) -> list[Published]:
    """What the workspace publishes; a run manifest that cannot be read is told and left out."""
    from vlmunl.errors import StudyError
    from vlmunl.manifests.read_manifest import manifests_of, read_manifest
    from vlmunl.trail.published import Published

    found: list[Published] = []
    if at.workspace is None:
        return found
    here = {name.file for name in at.store.records()}
    for path in manifests_of(at.workspace):
        try:
            manifest = read_manifest(path)
        except StudyError as error:
            at.out.note(f"not looked at: {error.message}")
            continue
        if manifest.nodes and not any(node.file in here for node in manifest.nodes.values()):
            at.out.note(f"not looked at: {path} was made with another store")
            continue
        found.append(Published(at.workspace, manifest))
    return found


def _document(at: Opened, found: Verification, damage: list[Consequence]) -> dict[str, Any]:
    return {
        "schema": 1,
        "store": str(at.store.root),
        "exit_code": 5 if found.damages else 0,
        "level": found.level,
        "objects": found.objects,
        "bytes": found.bytes,
        "records": found.records,
        "damaged": [_entry(consequence) for consequence in damage],
        "gaps": list(found.gaps),
        "leftovers": [str(path) for path in found.leftovers],
    }


def _entry(consequence: Consequence) -> dict[str, Any]:
    from dataclasses import asdict

    from vlmunl.keys import jsonable

    damage = consequence.damage
    users = {
        name: [{"cell": cell, "record": file} for cell, file in getattr(consequence, name)]
        for name in ("made_by", "read_by", "downstream")
    }
    return {
        "kind": damage.kind,
        "name": damage.name,
        "path": str(damage.path),
        "problem": damage.problem,
        "moved_to": str(damage.moved) if damage.moved else None,
        **users,
        "studies": list(consequence.studies),
        "numbers": [jsonable(asdict(numbers)) for numbers in consequence.numbers],
    }
