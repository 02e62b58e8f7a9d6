"""Exports that were cut, altered or made with ill will: each is refused in one line, and nothing of it is kept."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

import vlmunl.store.bundle_write as writer
from tests.store.bundle_case import export, fill, state, take
from vlmunl.errors import StoreDamaged, UsageError, VlmunlError
from vlmunl.store import Store
from vlmunl.store.bundle import BLOCK, END, HEAD, header, padded, parse_sums
from vlmunl.store.bundle_write import Export, Member


@pytest.fixture
def filled(tmp_path):
    return fill(tmp_path / "store", tmp_path / "folder")


def refused(data: bytes, tmp_path: Path) -> VlmunlError:
    """Import it into a store that holds something; it must be refused and the store stay as it is."""
    (tmp_path / "bad.tar").write_bytes(data)
    there = Store.open(tmp_path / "there")
    there.put_bytes(b"here before")
    before = state(there.root)
    with pytest.raises((StoreDamaged, UsageError)) as caught:
        take(tmp_path / "bad.tar", there.root)
    assert "\n" not in str(caught.value)
    assert state(there.root) == before
    assert list((there.root / "tmp").iterdir()) == []
    return caught.value


def test_any_cut_and_any_flipped_bit_is_refused(filled, tmp_path):
    store, records = filled
    data = export(store, records, tmp_path / "x.tar").read_bytes()
    for at in range(0, len(data), 509):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        refused(bytes(flipped), tmp_path)
        assert refused(data[:at], tmp_path).exit_code == (5 if at > len(HEAD) else 2)
    for tail in (b"\0", END, b"x" * BLOCK):
        assert refused(data + tail, tmp_path).exit_code == 5


@pytest.mark.parametrize("data", [b"", b"\0" * 10240, b"PK\3\4", b"\x1f\x8b" + bytes(600), b"(\xb5/\xfd" + bytes(600)])
def test_what_is_no_export_is_named_so(data, tmp_path):
    assert refused(data, tmp_path).exit_code == 2


def crafted(members: list[tuple[str, bytes]]) -> bytes:
    """An export with consistent sums and headers around members of any name."""
    made = [
        Member(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data), source=data)
        for path, data in members
    ]
    export = Export(members=(*writer._front(made, {}), *made), objects=0, records=0)
    return b"".join(bytes(chunk) for chunk in writer._stream(export))


HASH = "ab" * 16


@pytest.mark.parametrize(
    "names",
    [
        ["/etc/passwd"],
        ["../../outside"],
        ["manifests/../../x.toml"],
        ["manifests/.hidden.toml"],
        ["objects/ab/" + HASH + "/x"],
        ["objects/cd/" + HASH],
        ["objects/ab/" + HASH[:-1] + "G"],
        ["records/ab/" + HASH + ".fine.0123456789abcdef.json"],
        ["LAYOUT.json"],
        ["manifests/a.toml", "manifests/a.toml"],
        ["manifests/b.toml", "manifests/a.toml"],
        ["manifests/a.toml\nmanifests/b.toml"],
    ],
)
def test_tricks_with_names_are_refused(names, tmp_path):
    assert refused(crafted([(name, b"x") for name in names]), tmp_path).exit_code == 5


def test_headers_that_are_not_plain_files_are_refused(filled, tmp_path):
    store, records = filled
    data = export(store, records, tmp_path / "x.tar").read_bytes()
    at = data.index(b"manifests/toy.toml\0")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
        info = tarfile.TarInfo.frombuf(data[at : at + BLOCK], "ascii", "strict")
        info.type, info.linkname = kind, "/etc/passwd"
        block = info.tobuf(tarfile.USTAR_FORMAT if kind != tarfile.GNUTYPE_SPARSE else tarfile.GNU_FORMAT)
        assert refused(data[:at] + block + data[at + BLOCK :], tmp_path).exit_code == 5
    for size in (1 << 33, 1 << 62, (1 << 88) - 1):
        huge = data[:at] + header("manifests/toy.toml", size) + data[at + BLOCK :]
        assert "claims" in str(refused(huge, tmp_path))


def test_content_that_contradicts_itself_or_the_store_is_refused(filled, tmp_path):
    store, (_, second, _) = filled
    name = f"records/{second.key[:2]}/{second.name.file}"
    text = (store.root / name).read_bytes()
    assert "is not in it" in str(refused(crafted([(name, text)]), tmp_path))
    assert "damaged" in str(refused(crafted([(name, text.replace(b"second", b"zecond"))]), tmp_path))
    assert "does not have its address" in str(refused(crafted([("objects/ab/" + HASH, b"x")]), tmp_path))
    mine = tmp_path / "there" / "objects" / "ab" / HASH  # as if xxh3 had been broken: one address, two contents
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(b"y")
    assert refused(crafted([("objects/ab/" + HASH, b"x")]), tmp_path).exit_code == 5


def test_sums_name_each_member_once():
    head = "0" * 64 + f"  {HEAD}\n"
    assert parse_sums(head) == ("0" * 64, [])
    for text in ("", "x", head + "short\n", head[:-1], "0" * 64 + "  manifests/a.toml\n"):
        with pytest.raises(ValueError, match="sums"):
            parse_sums(text)
    assert padded(1) == BLOCK
