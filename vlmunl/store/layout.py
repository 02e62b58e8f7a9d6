"""The directories of a store, and the file that says which layout they follow."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from uuid import uuid4

from vlmunl.errors import MissingInput, UsageError
from vlmunl.store.atomic import discard, write_temporary

LAYOUT = 1
ADDRESS = "xxh3_128"
MARKER = "LAYOUT.json"
_FOLDERS = ("objects", "records", "refs", "claims", "quarantine", "trash", "tmp")
_LATER = ("doing", "partial", "slurm")
"""Folders that are made when they are needed."""
_HARMLESS = {"README.md", ".gitignore", ".gitkeep", *_FOLDERS, *_LATER}


def prepare(root: Path, *, create: bool) -> None:
    """Check that `root` is a store of the known layout; make it one first if there is none and `create`.

    Raises:
        MissingInput: there is no store, and `create` is False.
        UsageError: the directory holds something else or cannot be written, or the layout is not known.
    """
    marker = root / MARKER
    if not marker.exists():
        if not create:
            raise MissingInput(f"there is no store at {root}", "run a study first, or name another with --store")
        try:
            _make(root)
        except OSError as error:
            raise UsageError(f"no store can be made at {root}: {error.strerror}") from None
    _check(marker)


def _make(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    foreign = sorted(set(os.listdir(root)) - _HARMLESS - {MARKER})
    if foreign:
        raise UsageError(f"{root} is not a store and not empty (it holds {foreign[0]})", "name an empty directory")
    for name in _FOLDERS:
        (root / name).mkdir(exist_ok=True)
    document = {"layout": LAYOUT, "addr": ADDRESS, "store_id": uuid4().hex}
    data = json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
    temporary, _ = write_temporary(root / "tmp", [data])
    try:
        with contextlib.suppress(FileExistsError):  # another process was first: its marker stands
            os.link(temporary, root / MARKER)
    except OSError:  # no hard links here
        os.rename(temporary, root / MARKER)
    discard(temporary)


def _check(marker: Path) -> None:
    try:
        document = json.loads(marker.read_bytes())
        layout, address = document["layout"], document["addr"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{marker} cannot be read, so {marker.parent} is not used as a store") from None
    if layout != LAYOUT or address != ADDRESS:
        raise UsageError(
            f"the store {marker.parent} has layout {ascii(layout)[:20]} ({ascii(address)[:20]}); "
            f"this version knows {LAYOUT} ({ADDRESS!r})",
            "use the version of vlmunl that made it",
        )
