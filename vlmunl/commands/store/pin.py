"""`vlmunl store pin NAME KEY...`: give results a name under which gc keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlmunl.store import RecordName, Store

EXAMPLES = (
    "vlmunl store pin camera-ready 3f9a02c1 eval/npo/seed0",
    "vlmunl store pin camera-ready",
    "vlmunl store pin",
)


def pin(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The pin; without it, all are listed.")] = None,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...", help="The beginning of a run key or record name, or a cell's name (its newest)."
        ),
    ] = None,
) -> None:
    """Keep results, and all that they need, from gc --stale; or list what is pinned."""
    from vlmunl.commands.store.opened import opened
    from vlmunl.store.pins import pin as write_pin

    at = opened(ctx, alone=True)
    if name is not None and keys:
        made = write_pin(at.store, name, chosen(at.store, keys))
        at.out.line(f"{made.name}: {len(made.records)} pinned")
        at.out.document({"schema": 1, "pins": [{"name": made.name, "records": list(made.records)}]})
        return
    listing(ctx, name)


def chosen(store: Store, keys: list[str]) -> list[RecordName]:
    """The newest record that each of these names."""
    from vlmunl.commands.show import find_records

    return [find_records(store, key)[0].name for key in keys]


def listing(ctx: typer.Context, name: str | None) -> None:
    """Print the pins, or one of them."""
    from vlmunl.commands.listing import pick, table
    from vlmunl.commands.store.opened import opened
    from vlmunl.store import RecordName
    from vlmunl.store.pins import pins

    at = opened(ctx, alone=True)
    found = pick("pin", name, pins(at.store))
    known = {record.file for record in at.store.records()}
    rows = []
    for pin in found:
        for file in pin.records:
            parsed = RecordName.parse(file)
            cell = at.store.load(parsed).cell if parsed and file in known else "MISSING"
            rows.append((pin.name, cell, file))
    at.out.show(table(("pin", "cell", "record"), rows) if rows else "nothing is pinned")
    at.out.document({"schema": 1, "pins": [{"name": p.name, "records": list(p.records)} for p in found]})
