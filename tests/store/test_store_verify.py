"""Verify: a sound store is clean, and every damage to any file is found, named and traced to who used it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.small import content, recorded, study
from vlmunl.store import Record, Ref, Store
from vlmunl.store import verify as v
from vlmunl.store.graph import Graph, node_of
from vlmunl.store.pins import pin
from vlmunl.store.rehash import LEVELS, Level


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


DAMAGE: dict[str, Callable[[Path], None]] = {"flip": flip, "truncate": truncate, "extend": extend, "delete": os.unlink}


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Record]:
    return study(tmp_path / "store")


@pytest.fixture
def store(made: dict[str, Record], tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def check(store: Store, level: Level = "full", **options: object) -> v.Verification:
    return v.verify(Store(store.root, read_only=True), level=level, jobs=2, **options)  # type: ignore[arg-type]


def cells(graph: Graph, files: frozenset[str]) -> set[str]:
    return {graph.nodes[file].cell for file in files}


@pytest.mark.parametrize("level", LEVELS)
def test_a_sound_store_is_clean_and_left_as_it_was(store: Store, level: Level) -> None:
    before = {p: p.stat().st_mtime_ns for p in store.root.rglob("*")}
    seen: list[tuple[int, int]] = []
    found = check(store, level, progress=lambda done, total: seen.append((done, total)))
    assert (found.damages, found.gaps, found.leftovers) == ((), (), ())
    assert (found.objects, found.records) == (7, 3)
    assert {p: p.stat().st_mtime_ns for p in store.root.rglob("*")} == before
    if level != "sizes":
        assert seen[-1] == (found.bytes, found.bytes)
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)


USERS = {  # output -> who made it, who read it, and who is after them
    "blob": ("make", {"double"}, {"end"}),
    "folder": ("make", {"double"}, {"end"}),
    "log": ("make", set(), set()),
    "twice": ("double", {"end"}, set()),
    "last": ("end", set(), set()),
}


def every_object(store: Store, made: dict[str, Record]) -> dict[str, str]:
    """Address -> the output that it belongs to."""
    refs = {name: ref for record in made.values() for name, ref in record.outputs.items()}
    parts = {entry.xxh3: name for name, ref in refs.items() if ref.kind == "tree" for entry in store.tree(ref)}
    return {ref.xxh3: name for name, ref in refs.items()} | parts


@pytest.mark.parametrize("kind", DAMAGE)
def test_any_damage_to_any_object_is_named_with_its_users(store: Store, made: dict[str, Record], kind: str) -> None:
    objects = every_object(store, made)
    assert len(objects) == 7
    for xxh3, output in objects.items():
        path = store.root / "objects" / xxh3[:2] / xxh3
        data = path.read_bytes()
        path.chmod(0o600)
        DAMAGE[kind](path)
        found = check(store)
        assert [(d.kind, d.name) for d in found.damages] == [("object", xxh3)]
        assert (found.damages[0].problem == "missing") == (kind == "delete")
        effects = found.graph.of_object(xxh3)
        maker, readers, after = USERS[output]
        assert cells(found.graph, effects.made_by) == {maker}
        assert cells(found.graph, effects.read_by) == readers
        assert cells(found.graph, effects.downstream) == after
        path.write_bytes(data)
    assert not check(store).damages


@pytest.mark.parametrize("kind", DAMAGE)
def test_any_damage_to_any_record_is_named(store: Store, made: dict[str, Record], kind: str) -> None:
    known = [node_of(record) for record in made.values()]
    for record in made.values():
        path = store.root / "records" / record.key[:2] / record.name.file
        data = path.read_bytes()
        path.chmod(0o600)
        DAMAGE[kind](path)
        found = check(store, known=known)
        assert [(d.kind, d.name) for d in found.damages] == [("record", record.name.file)]
        after = {"make": {"double"}, "double": {"end"}, "end": set()}[record.cell]
        assert cells(found.graph, found.graph.of_record(record.name.file).read_by) == after
        path.write_bytes(data)
    assert not check(store, known=known).damages


def test_a_record_under_another_name_or_in_another_folder(store: Store, made: dict[str, Record]) -> None:
    path = store.root / "records" / made["end"].key[:2] / made["end"].name.file
    other = path.with_name(made["end"].name._replace(address="0" * 16).file)
    path.rename(other)
    (found,) = check(store).damages
    assert (found.name, "does not match its name" in found.problem) == (other.name, True)
    wrong = store.root / "records" / ("00" if path.name[:2] != "00" else "01")
    wrong.mkdir(exist_ok=True)
    other.rename(wrong / path.name)
    (found,) = check(store).damages
    assert "filed under" in found.problem


def test_what_each_level_finds(store: Store, made: dict[str, Record]) -> None:
    path = store.path(made["make"].outputs["blob"])
    path.chmod(0o600)
    flip(path)
    assert [len(check(store, level).damages) for level in LEVELS] == [0, 1, 1]
    truncate(path)
    assert [len(check(store, level).damages) for level in LEVELS] == [1, 1, 1]


def test_bytes_of_the_right_address_with_another_sha256_are_found_by_full_alone(store: Store) -> None:
    ref = store.put_bytes(b"genuine")
    forged = Ref(xxh3=ref.xxh3, sha256="0" * 64, size=ref.size)
    recorded(store, "forged", {"out": forged})
    assert [len(check(store, level).damages) for level in LEVELS] == [0, 0, 1]
    assert "sha256" in check(store).damages[0].problem


@pytest.mark.parametrize("kind", ["flip", "truncate"])
def test_what_is_set_aside_is_kept_and_made_anew_by_the_next_run(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "store"
    records = study(root)
    before, store = content(root), Store.open(root)
    names = [*every_object(store, records)][:3]
    paths = [root / "objects" / name[:2] / name for name in names]
    paths.append(root / "records" / records["double"].key[:2] / records["double"].name.file)
    for path in paths:
        path.chmod(0o600)
        DAMAGE[kind](path)
    altered = {path.read_bytes() for path in paths}
    found = v.set_aside(store, check(store))
    assert {p.read_bytes() for p in (root / "quarantine").iterdir()} == altered
    assert all(damage.moved and damage.moved.exists() for damage in found.damages)
    study(root)
    assert content(root) == before
    assert not check(store).damages


def test_what_another_process_has_mended_meanwhile_stays(store: Store, made: dict[str, Record]) -> None:
    path = store.path(made["end"].outputs["last"])
    data = path.read_bytes()
    path.chmod(0o600)
    flip(path)
    found = check(store)
    path.write_bytes(data)
    assert v.set_aside(store, found).damages[0].moved is None
    assert path.read_bytes() == data


def test_leftovers_gaps_and_damaged_pins(store: Store, made: dict[str, Record]) -> None:
    (store.root / "objects" / "ab").mkdir(exist_ok=True)
    strays = [store.root / "objects" / "ab" / "notes", store.root / "records" / "x.txt", store.root / "tmp" / "y"]
    for path in strays:
        path.write_text("")
    assert set(check(store).leftovers) == set(strays)
    lost = Ref.from_json({"kind": "blob", "xxh3": "1" * 32, "sha256": "2" * 64, "size": 3})
    recorded(store, "alone", {}, {"given": lost})
    found = check(store)
    assert not found.damages
    assert "input 'given' of alone" in found.gaps[0]
    pin(store, "keep", [made["end"].name])
    (file,) = (store.root / "refs" / "keep").iterdir()
    file.chmod(0o600)
    file.write_text(json.dumps({"schema": 1, "records": []}))
    (damage,) = check(store).damages
    assert (damage.kind, damage.there) == ("pin", False)


def test_a_base_model_outside_the_store_is_no_gap(store: Store) -> None:
    outside = Ref(xxh3="3" * 32, sha256="4" * 64, size=5, kind="tree")
    recorded(store, "trained", {}, {"base": outside}, env={"external": {"base": "/models/base"}})
    found = check(store)
    assert (found.damages, found.gaps) == ((), ())
