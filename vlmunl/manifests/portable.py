"""A study as something that can be carried elsewhere: what an export holds of it, and where an import puts that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmunl.errors import MissingInput, UsageError, VlmunlError
from vlmunl.keys import jsonable
from vlmunl.manifests.plan import AGGREGATE, Plan
from vlmunl.manifests.states import Board
from vlmunl.store import RecordName, Store
from vlmunl.store.bundle_import import Checked, check, settle
from vlmunl.store.bundle_write import ByteProgress
from vlmunl.workspace import write_file


@dataclass(frozen=True, kw_only=True)
class Portable:
    """What an export holds of one study: files below `manifests/`, records, and a few words about it."""

    files: Mapping[str, bytes]
    records: frozenset[RecordName]
    about: Mapping[str, Any]


def portable(plan: Plan, store: Store) -> Portable:
    """The study file, the run manifest, the results if there are any, and every record of a cell as it is planned now.

    Raises:
        MissingInput: no cell of the study is done.
        VlmunlError: the study file changed since it was loaded.
        StoreDamaged: the results are damaged.
    """
    board = Board(plan, store)
    keys = [state.key for state in board.states.values() if state.key is not None]
    records = [record for key in keys for record in store.all_for(key)]
    whole = [r for r in records if all(store.has(ref) for ref in r.outputs.values())]
    if not any(state.done for state in board.states.values()):
        raise MissingInput(f"no cell of {plan.study.name} is done in {store.root}", "run the study first")
    return Portable(
        files=_files(plan, board), records=frozenset(record.name for record in whole), about=_about(plan, board)
    )


def _files(plan: Plan, board: Board) -> dict[str, bytes]:
    study = plan.study
    text = study.path.read_bytes()
    if hashlib.sha256(text).hexdigest() != study.sha256:
        raise VlmunlError(f"{study.path} changed just now", "export again")
    files = {f"manifests/{study.name}.toml": text, f"manifests/{study.name}/run_manifest.json": board.manifest()}
    results = board[AGGREGATE]
    if results.done:
        for output, file in (("verified_results", "verified_results.json"), ("summary", "summary.md")):
            files[f"manifests/{study.name}/{file}"] = board.store.read(results.output(output))
    return files


def _about(plan: Plan, board: Board) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for state in board.states.values():
        counts[state.status] = counts.get(state.status, 0) + 1
    study = plan.study
    return {"name": study.name, "sha256": study.sha256, "overrides": jsonable(study.overrides), "cells": counts}


def take_in(
    bundle: Path, store: Store, manifests: Path | None, progress: ByteProgress, *, dry_run: bool = False
) -> Checked:
    """Check an export and merge it into a store; its study files go to the folder `manifests`, if one is given.

    Raises:
        MissingInput: there is no such file.
        UsageError: it is no export, or a study file with other content is in the way.
        StoreDamaged: it was cut or altered. Up to here nothing was changed.
        VlmunlError: the store or the workspace could not be written; importing again goes on.
    """
    try:
        with nullcontext(None) if dry_run else store.scratch() as staging:
            checked = check(bundle, store, staging, progress)
            files = {} if manifests is None else {manifests / f"{n}.toml": data for n, data in checked.studies.items()}
            for path, data in files.items():
                _check_free(path, data)
            if staging is not None:
                settle(checked, store, staging)
                for path, data in files.items():  # when its cells are there
                    write_file(path, data)
    except OSError as error:
        raise VlmunlError(f"{bundle} could not be imported: {error}", "make room, and import it again") from error
    return checked


def _check_free(path: Path, data: bytes) -> None:
    if path.exists() and path.read_bytes() != data:
        raise UsageError(
            f"{path} is there already and says something else; nothing was imported",
            "move it away, import into another --workspace, or leave study files alone with --store-only",
        )
