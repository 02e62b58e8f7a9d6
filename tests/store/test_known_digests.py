"""A large file is hashed once, until it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlmunl.keys import digest_bytes
from vlmunl.store import known_digests
from vlmunl.store.known_digests import known_digest


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, and old enough to be remembered."""
    monkeypatch.setenv("VLMUNL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(known_digests, "LARGE", 4)
    monkeypatch.setattr(known_digests, "_SETTLED", -1e9)
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    return path


def _count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []
    real = known_digests.digest_file
    monkeypatch.setattr(known_digests, "digest_file", lambda path: read.append(path) or real(path))  # type: ignore[func-returns-value]
    return read


def test_the_second_time_nothing_is_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = _count_reads(monkeypatch)
    assert known_digest(large) == known_digest(large) == digest_bytes(b"weights")
    assert len(read) == 1


def test_a_changed_file_is_hashed_again_even_when_its_time_is_set_back(large: Path) -> None:
    before = os.stat(large)
    known_digest(large)
    large.write_bytes(b"WEIGHTS")
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known_digest(large) == digest_bytes(b"WEIGHTS")


def test_a_file_that_was_just_written_is_not_remembered(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_digests, "_SETTLED", 3.0)
    read = _count_reads(monkeypatch)
    known_digest(large)
    known_digest(large)
    assert len(read) == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"size":7,"sha256":"0","xxh3":"0"}'])
def test_a_damaged_memory_counts_as_none(large: Path, data: bytes) -> None:
    known_digest(large)
    (place,) = (known_digests.cache_folder() / "digests").iterdir()
    place.chmod(0o600)
    place.write_bytes(data)
    assert known_digest(large) == digest_bytes(b"weights")


def test_without_a_folder_to_write_files_are_hashed(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VLMUNL_CACHE", str(tmp_path / "file" / "below"))
    assert known_digest(large) == digest_bytes(b"weights")
