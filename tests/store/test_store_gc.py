"""Collection: nothing that is needed ever goes, what nothing needs goes in two passes, and doubt stops it."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.store.small import content, recorded, study
from vlmunl.store import Record, Ref, Store
from vlmunl.store.gc import Collection, collect
from vlmunl.store.mark import Roots
from vlmunl.store.pins import pin, unpin
from vlmunl.store.verify import verify

DAY = 86400.0
KEY = "0" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def age(store: Store, days: float = 20, below: str = ".") -> None:
    """Make every file as old as that."""
    then = time.time() - days * DAY
    for path in (store.root / below).rglob("*"):
        os.utime(path, (then, then))


def gc(store: Store, *roots: Roots, do: bool = True, grace: float = 14 * DAY, **options: bool) -> Collection:
    return collect(store, lambda: roots, do=do, grace=grace, **options)


def fates(found: Collection) -> dict[str, str]:
    return {item.name: item.fate for item in found.items}


# --------------------------------------------------------------------------------- what stays and goes


def a_random_store(store: Store, rng: random.Random) -> None:
    """Records on one another, trees, equal outputs of different cells, and orphans."""
    refs: list[Ref] = []
    for i in range(rng.randint(3, 8)):
        inputs = {f"in{j}": ref for j, ref in enumerate(rng.sample(refs, min(len(refs), rng.randint(0, 2))))}
        outputs = {"out": store.put_bytes(rng.choice([b"common", f"out {i}".encode()]))}
        with store.scratch() as folder:
            for name in "ab":
                (folder / name).write_text(rng.choice(["same", f"{i}{name}"]))
            if rng.random() < 0.6:
                outputs["tree"] = store.put_tree(folder)
        recorded(store, f"cell{i}", outputs, inputs)
        refs += outputs.values()
    for i in range(rng.randint(1, 4)):
        store.put_bytes(f"orphan {i}".encode())


def is_whole(store: Store, before: dict[str, Record], roots: set[str]) -> set[str]:
    """Check what is left of the records: the roots and what made their inputs, no more; the objects they need."""
    left = {name.file: store.load(name) for name in Store(store.root).records()}
    makers = {file: {part for ref in r.outputs.values() for part in parts(store, ref)} for file, r in before.items()}
    read = {ref.xxh3 for record in left.values() for ref in record.inputs.values()}
    assert roots <= set(left)
    assert all(makers[file] & read for file in set(left) - roots)
    assert all(any(xxh3 in makers[file] for file in left) for xxh3 in read)
    return {p for r in left.values() for ref in (*r.inputs.values(), *r.outputs.values()) for p in parts(store, ref)}


def parts(store: Store, ref: Ref) -> set[str]:
    return {ref.xxh3} | ({entry.xxh3 for entry in store.tree(ref)} if ref.kind == "tree" else set())


def objects(store: Store) -> set[str]:
    return {path.name for path in (store.root / "objects").rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(15))
def test_what_is_reached_stays_and_the_rest_goes_in_two_passes(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    a_random_store(store, rng)
    age(store)
    young = store.put_bytes(b"young").xxh3
    stale = seed % 3 == 2
    roots = [name for name in store.records() if not stale or rng.random() < 0.4]
    if stale and roots:
        pin(store, "keep", roots)
    records = {name.file: store.load(name) for name in store.records()}
    before = content(store.root)
    dry = gc(store, do=False, stale=stale)
    assert content(store.root) == before
    done = gc(store, stale=stale)
    assert fates(done) == fates(dry)
    wanted = is_whole(store, records, {name.file for name in roots})
    assert objects(store) == wanted | {young}
    assert not verify(store, known=()).damages
    assert not gc(store, stale=stale).items  # a second pass finds nothing: the trash is young
    monkeypatch.setattr("vlmunl.store.gc.file_clock", lambda root: time.time() + 15 * DAY)
    later = {(item.name, item.fate) for item in gc(store, stale=stale, grace=20 * DAY).items}
    assert not later
    later = {(item.name, item.fate) for item in gc(store, stale=stale).items}
    assert later == {(name, "delete") for name in fates(done)} | ({(young, "trash")} if later else set())
    assert objects(store) == wanted


@pytest.mark.parametrize("again", ["reached", "run manifest", "pin"])
def test_what_is_needed_again_comes_back_from_the_trash(store: Store, again: str, tmp_path: Path) -> None:
    records = study(store.root)
    before = content(store.root)
    age(store)
    gc(store, stale=True)
    assert objects(store) == set()
    names = [record.name for record in records.values()]
    roots = Roots()
    if again == "reached":
        roots = Roots(keys=frozenset(name.key for name in names))
    elif again == "run manifest":
        roots = Roots(records=frozenset(name.file for name in names))
    else:
        pin(store, "back", names)
    found = gc(store, roots, stale=True)
    assert set(fates(found).values()) == {"restore"}
    assert content(store.root) == before
    assert not verify(Store(store.root)).damages


def test_a_pin_that_is_given_up_keeps_nothing(store: Store) -> None:
    record = recorded(store, "old", {"out": store.put_bytes(b"old")})
    pin(store, "keep", [record.name])
    age(store)
    assert not gc(store, stale=True).items
    unpin(store, "keep")
    age(store)
    assert {item.what for item in gc(store, stale=True).items} == {"record", "object"}


def test_objects_named_by_a_run_manifest_stay_without_their_record(store: Store) -> None:
    ref = store.put_bytes(b"published")
    age(store)
    assert not gc(store, Roots(refs=frozenset({ref})), stale=True).items
