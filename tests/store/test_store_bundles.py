"""Exports: the same bytes for the same content, checkable with tar and sha256sum, merged as a set union."""

from __future__ import annotations

import itertools
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.store.bundle_case import FILES, export, fill, state, take
from vlmunl.errors import StoreDamaged, UsageError, VlmunlError
from vlmunl.store import Store
from vlmunl.store.bundle import BLOCK, TOP, header, read_header
from vlmunl.store.bundle_write import gather, upstream, write


@pytest.fixture
def filled(tmp_path):
    return fill(tmp_path / "store", tmp_path / "folder")


def test_a_round_trip_gives_the_same_bytes_and_importing_again_changes_nothing(filled, tmp_path):
    store, records = filled
    bundle = export(store, records, tmp_path / "x.tar")
    there = tmp_path / "there"
    checked = take(bundle, there)
    assert state(there) == state(store.root)
    assert (checked.studies, len(checked.new_records)) == ({"toy": FILES["manifests/toy.toml"]}, 3)
    before = {p: p.stat().st_ino for p in there.rglob("*") if p.is_file()}
    again = take(bundle, there)
    assert (again.new_objects, again.new_records) == ([], [])
    assert {p: p.stat().st_ino for p in there.rglob("*") if p.is_file()} == before


def test_equal_content_gives_an_equal_file_whatever_the_store_and_the_order(filled, tmp_path):
    store, records = filled
    once = export(store, records, tmp_path / "x.tar").read_bytes()
    take(tmp_path / "x.tar", tmp_path / "there")
    other = Store.open(tmp_path / "there")
    flipped = dict(reversed(FILES.items()))
    assert export(other, records[::-1], tmp_path / "y.tar", flipped).read_bytes() == once


def test_imports_merge_as_a_set_union_in_any_order(filled, tmp_path):
    store, (first, second, third) = filled
    parts = [export(store, part, tmp_path / f"{i}.tar") for i, part in enumerate([[first], [first, second], [third]])]
    for i, order in enumerate([parts, parts[::-1]]):
        for bundle in order:
            take(bundle, tmp_path / f"there{i}")
        assert state(tmp_path / f"there{i}") == state(store.root)


def test_tar_and_sha256sum_check_it_without_us(filled, tmp_path):
    store, records = filled
    bundle = export(store, records, tmp_path / "x.tar")
    subprocess.run(["tar", "xf", bundle], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=tmp_path / TOP, check=True)
    files = {str(p.relative_to(tmp_path / TOP)) for p in (tmp_path / TOP).rglob("*") if p.is_file()}
    lines = (tmp_path / TOP / "SHA256SUMS").read_text().splitlines()
    assert {line[66:] for line in lines} == files - {"SHA256SUMS"}
    with tarfile.open(bundle) as tar:
        members = tar.getmembers()
        assert {m.name for m in members} == {f"{TOP}/{name}" for name in files}
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    assert [m.name for m in members] == sorted(m.name for m in members)


def test_a_result_brings_what_it_came_from(filled):
    store, (first, second, third) = filled
    assert upstream(store, [second.name]) == {first.name, second.name}
    assert upstream(store, [third.name]) == {third.name}


@pytest.mark.parametrize("size", [0, 1, BLOCK, (1 << 33) - 1, 1 << 33, 1 << 45])
def test_headers_say_what_tar_reads(size):
    block = header("objects/ab/" + "ab" * 16, size)
    info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    assert (info.name, info.size, info.isreg()) == (f"{TOP}/objects/ab/" + "ab" * 16, size, True)
    assert read_header(block) == ("objects/ab/" + "ab" * 16, size)


def test_an_object_that_was_altered_is_not_exported(filled, tmp_path):
    store, records = filled
    path = store.path(records[1].outputs["rows"])
    path.chmod(0o644)
    path.write_bytes(b"Rows" * 1000)
    with pytest.raises(StoreDamaged, match="was altered; nothing was exported"):
        export(store, records, tmp_path / "x.tar")
    path.unlink()
    with pytest.raises(StoreDamaged, match="second needs rows"):
        export(store, records, tmp_path / "x.tar")
    assert not [p for p in tmp_path.iterdir() if "x.tar" in p.name]


def test_an_export_overwrites_nothing_and_a_full_disk_leaves_nothing(filled, tmp_path):
    store, records = filled
    gathered = gather(store, [r.name for r in records], FILES)
    (tmp_path / "x.tar").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write(gathered, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_text() == "mine"
    with pytest.raises(VlmunlError, match="could not be written"):
        write(gathered, tmp_path / "nowhere" / "x.tar")


def test_a_damaged_object_of_the_store_is_healed_by_an_import(filled, tmp_path):
    store, records = filled
    bundle = export(store, records, tmp_path / "x.tar")
    take(bundle, tmp_path / "there")
    whole = state(tmp_path / "there")
    for i, path in enumerate(sorted(whole)):
        file = tmp_path / "there" / path
        file.chmod(0o644)
        file.write_bytes(whole[path][:-2] if i % 2 else b"?" + whole[path][1:])
    take(bundle, tmp_path / "there")
    assert state(tmp_path / "there") == whole


def dying(bundle: Path, root: Path, instant: int) -> bool:
    """Import in a child process that ends before its system call number `instant`; did it get to the end?"""
    pid = os.fork()
    if pid == 0:
        calls = itertools.count()

        def counted(real):
            def call(*args, **kwargs):
                return os._exit(9) if next(calls) >= instant else real(*args, **kwargs)

            return call

        for name in ("write", "fsync", "rename", "mkdir", "utime"):
            setattr(os, name, counted(getattr(os, name)))
        take(bundle, root)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_kill_at_any_instant_leaves_a_store_that_the_next_import_completes(filled, tmp_path):
    store, records = filled
    bundle = export(store, records, tmp_path / "x.tar")
    for instant in itertools.count():
        root = tmp_path / f"there{instant}"
        there = Store.open(root)
        finished = dying(bundle, root, instant)
        for name in there.records():  # a record is there only with everything that it needs
            assert all(there.has(ref) for ref in there.load(name).outputs.values())
        if instant % 5 == 0 or finished:
            take(bundle, root)
            assert state(root) == state(store.root)
        if finished:
            break
    assert instant > 20
