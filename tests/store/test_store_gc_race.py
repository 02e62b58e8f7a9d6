"""Collection against puts: at every instant of the one the whole of the other, and real processes at full speed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.small import recorded
from tests.store.test_store_crashes import CALLS, ended, forked, intercepted
from tests.store.test_store_gc import DAY, age, gc, objects
from vlmunl.store import Store
from vlmunl.store.gc import collect
from vlmunl.store.mark import Roots
from vlmunl.store.verify import verify

SEEN = (*CALLS, "open", "stat", "utime", "scandir", "listdir")
"""Every call at which another process could come in between and make a difference."""


def old_orphan(root: Path) -> Store:
    """A store with one sound record and one old object that nothing needs yet."""
    store = Store.open(root)
    recorded(store, "before", {"out": store.put_bytes(b"needed")})
    store.put_bytes(b"wanted again")
    age(store)
    return store


def want_again(root: Path) -> None:
    """What a cell does at its end: put, then record."""
    store = Store.open(root)
    recorded(store, "again", {"out": store.put_bytes(b"wanted again")})


def lost_nothing(root: Path) -> None:
    store = Store.open(root)
    assert not verify(store).damages
    assert len(list(store.records())) == 2
    assert all(store.has(ref) for name in store.records() for ref in store.load(name).outputs.values())


def at_every_instant(tmp_path: Path, outer: Callable[[Path], object], inner: Callable[[Path], object]) -> int:
    """Do `inner` at each of the system calls of `outer`, each time in a new store; returns how many there were."""
    with intercepted(lambda name, index: None, SEEN) as calls:
        old_orphan(tmp_path / "count")
        calls.clear()
        outer(tmp_path / "count")
    for instant in range(len(calls)):
        root = tmp_path / f"s{instant}"
        old_orphan(root)
        done: list[int] = []

        def step(name: str, index: int, instant: int = instant, root: Path = root, done: list[int] = done) -> None:
            if index >= instant and not done:
                done.append(index)
                inner(root)

        with intercepted(step, SEEN):
            outer(root)
        lost_nothing(root)
    return len(calls)


def test_a_put_at_any_instant_of_a_collection_is_not_lost(tmp_path: Path) -> None:
    assert at_every_instant(tmp_path, lambda root: gc(Store.open(root)), want_again) > 40


def test_a_collection_at_any_instant_of_a_put_takes_nothing(tmp_path: Path) -> None:
    assert at_every_instant(tmp_path, want_again, lambda root: gc(Store.open(root))) > 14


def test_a_collection_killed_at_any_instant_loses_nothing(tmp_path: Path) -> None:
    old_orphan(tmp_path / "count")
    with intercepted(lambda name, index: None, SEEN) as calls:
        gc(Store.open(tmp_path / "count"))
    moves = [i for i, name in enumerate(calls) if name in ("rename", "utime", "unlink", "fsync", "mkdir", "write")]
    assert len(moves) > 4
    for instant in moves:
        root = tmp_path / f"s{instant}"
        old_orphan(root)

        def crash(name: str, index: int, instant: int = instant) -> None:
            if index == instant:
                os._exit(9)

        def work(root: Path = root, crash: Callable[[str, int], None] = crash) -> None:
            with intercepted(crash, SEEN):
                gc(Store.open(root))

        assert ended(forked(work)) == 9
        want_again(root)
        gc(Store.open(root))
        lost_nothing(root)


def test_a_put_just_before_the_sweep_is_seen(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = old_orphan(root)
    asked: list[int] = []

    def roots() -> list[Roots]:
        asked.append(1)
        if len(asked) == 2:  # the candidates are chosen by now
            want_again(root)
        return []

    found = collect(store, roots, do=True)
    assert (len(asked), found.items) == (2, ())
    lost_nothing(root)


def test_an_object_of_another_user_is_made_young_by_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = old_orphan(tmp_path / "store")

    def denied(path: Path, *times: object) -> None:
        if not Path(path).exists():
            raise FileNotFoundError(2, "gone", str(path))
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(os, "utime", denied)
    ref = store.put_bytes(b"wanted again")
    assert time.time() - store.path(ref).stat().st_mtime < 60
    inode = store.path(ref).stat().st_ino
    store.put_bytes(b"wanted again")  # young enough now: not written again
    assert store.path(ref).stat().st_ino == inode


def test_collections_against_writers_in_real_processes(tmp_path: Path) -> None:
    """Writers want old orphans again, in random order, while collections take away what nobody wants."""
    root, many = tmp_path / "store", 240
    store = Store.open(root)
    data = [f"content {i}".encode() * 50 for i in range(many)]
    refs = [store.put_bytes(d) for d in data]
    age(store)
    began = time.time()

    def write(number: int) -> None:
        mine, rng = Store.open(root), random.Random(number)
        for i in rng.sample(range(many), many // 2):
            ref = mine.put_bytes(data[i])
            recorded(mine, f"cell {number} {i}", {"out": ref})
            assert mine.has(ref) or (time.sleep(0.2) or mine.has(ref))

    def sweep() -> None:
        while time.time() - began < 60 and not (root / "stop").exists():
            gc(Store.open(root), grace=DAY)

    sweepers = [forked(sweep) for _ in range(2)]
    writers = [forked(lambda number=number: write(number)) for number in range(3)]  # type: ignore[misc]
    assert [ended(pid) for pid in writers] == [0, 0, 0]
    (root / "stop").touch()
    assert [ended(pid) for pid in sweepers] == [0, 0]
    wanted = {ref.xxh3 for name in Store.open(root).records() for ref in Store.open(root).load(name).outputs.values()}
    gc(Store.open(root), grace=DAY)
    assert objects(store) == wanted
    assert len(list(Store.open(root).records())) == 3 * (many // 2)
    assert {path.name for path in (root / "trash" / "objects").iterdir()} >= {r.xxh3 for r in refs} - wanted
    assert not verify(Store.open(root)).damages
