"""`vlmunl store unpin NAME [KEY...]`: give up a pin, or some of its results."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = ("vlmunl store unpin camera-ready", "vlmunl store unpin camera-ready eval/npo/seed0")


def unpin(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pin.")],
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these results; default: all.")
    ] = None,
) -> None:
    """Give up a pin, or take results from it. The results stay until gc --stale finds that nothing else needs them."""
    from vlmunl.commands.store.opened import opened
    from vlmunl.commands.store.pin import chosen
    from vlmunl.store.pins import unpin as remove

    at = opened(ctx, alone=True)
    left = remove(at.store, name, chosen(at.store, keys) if keys else None)
    at.out.line(f"{name}: {len(left.records)} pinned")
    at.out.document({"schema": 1, "pins": [{"name": name, "records": list(left.records)}]})
