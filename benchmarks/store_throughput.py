"""How fast does the store take and check files, beside the speed of the hashes themselves?

Every size is hashed by xxh3 alone, by sha256 alone and by both in one pass; then the files are put into a fresh
store, put again (known), verified and checked out. All from the page cache, in turn.

Usage:  python benchmarks/store_throughput.py [--large-mib 256] [--small 2000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import report
import workspace

from vlmunl.keys import address_of, digest_file, read_chunks
from vlmunl.store import Ref, Store
from vlmunl.store.rehash import Rehash

PLACE = workspace.BUILD / "throughput"


def files_of(kind: str, count: int, size: int) -> list[Path]:
    """`count` different files of `size` bytes each."""
    folder = PLACE / kind
    folder.mkdir(parents=True)
    paths = [folder / f"{i}" for i in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(min(size, 1 << 20)) * max(1, size >> 20))
    return paths


def sha256_of(path: Path) -> None:
    """sha256 alone, from the same chunks."""
    strong = hashlib.sha256()
    for chunk in read_chunks(path):
        strong.update(chunk)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def full_check(store: Store, refs: Sequence[Ref], jobs: int) -> None:
    """What `vlmunl store verify` does with objects: both hashes from one pass over the bytes."""
    files = {ref.xxh3: store.path(ref) for ref in refs}
    assert not Rehash("full", jobs).problems(files, {ref.xxh3: {ref} for ref in refs}), "nothing is damaged"


def once(files: Sequence[Path]) -> dict[str, float]:
    """Every kind of work on the files, in seconds."""
    store = Store.open(PLACE / "store")
    refs: list[Ref] = []
    found = {
        "xxh3-128": seconds(lambda: [address_of(read_chunks(path)) for path in files]),
        "sha256": seconds(lambda: [sha256_of(path) for path in files]),
        "both in one pass": seconds(lambda: [digest_file(path) for path in files]),
        "put, new": seconds(lambda: refs.extend(store.put_file(path) for path in files)),
        "put, known": seconds(lambda: [store.put_file(path) for path in files]),
        "re-check, xxh3 alone": seconds(lambda: [store.verify(ref) for ref in refs]),
        "verify, both hashes, 1 thread": seconds(lambda: full_check(store, refs, 1)),
        "verify, both hashes, 2 threads": seconds(lambda: full_check(store, refs, 2)),
        "check out": seconds(lambda: [store.checkout(ref, PLACE / "out" / ref.xxh3) for ref in refs]),
        "plain copy": seconds(lambda: [shutil.copyfile(path, PLACE / "out" / path.name) for path in files]),
    }
    for name in ("store", "out"):
        shutil.rmtree(PLACE / name)
    return found


def rows_of(files: Sequence[Path], repeats: int) -> list[list[str]]:
    """Median speed of each kind of work, and its time relative to both hashes in one pass."""
    runs = [once(files) for _ in range(repeats)]
    total = sum(path.stat().st_size for path in files) / 2**20
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    hashing = medians["both in one pass"]
    return [
        [name, f"{total / taken:,.0f}", f"{1e3 * taken / len(files):.2f}", f"{taken / hashing:.2f}"]
        for name, taken in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large-mib", type=int, default=256)
    parser.add_argument("--small", type=int, default=2000, help="number of small files of 16 KiB")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    shutil.rmtree(PLACE, ignore_errors=True)
    head = ["work", "MiB/s", "ms per file", "time / both hashes"]
    large = rows_of(files_of("large", 1, options.large_mib << 20), options.repeats)
    small = rows_of(files_of("small", options.small, 16 << 10), options.repeats)
    shutil.rmtree(PLACE)
    text = f"{report.machine()}. Medians of {options.repeats}, from the page cache.\n\n"
    text += f"One file of {options.large_mib} MiB:\n\n{report.table(head, large)}\n\n"
    text += f"{options.small:,} files of 16 KiB:\n\n{report.table(head, small)}"
    report.write("store_throughput", "What the store adds to the hash", text)


if __name__ == "__main__":
    main()
