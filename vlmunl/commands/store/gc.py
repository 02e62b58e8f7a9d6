"""`vlmunl store gc`: clear away what nothing needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vlmunl.commands.store.opened import Opened
    from vlmunl.store.gc import Collection, Item

EXAMPLES = (
    "vlmunl store gc",
    "vlmunl store gc --delete",
    "vlmunl store gc --stale --also ../other-workspace --grace 30d",
)
_SHOWN = 30

Delete = Annotated[bool, typer.Option("--delete", help="Do it. Without this, only say what would be done.")]
Grace = Annotated[
    str, typer.Option("--grace", metavar="AGE", help="Leave alone what is younger: 14d, 12h; at least 1h.")
]
Stale = Annotated[
    bool,
    typer.Option(
        "--stale", help="Also results that no run manifest, published file, pin, running cell or study reaches."
    ),
]
Also = Annotated[
    list[Path] | None,
    typer.Option("--also", metavar="DIR", help="Another workspace that uses this store. Repeatable."),
]
Quarantine = Annotated[bool, typer.Option("--quarantine", help="Also what verify has set aside.")]


def gc(
    ctx: typer.Context,
    delete: Delete = False,
    grace: Grace = "14d",
    stale: Stale = False,
    also: Also = None,
    quarantine: Quarantine = False,
) -> None:
    """Show, or with --delete do, what can go: objects that no record, run manifest or pin reaches, and leftovers.

    What goes is moved to trash/ first, and deleted by a later pass once it has lain there for the grace period; if
    it is needed again by then it is put back. Studies may run meanwhile. Every record counts as needed unless
    --stale is given: then name each workspace that shares this store with --also.
    """
    from vlmunl.commands.store.opened import opened
    from vlmunl.manifests.roots import workspace_roots
    from vlmunl.store.gc import collect, parse_age
    from vlmunl.workspace import find_workspace

    at = opened(ctx)
    spaces = [space for space in (at.workspace, *map(find_workspace, also or ())) if space is not None]
    found = collect(
        at.store,
        lambda: [workspace_roots(space, at.store, studies=stale) for space in spaces],
        grace=parse_age(grace),
        stale=stale,
        quarantine=quarantine,
        do=delete,
    )
    _report(at, found, delete=delete)
    at.out.document(_document(at, found))


def _report(at: Opened, found: Collection, *, delete: bool) -> None:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    out = at.out
    for item in found.items[:_SHOWN]:
        out.line(f"  {_verb(item, done=found.done):<20} {size(item.size):>9}  {_what(item)}, {_age(item.age)} old")
    if len(found.items) > _SHOWN:
        out.line(f"  and {len(found.items) - _SHOWN} more (--json lists all)")
    out.line(f"kept     {count(found.kept, 'object')}, {size(found.kept_bytes)}, that something needs")
    if found.young:
        out.line(f"young    {count(found.young, 'object')}, {size(found.young_bytes)}, that nothing needs so far")
    for fate, title in (("trash", "trash"), ("delete", "delete"), ("restore", "put back")):
        sizes = [item.size for item in found.items if item.fate == fate]
        if sizes:
            out.line(f"{title:<8} {count(len(sizes), 'file')}, {size(sum(sizes))}")
    if found.lost:
        out.line(f"missing  {count(len(found.lost), 'listing')} that something needs: vlmunl store verify")
    if found.busy:
        out.line(f"{count(found.busy, 'process', 'processes')} at work in this store")
    if not found.items:
        out.line(f"nothing to do: no file that nothing needs is older than {_age(found.grace)}")
    elif not delete:
        out.line("nothing was changed; to do it, add --delete")


def _verb(item: Item, *, done: bool) -> str:
    told = {"trash": ("to trash/", "moved to trash/"), "delete": ("delete", "deleted")}
    return told.get(item.fate, ("put back", "put back"))[done]


def _what(item: Item) -> str:
    return f"{item.what} {item.name}" + (f" ({item.label})" if item.label else "")


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def _document(at: Opened, found: Collection) -> dict[str, Any]:
    items = [
        {"what": i.what, "name": i.name, "fate": i.fate, "bytes": i.size, "age_s": round(i.age), "label": i.label}
        for i in found.items
    ]
    return {
        "schema": 1,
        "store": str(at.store.root),
        "done": found.done,
        "grace_s": found.grace,
        "busy": found.busy,
        "kept": {"objects": found.kept, "bytes": found.kept_bytes},
        "young": {"objects": found.young, "bytes": found.young_bytes},
        "missing_listings": list(found.lost),
        "items": items,
    }
