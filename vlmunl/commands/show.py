"""`vlmunl show KEY`: one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.tree import Tree

    from vlmunl.store import Record, Store

EXAMPLES = ("vlmunl show 3f9a02c1", "vlmunl show unlearn/npo/seed0", "vlmunl show gate/seed0 --json")

_DEEP = 3
_LONG = 12


def show(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The beginning of a run key or of a record's name, or a cell's name.")
    ],
) -> None:
    """Show what one finished cell read, did and wrote. Of several records of one cell, the newest."""
    from vlmunl.commands.session import globals_of
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    store = open_store(options.store, find_workspace(options.workspace), create=False)
    records = find_records(store, key)
    record, out = records[0], options.out
    out.document({"file": record.name.file, **record.to_json()})
    out.show(tree(record, store))
    if len(records) > 1:
        out.line(f"and {len(records) - 1} earlier: {', '.join(r.name.file[:49] for r in records[1:4])}")


def find_records(store: Store, text: str) -> list[Record]:
    """The records that `text` names, newest first.

    Raises:
        MissingInput: there is none.
        UsageError: the beginning of a key fits several.
    """
    from vlmunl.errors import MissingInput, UsageError

    if all(c in "0123456789abcdef" for c in text.partition(".")[0]) and len(text) >= 4:
        names = [n for n in store.records() if n.file.startswith(text)]
        if len(keys := sorted({n.key for n in names})) > 1:
            raise UsageError(f"{text} fits {len(keys)} keys: {', '.join(k[:12] for k in keys[:4])}", "type more of it")
        records = [store.load(n) for n in names]
    else:
        records = [record for name in store.records() if (record := store.load(name)).cell == text]
    if not records:
        raise MissingInput(
            f"no record of {text!r} in {store.root}", "list a study's cells and keys: vlmunl status STUDY"
        )
    return sorted(records, key=lambda r: (str(r.env.get("ended", "")), r.name), reverse=True)


def tree(record: Record, store: Store) -> Tree:
    """The record as a tree, with the paths of its objects."""
    from rich.text import Text
    from rich.tree import Tree

    style = "green" if record.outcome == "ok" else "red"
    top = Tree(Text.assemble((record.cell, "bold"), "  ", (record.outcome, style), "  ", (record.name.file, "dim")))
    if record.error:
        top.add(Text(f"error: {record.error}", style="red"))
    _branch(top, f"{record.stage} (version {record.stage_version})", record.params)
    for title, refs in (("inputs", record.inputs), ("outputs", record.outputs)):
        branch = top.add(Text(title, style="bold"))
        for name, ref in refs.items():
            there = "" if title == "inputs" or store.has(ref) else "  MISSING"
            branch.add(Text.assemble(f"{name}  {ref.kind} {ref.xxh3}  {ref.size} bytes", (there, "red")))
    _branch(top, "metrics", record.metrics)
    _branch(top, "where and when", record.env)
    return top


def _branch(parent: Tree, title: str, value: Any, depth: int = 0) -> None:
    """Nested tables as branches, leaves on one line; what is deep or long is cut."""
    from rich.text import Text

    if isinstance(value, dict) and value and depth < _DEEP:
        branch = parent.add(Text(title, style="bold" if depth == 0 else ""))
        for name, part in list(value.items())[:_LONG]:
            _branch(branch, str(name), part, depth + 1)
        if len(value) > _LONG:
            branch.add(Text(f"... {len(value) - _LONG} more (--json shows all)", style="dim"))
        return
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    parent.add(Text(f"{title}: {text if len(text) <= 160 else text[:159] + '…'}"))
