"""A disk that is really full, and a store that cannot be written: said in one line; nothing half-written is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.faults.ground import INLINE, SCALE, apart, looked_at, need, published, said

MOUNTS = ("--mount", "--propagation", "private")


def test_a_disk_that_is_really_full_at_every_write(small, undisturbed_small, tmp_path_factory):
    """A small tmpfs with nothing left, then a page more, and so on: every write is the one that fails, once."""
    flags = need(*MOUNTS, then="mount -t tmpfs -o size=1m none /mnt")
    keep = tmp_path_factory.mktemp("disk")
    setup = f"cp -r . {keep}/study && mount -t tmpfs -o size=2m none {keep} -o nr_inodes=4096 && cp -r {small}/. {keep}"
    step = "3" if SCALE < 2 else "1"
    process = apart(flags, setup, INLINE.with_name("full_disk.py"), str(keep), step)
    text = said(process)
    assert process.returncode == 0, text
    document = json.loads(text)
    codes = [code for code, _ in document["said"]]
    assert codes[-1] == 0
    assert len(codes) > 15
    assert set(codes[:-1]) <= {1, 2}, document["said"]
    assert all("No space left" in words and "Traceback" not in words for _, words in document["said"][:-1])
    assert document["wrong"] == []
    expected = {name: data.decode("latin-1") for name, data in published(undisturbed_small).items()}
    assert document["published"] == expected


READ_ONLY = "mount --bind store store && mount -o remount,bind,ro store"


def stamps(space: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in (space / "store").rglob("*")}


def test_a_finished_study_is_read_from_a_store_that_cannot_be_written(finished, undisturbed_small):
    flags = need(*MOUNTS, then="mount --bind /mnt /mnt && mount -o remount,bind,ro /mnt")
    (finished / "manifests" / "toy" / "summary.md").unlink()
    before = stamps(finished)
    for args in (
        ("run", "toy"),
        ("status", "toy"),
        ("show", "aggregate"),
        ("run", "toy", "--dry-run"),
        ("store", "verify"),
    ):
        process = apart(flags, READ_ONLY, INLINE, *args)
        text = said(process)
        assert process.returncode == 0, text
    assert published(finished) == published(undisturbed_small)
    assert stamps(finished) == before


def test_a_store_that_cannot_be_written_takes_no_new_cell(small, vlmunl_):
    flags = need(*MOUNTS, then="mount --bind /mnt /mnt && mount -o remount,bind,ro /mnt")
    assert vlmunl_("run", "toy", "--only", "data", "--only", "imprint")[0] == 0
    before = stamps(small)
    for args, code in ((("status", "toy"), 4), (("run", "toy"), 1), (("gate", "toy"), 1)):
        process = apart(flags, READ_ONLY, INLINE, *args)
        text = said(process)
        assert (process.returncode, "Traceback" in text) == (code, False), text
        assert code != 1 or "Read-only file system" in text
    assert stamps(small) == before
    assert vlmunl_("run", "toy")[0] == 0


def test_an_import_that_meets_a_full_disk_leaves_nothing_of_it(finished, undisturbed_small, vlmunl_, tmp_path_factory):
    flags = need(*MOUNTS, then="mount -t tmpfs -o size=1m none /mnt")
    there = tmp_path_factory.mktemp("there")
    (there / "store").mkdir()
    shutil.copytree(finished / "base", there / "base")
    bundle = there / "toy.tar"
    assert vlmunl_("store", "export", "toy", "--out", str(bundle))[0] == 0
    for pages in (4, 17, 30):
        setup = f"cd {there} && mount -t tmpfs -o size={pages * 4}k none store"
        process = apart(flags, setup, INLINE, "--workspace", str(there), "store", "import", str(bundle))
        text = said(process)
        assert (process.returncode, "No space left" in text, "Traceback" in text) == (1, True, False), text
        assert not (there / "manifests").exists()
    assert vlmunl_("--workspace", str(there), "store", "import", str(bundle))[0] == 0
    assert not looked_at(there).damages
    assert vlmunl_("--workspace", str(there), "run", "toy")[0] == 0
    assert published(there) == published(undisturbed_small)
