"""`vlmunl store ls`: the records or the objects of the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from vlmunl.commands.store.opened import Opened
    from vlmunl.store.usage import Inventory, Line

EXAMPLES = (
    "vlmunl store ls",
    "vlmunl store ls objects --study quick --sort size",
    "vlmunl store ls records --stage eval --json",
    "vlmunl store ls objects --key 4f",
)

What = Annotated[Literal["records", "objects"], typer.Argument(help="What to list.")]
Stage = Annotated[str | None, typer.Option("--stage", metavar="NAME", help="Only of this stage.")]
Study = Annotated[
    str | None, typer.Option("--study", metavar="NAME", help="Only what this study's run manifest needs.")
]
Cell = Annotated[str | None, typer.Option("--cell", metavar="CELL", help="Only of cells whose names begin so.")]
Key = Annotated[str, typer.Option("--key", metavar="PREFIX", help="Only those whose names begin so.")]
Sort = Annotated[Literal["name", "size", "age"], typer.Option("--sort", help="Order: largest, or oldest, first.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many lines.")]


def ls(
    ctx: typer.Context,
    what: What = "records",
    stage: Stage = None,
    study: Study = None,
    cell: Cell = None,
    key: Key = "",
    sort: Sort = "name",
    limit: Limit = None,
) -> None:
    """List records (one per finished cell) or objects (their outputs), with sizes and what they belong to."""
    from vlmunl.commands.store.opened import opened

    at = opened(ctx, alone=True)
    made = inventory_of(at)
    lines = [line for line in getattr(made, what)() if line.name.startswith(key) and _wanted(line, stage, study, cell)]
    if sort != "name":
        lines.sort(key=lambda line: -line.size if sort == "size" else line.when)
    _show(at, what, lines[:limit])
    if limit is not None and len(lines) > limit:
        at.out.line(f"and {len(lines) - limit} more")


def inventory_of(at: Opened) -> Inventory:
    """Everything in the store; what belongs to which study is known where there is a workspace."""
    from vlmunl.manifests.roots import studies_of
    from vlmunl.store.usage import inventory

    workspace = at.workspace
    return inventory(at.store, lambda graph: studies_of(workspace, graph) if workspace else {})


def _wanted(line: Line, stage: str | None, study: str | None, cell: str | None) -> bool:
    return (
        (stage is None or stage in line.stages)
        and (study is None or study in line.studies)
        and (cell is None or any(name == cell or name.startswith(cell) for name in line.cells))
    )


def _show(at: Opened, what: str, lines: list[Line]) -> None:
    from dataclasses import asdict

    from vlmunl.commands.byte_progress import size
    from vlmunl.commands.listing import table
    from vlmunl.keys import jsonable

    short = 49 if what == "records" else 32
    rows = [
        (
            line.name[:short],
            size(line.size),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(line.when)),
            line.what + (" INCOMPLETE" if line.missing else "") if line.cells else "(unreachable)",
            ", ".join(line.cells[:3]) + (f" and {len(line.cells) - 3} more" if len(line.cells) > 3 else ""),
            ", ".join(line.studies),
        )
        for line in lines
    ]
    at.out.show(table((what, "size", "since", "what", "cell", "study"), rows))
    at.out.document({"schema": 1, "store": str(at.store.root), what: [jsonable(asdict(line)) for line in lines]})
