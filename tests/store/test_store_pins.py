"""Pins: the newest file of a name counts, none is ever changed, and none is lost when two are made at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.store.small import recorded
from tests.store.test_store_crashes import ended, forked
from vlmunl.errors import StoreDamaged, UsageError
from vlmunl.store import RecordName, Store
from vlmunl.store import pins as p
from vlmunl.store.pins import pin, pins, unpin


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def names(store: Store) -> list[RecordName]:
    return [recorded(store, f"cell{i}", {}).name for i in range(4)]


def files(store: Store) -> dict[str, bytes]:
    return {str(p.relative_to(store.root)): p.read_bytes() for p in sorted((store.root / "refs").rglob("*.json"))}


def test_pin_add_take_away_and_give_up(store: Store, names: list[RecordName]) -> None:
    assert pins(store) == {}
    pin(store, "paper", names[:2])
    first = files(store)
    pin(store, "paper", names[1:3])
    assert pins(store)["paper"].records == tuple(sorted(n.file for n in names[:3]))
    unpin(store, "paper", names[:1])
    assert pins(store)["paper"].records == tuple(sorted(n.file for n in names[1:3]))
    unpin(store, "paper")
    assert pins(store) == {}
    assert first.items() <= files(store).items()
    assert len(files(store)) == 4
    pin(store, "paper", names[3:])
    assert pins(store)["paper"].number == 5


def test_the_same_pin_again_writes_nothing(store: Store, names: list[RecordName]) -> None:
    pin(store, "paper", names)
    before = files(store)
    pin(store, "paper", names[:1])
    assert files(store) == before


def test_a_pin_made_while_another_is_made_is_not_lost(
    store: Store, names: list[RecordName], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst order: all read, then one writes twice, then the other."""
    real = p._write
    inner: list[object] = []

    def late(*args: object) -> object:
        if not inner:
            inner.append(1)
            pin(store, "paper", names[1:2])
            pin(store, "paper", names[2:3])
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(p, "_write", late)
    pin(store, "paper", names[:1])
    assert pins(store)["paper"].records == tuple(sorted(n.file for n in names[:3]))
    pin(store, "paper", names[3:])
    assert len(pins(store)["paper"].files) == 1


def test_many_pins_of_one_name_at_once_all_count(store: Store, names: list[RecordName]) -> None:
    def many(number: int) -> None:
        pin(Store.open(store.root), "paper", [names[number]])

    assert [ended(pid) for pid in [forked(lambda i=i: many(i)) for i in range(4)]] == [0] * 4  # type: ignore[misc]
    assert set(pins(store)["paper"].records) == {name.file for name in names}


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../up", "a b", "x" * 65, "-x"])
def test_names_that_are_no_names(store: Store, names: list[RecordName], name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a pin"):
        pin(store, name, names)


def test_what_cannot_be_taken_away(store: Store, names: list[RecordName]) -> None:
    with pytest.raises(UsageError, match="no pin"):
        unpin(store, "paper")
    pin(store, "paper", names[:1])
    with pytest.raises(UsageError, match="does not hold"):
        unpin(store, "paper", names[1:])


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1, "records": ["x"]}', "[" * 100_000])
def test_an_altered_pin_is_an_error_and_not_an_empty_one(store: Store, names: list[RecordName], text: str) -> None:
    pin(store, "paper", names)
    (path,) = (store.root / "refs" / "paper").iterdir()
    os.chmod(path, 0o600)
    path.write_text(text)
    with pytest.raises(StoreDamaged, match=path.name):
        pins(store)
