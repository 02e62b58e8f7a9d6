"""Scratch directories: unique, inside the store, gone when their work ends or their process is found dead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vlmunl.store.atomic import discard, discard_tree
from vlmunl.store.owner import parse_name, unique_name


@contextlib.contextmanager
def scratch_directory(below: Path) -> Iterator[Path]:
    """A fresh directory below `below`, removed at the end; what dead processes of this machine left is swept."""
    sweep(below)
    directory = below / unique_name()
    directory.mkdir()
    try:
        yield directory
    finally:
        discard_tree(directory)


def sweep(below: Path) -> None:
    """Remove what dead processes of this machine left; other machines' leftovers are for `gc`, after its grace."""
    for entry in os.scandir(below):
        if not abandoned(entry.name):
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            discard_tree(path)
        else:
            discard(path)  # another process may sweep at the same time


def abandoned(name: str) -> bool:
    """Was what has this name left behind by a process of this machine that is dead?"""
    owner = parse_name(name)
    return owner is not None and owner.dead
