"""What the fault tests stand on: a small study, its undisturbed results, and worlds that can be broken.

VLMUNL_SOAK is the one scale: 1 (a minute in all) unless set; `make soak` sets 20.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from vlmunl.store import Store
from vlmunl.store.verify import Verification, verify

T = TypeVar("T")

SCALE = float(os.environ.get("VLMUNL_SOAK", "1"))
INLINE = Path(__file__).parent / "inline.py"
SMALL = """
[study]
name = "toy"
seeds = [0]
[model]
id = "base"
[methods.ga]
"""
SMALL_CELLS = 2 + (3 + 1 + 3 + 1 + 1) + 2


def rounds(number: int) -> int:
    """How often to do what is done `number` times by default."""
    return max(1, round(number * SCALE))


def some(items: Sequence[T], number: int) -> list[T]:
    """So many of the items, spread evenly; all of them when the scale allows."""
    wanted = min(len(items), rounds(number))
    return [items[i * len(items) // wanted] for i in range(wanted)]


def published(space: Path) -> dict[str, bytes]:
    """Run manifest, results, summary and tables as they lie in the workspace."""
    folders = (space / "manifests" / "toy", space / "latex" / "generated" / "toy")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(space)): path.read_bytes() for path in files}


def content(space: Path) -> set[str]:
    """The names of all objects and of the records of results: what a store holds, whoever filled it."""
    root = space / "store"
    return {p.name for p in (*root.glob("objects/*/*"), *root.glob("records/*/*.ok.*"))}


def looked_at(space: Path) -> Verification:
    """`store verify` of the workspace's store."""
    return verify(Store.open(space / "store", create=False))


def assert_clean(space: Path) -> None:
    """Every object and record is what it says it is, and nothing that a record names is missing."""
    found = looked_at(space)
    assert not found.damages
    assert not found.gaps


def assert_like(space: Path, undisturbed: Path) -> None:
    """The study ended as if nothing had happened, and left nothing lying about."""
    assert published(space) == published(undisturbed)
    assert content(space) >= content(undisturbed)
    assert_clean(space)
    root = space / "store"
    left = [path for name in ("claims", "tmp", "doing", "partial") for path in (root / name).glob("*")]
    assert left == []


def can(*unshare: str, then: str = "true") -> bool:
    """May this user make such namespaces, and do `then` in them?"""
    try:
        done = subprocess.run(["unshare", *unshare, "sh", "-c", then], capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


def need(*unshare: str, then: str = "true") -> tuple[str, ...]:
    """The options of `unshare` with which this user may do `then`; skips the test, and says why, if there are none."""
    for flags in (unshare, ("--user", "--map-root-user", *unshare)):
        if can(*flags, then=then):
            return flags
    pytest.skip(f"NOT TESTED: unshare {' '.join(unshare)} ({then}) is not allowed here; run as root")


def apart(unshare: Sequence[str], setup: str, script: Path, *args: str, **env: str) -> subprocess.Popen[str]:
    """Start a Python script (in namespaces of its own) after a line of shell; its group can be killed as one."""
    command = ["sh", "-c", f"{setup} && exec {shlex.join([sys.executable, str(script), *args])}"]
    return subprocess.Popen(
        ["unshare", *unshare, *command] if unshare else command,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def said(process: subprocess.Popen[str], timeout: float = 300) -> str:
    """Everything that a process printed until its end."""
    out, err = process.communicate(timeout=timeout)
    return out + err
