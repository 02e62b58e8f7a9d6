"""Trees and references: equal content, equal address, and no way out of the tree."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmunl.errors import MissingInput, StoreDamaged, VlmunlError
from vlmunl.keys import digest_bytes
from vlmunl.store import Ref, Store, TreeEntry, tree_ref_of_directory
from vlmunl.store import tree as trees


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


FILES = {"b.txt": "two", "a/x.json": "{}", "a/deep/y": "", "a.b": "1"}


def test_a_tree_round_trip(store: Store, tmp_path: Path) -> None:
    ref = store.put_tree(folder(tmp_path / "in", FILES))
    assert ref.kind == "tree"
    assert [e.path for e in store.tree(ref)] == sorted(FILES)
    out = store.checkout(ref, tmp_path / "out")
    assert files_below(out) == {n: t.encode() for n, t in FILES.items()}
    assert tree_ref_of_directory(tmp_path / "in") == ref == store.put_tree(out)
    assert store.has(ref)
    store.verify(ref)


def test_a_tree_address_follows_names_and_content_alone(store: Store, tmp_path: Path) -> None:
    ref = store.put_tree(folder(tmp_path / "one", FILES))
    two = folder(tmp_path / "two", dict(reversed(FILES.items())))
    (two / "empty").mkdir()
    os.utime(two / "b.txt", (0, 0))
    (two / "b.txt").chmod(0o755)
    assert store.put_tree(two) == ref
    renamed = folder(tmp_path / "three", FILES)
    (renamed / "b.txt").rename(renamed / "c.txt")
    assert store.put_tree(renamed) != ref


def test_an_outside_directory_is_addressed_without_its_download_bookkeeping(tmp_path: Path) -> None:
    ref = tree_ref_of_directory(folder(tmp_path / "m", FILES))
    folder(tmp_path / "m", {".cache/huggingface/x": "etag", ".git/HEAD": "ref"})
    assert tree_ref_of_directory(tmp_path / "m") == ref


@pytest.mark.parametrize("which", ["listing", "file"])
def test_a_damaged_tree_is_noticed_and_set_aside(store: Store, tmp_path: Path, which: str) -> None:
    source = folder(tmp_path / "in", FILES)
    ref = store.put_tree(source)
    entry = store.tree(ref)[-1].ref
    broken = Ref(xxh3=ref.xxh3, sha256=ref.sha256, size=ref.size) if which == "listing" else entry
    path = alter(store, broken, b"x" * broken.size)
    with pytest.raises(StoreDamaged, match=str(path)):
        store.verify(ref)
    again = Store.open(store.root)
    with pytest.raises(StoreDamaged, match=str(path)):
        again.checkout(ref, tmp_path / "out")
    again.set_aside(ref)
    assert not again.has(ref)
    assert again.put_tree(source) == ref
    again.verify(ref)


def test_a_tree_cannot_hold_special_files(store: Store, tmp_path: Path) -> None:
    bad = folder(tmp_path / "in", FILES)
    (bad / "link").symlink_to("a")
    with pytest.raises(VlmunlError, match="neither a file nor a folder"):
        store.put_tree(bad)
    (bad / "link").unlink()
    (bad / "link").symlink_to("nowhere")
    with pytest.raises(MissingInput, match="link"):
        store.put_tree(bad)
    (bad / "link").unlink()
    (bad / "line\nbreak").write_text("")
    with pytest.raises(VlmunlError, match="not plain Unicode"):
        store.put_tree(bad)


@pytest.mark.parametrize("path", ["../up", "/abs", "a//b", "a/./b", "", "a\0b", "a/..", 3])
def test_a_listing_cannot_lead_out_of_its_tree(path: object) -> None:
    ref = Ref.of(digest_bytes(b""))
    row = {"path": path, "xxh3": ref.xxh3, "sha256": ref.sha256, "size": 0}
    listing = trees.encode([TreeEntry(path="ok", xxh3=ref.xxh3, sha256=ref.sha256, size=0)])
    assert trees.decode(listing)[0].path == "ok"
    with pytest.raises(ValueError, match="bad path"):
        trees.decode(json.dumps({"t": "tree/1", "entries": [row]}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"t":"tree/2","entries":[]}', b'{"t":"tree/1"}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_listing_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        trees.decode(data)


def test_empty_listing_golden_vector() -> None:
    assert digest_bytes(trees.encode([])).xxh3 == "c01ed46f731c76c5b705e145a5cdd1bc"


# --------------------------------------------------------------------------------------- references


@given(st.binary(max_size=9), st.sampled_from(["blob", "tree"]))
@settings(max_examples=30, deadline=None)
def test_a_reference_round_trip(data: bytes, kind: str) -> None:
    ref = Ref.of(digest_bytes(data), "tree" if kind == "tree" else "blob")
    assert Ref.from_json(ref.to_json()) == ref


@pytest.mark.parametrize(
    "change",
    [{"xxh3": "../../etc/passwd"}, {"xxh3": "A" * 32}, {"sha256": "0"}, {"size": -1}, {"size": True}, {"kind": "x"}],
)
def test_a_malformed_reference_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"xxh3|sha256|size|kind"):
        Ref.from_json(Ref.of(digest_bytes(b"")).to_json() | change)
    with pytest.raises(ValueError, match="exactly the keys"):
        Ref.from_json(Ref.of(digest_bytes(b"")).to_json() | {"more": 1})
