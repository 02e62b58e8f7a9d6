"""Objects and layout: same bytes, same address; nothing half-written; damage is noticed and mended."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlmunl.errors import MissingInput, StoreDamaged, UsageError, VlmunlError
from vlmunl.keys import digest_bytes
from vlmunl.store import Ref, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def files_below(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def alter(store: Store, ref: Ref, data: bytes) -> Path:
    """Overwrite an object behind the store's back."""
    path = store.root / "objects" / ref.xxh3[:2] / ref.xxh3
    path.chmod(0o600)
    path.write_bytes(data)
    return path


def folder(at: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)
    return at


# -------------------------------------------------------------------------------------------- blobs


def test_the_same_bytes_have_one_address_and_one_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    ref = store.put_bytes(b"hello")
    assert store.put_file(tmp_path / "f") == ref == Ref.of(digest_bytes(b"hello"))
    assert ref.xxh3 == "b5e9c1ad071b3e7fc779cfaa5e523818"
    assert list(files_below(store.root / "objects")) == [f"b5/{ref.xxh3}"]


def test_an_object_is_read_only_and_read_back(store: Store) -> None:
    ref = store.put_bytes(b"hello")
    assert stat.S_IMODE(store.path(ref).stat().st_mode) == 0o444
    assert store.read(ref) == store.path(ref).read_bytes() == b"hello"
    assert store.has(ref)
    store.verify(ref)


def test_a_second_put_writes_nothing_but_freshens_the_time_stamp(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = store.put_bytes(b"hello")
    os.utime(store.path(ref), (0, 0))

    def forbidden(*_: object) -> int:
        raise AssertionError("wrote")

    monkeypatch.setattr(os, "write", forbidden)
    assert store.put_bytes(b"hello") == ref
    assert store.path(ref).stat().st_mtime > 0


@given(st.binary(max_size=3000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_come_back(store: Store, data: bytes) -> None:
    assert store.read(store.put_bytes(data)) == data


@pytest.mark.parametrize("damage", [b"", b"hell", b"hallo", b"hello!"])
def test_damage_is_noticed_and_mended_by_the_next_put(store: Store, tmp_path: Path, damage: bytes) -> None:
    ref = store.put_bytes(b"hello")
    path = alter(store, ref, damage)
    for look in (store.verify, store.read, lambda r: store.checkout(r, tmp_path / "copy")):
        with pytest.raises(StoreDamaged, match=str(path)):
            look(ref)
    assert not (tmp_path / "copy").exists()
    assert store.has(ref) == (len(damage) == 5)  # the size is all that a quick look sees
    store.put_bytes(b"hello")
    store.verify(ref)
    assert files_below(store.root / "tmp") == {}


def test_a_missing_object_is_named(store: Store) -> None:
    ref = Ref.of(digest_bytes(b"never stored"))
    assert not store.has(ref)
    for look in (store.verify, store.read, store.path):
        with pytest.raises(StoreDamaged, match=f"{ref.xxh3} is missing"):
            look(ref)


def test_set_aside_moves_what_is_damaged_and_only_that(store: Store) -> None:
    good, bad = store.put_bytes(b"good"), store.put_bytes(b"bad!")
    alter(store, bad, b"b@d!")
    for ref in (good, bad, Ref.of(digest_bytes(b"absent"))):
        store.set_aside(ref)
    assert store.has(good)
    assert not store.has(bad)
    assert list(files_below(store.root / "quarantine").values()) == [b"b@d!"]


def test_what_cannot_be_put(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no file"):
        store.put_file(tmp_path / "none")
    with pytest.raises(VlmunlError, match="not a regular file"):
        store.put_file(tmp_path)
    with pytest.raises(MissingInput, match="no directory"):
        store.put_tree(tmp_path / "none")


def test_a_file_that_changes_while_it_is_stored_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "f"
    source.write_bytes(b"before")
    opened = os.open

    def meddle(path: object, *args: int) -> int:
        if "/tmp/" in str(path).removeprefix(str(tmp_path)):
            source.write_bytes(b"after!")
        return opened(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", meddle)
    with pytest.raises(VlmunlError, match="changed while"):
        store.put_file(source)
    assert files_below(store.root / "tmp") == files_below(store.root / "objects") == {}


def test_checkout_copies_and_never_overwrites(store: Store, tmp_path: Path) -> None:
    ref = store.put_bytes(b"hello")
    copy = store.checkout(ref, tmp_path / "deep" / "copy")
    assert copy.read_bytes() == b"hello"
    assert copy.stat().st_ino != store.path(ref).stat().st_ino
    assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    with pytest.raises(FileExistsError):
        store.checkout(ref, copy)
    assert copy.read_bytes() == b"hello"
    assert stat.S_IMODE(store.checkout(ref, tmp_path / "w", writable=True).stat().st_mode) == 0o644


# ------------------------------------------------------------------------------------------- layout


def test_a_store_is_made_once_and_found_again(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no store at"):
        Store.open(tmp_path / "s", create=False)
    ref = Store.open(tmp_path / "s").put_bytes(b"x")
    before = files_below(tmp_path / "s")
    assert Store.open(tmp_path / "s").has(ref)
    assert files_below(tmp_path / "s") == before
    (tmp_path / "s").rename(tmp_path / "moved")
    assert Store.open(tmp_path / "moved", create=False).has(ref)


def test_a_store_of_an_unknown_layout_or_another_directory_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "s")
    marker = tmp_path / "s" / "LAYOUT.json"
    marker.chmod(0o600)
    marker.write_text('{"layout": 2, "addr": "xxh3_128"}')
    with pytest.raises(UsageError, match="layout 2"):
        Store.open(tmp_path / "s")
    marker.write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        Store.open(tmp_path / "s")
    folder(tmp_path / "home", {"thesis.tex": ""})
    with pytest.raises(UsageError, match=r"holds thesis\.tex"):
        Store.open(tmp_path / "home")
    with pytest.raises(UsageError, match="no store can be made"):
        Store.open(tmp_path / "home" / "thesis.tex" / "store")


def test_a_folder_with_only_a_readme_becomes_a_store(tmp_path: Path) -> None:
    folder(tmp_path / "store", {"README.md": "what lies here"})
    Store.open(tmp_path / "store")


def test_a_read_only_store_refuses_every_change(store: Store, tmp_path: Path) -> None:
    ref = store.put_bytes(b"x")
    reader = Store.open(store.root, read_only=True)
    assert reader.read(ref) == b"x"
    for change in (
        lambda: reader.put_bytes(b"y"),
        lambda: reader.put_file(tmp_path / "f"),
        lambda: reader.put_tree(tmp_path),
        lambda: reader.claim("0" * 32),
        lambda: reader.scratch(),
        lambda: reader.set_aside(ref),
    ):
        with pytest.raises(UsageError, match="read-only"):
            change()


# ----------------------------------------------------------------------- network file systems' moods


def test_another_file_system_under_tmp_is_no_obstacle(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def across(source: Path, target: Path) -> None:
        if "/tmp/" in str(source).removeprefix(str(store.root)):
            raise OSError(errno.EXDEV, "cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    ref = store.put_bytes(b"hello")
    store.verify(ref)
    assert len(files_below(store.root / "objects")) == 1
    assert files_below(store.root / "tmp") == {}


@pytest.mark.parametrize("code", [errno.ESTALE, errno.ENOENT])
def test_a_stale_handle_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    rename, calls = os.rename, []

    def stale(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 1:
            raise OSError(code, "stale")
        rename(source, target)

    monkeypatch.setattr(os, "rename", stale)
    store.verify(store.put_bytes(b"hello"))
    assert len(calls) == 2


def test_a_lost_reply_to_a_rename_that_worked_is_a_success(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def lost(source: Path, target: Path) -> None:
        rename(source, target)
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(os, "rename", lost)
    store.verify(store.put_bytes(b"hello"))
