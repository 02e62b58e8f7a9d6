"""What every command on the store begins with: the store, which must be there, and the workspace if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmunl.out import Out

if TYPE_CHECKING:
    import typer

    from vlmunl.store import Store
    from vlmunl.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A store. Without a workspace nothing is known of studies and published numbers."""

    out: Out
    store: Store
    workspace: Workspace | None


def opened(ctx: typer.Context, *, alone: bool = False) -> Opened:
    """Open the store of this call. With `alone` a store that is named needs no workspace.

    Raises:
        MissingInput: there is no store.
        UsageError: there is no workspace, or the store is something else.
    """
    import os
    from pathlib import Path

    from vlmunl.commands.session import globals_of
    from vlmunl.errors import UsageError
    from vlmunl.store import Store
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    named = options.store or (Path(text) if (text := os.environ.get("VLMUNL_STORE")) else None)
    try:
        workspace = find_workspace(options.workspace)
    except UsageError:
        if not alone or named is None or options.workspace is not None:
            raise
        options.out.note("no workspace here: run manifests and published numbers are not looked at")
        return Opened(out=options.out, store=Store.open(named, create=False), workspace=None)
    root = open_store(options.store, workspace, create=False).root
    return Opened(out=options.out, store=Store.open(root, create=False), workspace=workspace)
