"""Claims and scratch: the living wait for each other, and the dead count for nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlmunl.store import Store
from vlmunl.store.claims import Claim, Claims
from vlmunl.store.owner import alive, machine, parse_name, process_start, unique_name
from vlmunl.store.scratch import abandoned


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


KEY = "0" * 32


def write_claim(store: Store, owner: str, pid: int, start: int, *, ticket: int = 1, counter: int = 1) -> Path:
    path = store.root / "claims" / f"{KEY}.{owner}-{pid}-{ticket:08x}"
    path.write_text(json.dumps([owner, pid, start, ticket, counter]))
    return path


def test_the_lowest_ticket_works_and_the_others_wait(store: Store) -> None:
    with store.claim(KEY) as first:
        assert first.first()
        assert store.claimed(KEY)
        assert store.running() == {KEY: f"{machine()} {os.getpid()}"}
        with store.claim(KEY) as second, store.claim("1" * 32) as other:
            assert first.first()
            assert not second.first()
            assert other.first()
    assert not store.claimed(KEY)
    assert list((store.root / "claims").iterdir()) == []


def test_the_claim_of_a_dead_process_is_ignored_and_removed(store: Store) -> None:
    path = write_claim(store, machine(), dead_pid(), 12345)
    assert not store.claimed(KEY)
    assert not path.exists()


def test_a_later_process_under_the_same_id_is_not_the_owner(store: Store) -> None:
    write_claim(store, machine(), os.getpid(), process_start(os.getpid()) - 1)
    assert not store.claimed(KEY)


def test_another_host_is_believed_as_long_as_its_counter_moves(store: Store) -> None:
    claims = Claims(store.root / "claims", patience=0.2)
    write_claim(store, "elsewhere.0", 1, 1, counter=1)
    assert claims.live(KEY)
    time.sleep(0.25)
    write_claim(store, "elsewhere.0", 1, 1, counter=2)
    assert claims.live(KEY)
    time.sleep(0.25)
    assert not claims.live(KEY)


@pytest.mark.parametrize("text", ["", "{", "[]", '["a",1,1,1]', '["a","b",1,1,1]', "[1,1,1,1,1]", "[" * 100_000])
def test_what_is_no_claim_stops_nobody(store: Store, text: str) -> None:
    (store.root / "claims" / f"{KEY}.x").write_text(text)
    with store.claim(KEY) as claim:
        assert claim.first()


def test_a_claim_left_unwritten_by_a_killed_process_is_removed(store: Store) -> None:
    left = store.root / "claims" / f"{KEY}.{machine()}-{dead_pid()}-00000000"
    mine = store.root / "claims" / f"{KEY}.{machine()}-{os.getpid()}-00000000"
    left.touch()
    mine.touch()
    assert not store.claimed(KEY)
    assert [left.exists(), mine.exists()] == [False, True]


def test_a_claim_keeps_beating(store: Store) -> None:
    claims = Claims(store.root / "claims")
    with Claim(claims, KEY, heartbeat=0.01):
        before = next(iter(claims.live(KEY).values())).counter
        time.sleep(0.2)
        assert next(iter(claims.live(KEY).values())).counter > before


def test_a_store_without_a_place_for_claims_still_works(store: Store) -> None:
    (store.root / "claims").rmdir()
    with store.claim(KEY) as claim:
        assert claim.first()


def test_who_is_alive() -> None:
    assert alive(os.getpid())
    assert alive(os.getpid(), process_start(os.getpid()))
    assert not alive(dead_pid())
    assert not alive(2**40)


# ------------------------------------------------------------------------------------------ scratch


def test_scratch_is_removed_at_the_end_whatever_happens(store: Store) -> None:
    with store.scratch() as directory:
        (directory / "deep").mkdir()
        (directory / "deep" / "f").write_text("x")
        (directory / "deep" / "f").chmod(0o444)
    with pytest.raises(KeyboardInterrupt), store.scratch():
        raise KeyboardInterrupt
    assert list((store.root / "tmp").iterdir()) == []


def test_what_dead_processes_left_is_swept_and_nothing_else(store: Store) -> None:
    tmp = store.root / "tmp"
    (tmp / f"{machine()}-{dead_pid()}-{'0' * 32}").mkdir()
    (tmp / f"{machine()}-{dead_pid()}-{'1' * 32}").write_text("half an object")
    kept = [unique_name(), f"elsewhere.0-{dead_pid()}-{'2' * 32}", "notes.txt"]
    for name in kept:
        (tmp / name).write_text("")
    with store.scratch():
        pass
    assert sorted(p.name for p in tmp.iterdir()) == sorted(kept)


def test_a_later_process_under_the_same_id_is_not_the_maker() -> None:
    """Process ids come round: within minutes on a busy node with 32,768 of them."""
    mine = unique_name()
    owner = parse_name(mine)
    assert owner == (machine(), os.getpid(), process_start(os.getpid()))
    assert not abandoned(mine)
    assert abandoned(f"{machine()}-{os.getpid()}-{owner.start - 1}.{'4' * 32}")
    assert not abandoned(f"{machine()}-{os.getpid()}-{'4' * 32}")  # an older name does not tell
