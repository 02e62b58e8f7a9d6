"""Collection in doubt: what cannot be read stops it, and what may be in use is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.store.small import content, recorded, study
from tests.store.test_store_gc import DAY, age, fates, gc, objects
from vlmunl.errors import StoreDamaged, StudyError, UsageError
from vlmunl.store import Store
from vlmunl.store.gc import LEAST_GRACE, collect, parse_age
from vlmunl.store.mark import Roots
from vlmunl.store.owner import machine, unique_name
from vlmunl.store.pins import pin

KEY = "0" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def claim(store: Store, owner: str, pid: int, start: int = 1, key: str = KEY) -> Path:
    path = store.root / "claims" / f"{key}.{owner}-{pid}-00000001"
    path.write_text(f'["{owner}", {pid}, {start}, 1, 1]')
    return path


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_anything_unreadable_stops_it(store: Store) -> None:
    records = study(store.root)
    store.put_bytes(b"orphan")
    folder = records["make"].outputs["folder"]
    listing = store.root / "objects" / folder.xxh3[:2] / folder.xxh3
    record = store.root / "records" / records["end"].key[:2] / records["end"].name.file
    pin(store, "keep", [records["end"].name])
    (pinned,) = (store.root / "refs" / "keep").iterdir()
    for path in (listing, record, pinned):
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data[:-2])
        age(store)
        before = content(store.root)
        with pytest.raises(StoreDamaged):
            gc(Store(store.root))
        assert content(store.root) == before
        path.write_bytes(data)
    listing.unlink()
    with pytest.raises(StoreDamaged, match="listing"):
        gc(Store(store.root))


def test_roots_that_cannot_be_read_stop_it_before_and_after_the_search(store: Store) -> None:
    store.put_bytes(b"orphan")
    age(store)
    for good in (0, 1):
        asked: list[int] = []

        def roots(good: int = good, asked: list[int] = asked) -> Iterable[Roots]:
            asked.append(1)
            if len(asked) > good:
                raise StudyError("no")
            return ()

        with pytest.raises(StudyError):
            collect(store, roots, do=True)
        assert len(objects(store)) == 1


def test_nothing_of_the_last_hour_goes_whatever_the_grace(store: Store) -> None:
    store.put_bytes(b"orphan")
    time.sleep(0.01)
    assert (gc(store, grace=0.0).grace, len(objects(store))) == (LEAST_GRACE, 1)
    age(store, days=0.05)
    assert (len(gc(store, grace=0.0).items), len(objects(store))) == (1, 0)


def test_a_running_cell_of_an_unknown_study_stops_a_stale_collection(store: Store) -> None:
    recorded(store, "old", {"out": store.put_bytes(b"old")})
    age(store)
    claim(store, "elsewhere.0", 1)
    with pytest.raises(UsageError, match="no study here"):
        gc(store, stale=True)
    assert gc(store, Roots(keys=frozenset({KEY})), stale=True).items


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp, later = store.root / "tmp", time.time() + 20 * DAY
    gone = [f"{machine()}-{dead_pid()}-{'0' * 32}", f"elsewhere.0-1-{'1' * 32}", "notes"]
    kept = [unique_name(), f"claimed.0-7-{'2' * 32}", f"elsewhere.0-2-{'3' * 32}"]
    for name in (*gone, *kept):
        (tmp / name).mkdir()
        (tmp / name / "half").write_text("x")
    alive, silent = claim(store, "claimed.0", 7), claim(store, "silent.0", 8, key="1" * 32)
    evidence = store.root / "quarantine" / "x"
    evidence.write_text("evidence")
    for path in (alive, tmp / kept[2] / "half"):
        os.utime(path, (later, later))
    monkeypatch.setattr("vlmunl.store.gc.file_clock", lambda root: later)
    assert set(fates(gc(store))) == {*gone, silent.name}
    assert sorted(p.name for p in tmp.iterdir()) == sorted(kept)
    assert (alive.exists(), silent.exists(), evidence.exists()) == (True, False, True)
    assert set(fates(gc(store, quarantine=True))) == {"x"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("14d", 14 * DAY), ("12h", 43200), ("0", 0), ("2w", 14 * DAY), ("5s", 5)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "14", "-1d", "1.5d", "1y", "9999999d"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError):
        parse_age(text)
