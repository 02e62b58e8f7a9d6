"""Writing a study's results from the store into the workspace."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vlmunl.errors import VlmunlError

if TYPE_CHECKING:
    from pathlib import Path

    from vlmunl.commands.session import Chosen, Session
    from vlmunl.manifests.states import Board


def publish(session: Session, board: Board, chosen: Chosen) -> list[Path]:
    """Write the results and tables of the store into the workspace; returns the files that changed.

    Raises:
        StoreDamaged: one of them is altered in the store; it was set aside, and the next run makes it anew.
        VlmunlError: the workspace cannot be written.
    """
    try:
        return [*_results(session, board, chosen), *_tables(session, board, chosen)]
    except OSError as error:
        raise VlmunlError(
            f"the results cannot be written to {session.workspace.root}: {error}",
            "they are safe in the store: make room, and run again",
        ) from error


def _results(session: Session, board: Board, chosen: Chosen) -> list[Path]:
    from vlmunl.manifests.plan import AGGREGATE
    from vlmunl.workspace import write_file, write_files

    results = board[AGGREGATE]
    if not (results.done and chosen(results.cell)):
        return []
    folder = session.workspace.results(session.plan.study.name)
    manifest, data = folder / "run_manifest.json", board.manifest()
    with suppress(OSError):  # no cell makes it anew when it is lost or altered: it follows from the records
        session.store.put_bytes(data)
    changed = [manifest] if write_file(manifest, data) else []
    files = {
        folder / "verified_results.json": results.output("verified_results"),
        folder / "summary.md": results.output("summary"),
    }
    return changed + write_files(session.store, files)


def _tables(session: Session, board: Board, chosen: Chosen) -> list[Path]:
    from vlmunl.manifests.meta import META
    from vlmunl.manifests.plan import TABLES
    from vlmunl.workspace import write_tree

    tables = board[TABLES]
    if not (tables.done and chosen(tables.cell)):
        return []
    folder = session.workspace.generated(session.plan.study.name)
    judged = [board[META]] if META in session.plan.by_name else []
    refs = [state.output("generated") for state in (tables, *judged) if state.done]
    return write_tree(session.store, folder, *refs)
