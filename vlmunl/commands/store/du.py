"""`vlmunl store du`: how many bytes, by stage and by study."""

from __future__ import annotations

from typing import Any

import typer

EXAMPLES = ("vlmunl store du", "vlmunl store du --json")


def du(ctx: typer.Context) -> None:
    """Say what takes up the room. Each object is counted once: what several stages or studies share stands apart."""
    from dataclasses import asdict

    from vlmunl.commands.byte_progress import size
    from vlmunl.commands.listing import table
    from vlmunl.commands.store.ls import inventory_of
    from vlmunl.commands.store.opened import opened
    from vlmunl.store.usage import Amount, by, folder

    at = opened(ctx, alone=True)
    lines = list(inventory_of(at).objects())
    made = [line for line in lines if line.stages]
    amounts: dict[str, dict[str, Amount]] = {"stage": by(made, "stages"), "study": by(made, "studies")}
    orphans = [line.size for line in lines if not line.stages]
    amounts["other"] = {"unreachable": Amount(files=len(orphans), bytes=sum(orphans))}
    others = ("records", "trash", "quarantine", "partial", "tmp")
    amounts["other"] |= {name: folder(at.store.root / name) for name in others}
    total = Amount(files=len(lines), bytes=sum(line.size for line in lines))
    rows: list[tuple[str, str, object, str]] = [
        (kind, name or "(in no run manifest)", amount.files, size(amount.bytes))
        for kind, group in amounts.items()
        for name, amount in group.items()
    ]
    at.out.show(table(("by", "", "files", "size"), [*rows, ("all", "objects", total.files, size(total.bytes))]))
    document: dict[str, Any] = {
        kind: {name: asdict(amount) for name, amount in group.items()} for kind, group in amounts.items()
    }
    at.out.document({"schema": 1, "store": str(at.store.root), "objects": asdict(total), **document})
