"""What of a study is published: everything its evidence rests on, and nothing else, under names that are safe."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pushing import moved, published

from vlmunl.commands.session import Session
from vlmunl.errors import Incomplete, StoreDamaged, StudyError, VlmunlError
from vlmunl.hub import inventory as inv
from vlmunl.hub.packed import public, unpack_records, unpack_small
from vlmunl.hub.paths import check_together, checked_path, own_file
from vlmunl.hub.published import Publication, publication
from vlmunl.keys import digest_bytes, digest_file
from vlmunl.manifests.states import Board
from vlmunl.store import Ref
from vlmunl.store.records import dump, parse


@pytest.fixture
def study(finished: Session, tmp_path: Path) -> Session:
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return moved(finished, tmp_path / "space")


def data_of(what: Publication, path: str) -> bytes:
    source = what.by_path[path].source
    return source if isinstance(source, bytes) else source.read_bytes()


def test_each_file_is_what_is_said_of_it(finished: Session) -> None:
    what = published(finished)
    for file in what.files:
        found = digest_bytes(file.source) if isinstance(file.source, bytes) else digest_file(file.source)
        assert found == file.digest
        assert file.path.startswith("small/")
    listed = {f"small/{entry.path}": entry.digest for entry in what.inventory.files}
    assert listed == {file.path: file.digest for file in what.files if file.kind != "inventory"}


def test_a_store_can_be_rebuilt_from_it(finished: Session) -> None:
    """Every object, tree and record of every cell that has a result is there, with its address."""
    what = published(finished)
    inventory = inv.parse(data_of(what, "small/vlmunl.json"))
    assert inventory == what.inventory
    records = {r.name.file: r for r in unpack_records(data_of(what, "small/records.jsonl"), "records")}
    assert sorted(records) == list(inventory.records)
    small = list(unpack_small(data_of(what, "small/outputs.jsonl"), "outputs"))
    addresses = {entry.xxh3 for entry in inventory.files} | {s.digest.xxh3 for s in small}
    trees = {tree.ref: inventory.listing(tree) for tree in inventory.trees}
    assert all(Ref.of(digest_bytes(listing), "tree") == ref for ref, listing in trees.items())
    board = Board(finished.plan, finished.store)
    done = [state.record for state in board.states.values() if state.done]
    assert len(done) > 20
    for record in done:
        assert record is not None
        assert records[record.name.file].name == record.name
        for ref in record.outputs.values():
            assert ref in trees if ref.kind == "tree" else ref.xxh3 in addresses
            if ref.kind == "tree":
                assert {entry.xxh3 for entry in finished.store.tree(ref)} <= addresses


def test_what_is_not_evidence_is_named_and_not_published(finished: Session) -> None:
    what = published(finished)
    manifest = json.loads(data_of(what, "small/run_manifest.json"))
    without = {cell["cell"] for cell in manifest["cells"] if cell["record"] is None}
    assert without
    text = data_of(what, "small/records.jsonl")
    cells = {json.loads(line)["cell"] for line in text.splitlines()}
    assert cells.isdisjoint(without)
    assert {"aggregate", "tables"} <= cells


def test_nothing_else_that_lies_about_comes_along(study: Session) -> None:
    before = published(study)
    root = study.workspace.root
    for place in ("store/tmp", "store/quarantine", "store/claims", "store/objects/00", "manifests/small", ".cache"):
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / "stray.json").write_text("{}")
    generated = study.workspace.generated("small")
    (generated / "stray.tex").write_text("x")
    after = published(study)
    assert after.files == before.files
    assert not [file.path for file in after.files if "stray" in file.path]


def test_records_are_published_without_who_and_where(finished: Session) -> None:
    private = {
        "host": "node17",
        "user": "alice",
        "external": {"base": "/home/alice/m"},
        "slurm_job": "9",
        "wall_s": 1.5,
    }
    board = Board(finished.plan, finished.store)
    record = board["imprint/imprint/seed0"].record
    assert record is not None
    open_one = public(replace(record, env={**record.env, **private}))
    assert open_one.env["external"] == {"base": ""}
    assert open_one.env["wall_s"] == 1.5
    assert open_one.env.keys().isdisjoint({"host", "user", "slurm_job"})
    name, data = dump(open_one)
    assert name == record.name, "the name depends on the result alone"
    assert parse(data, name, "here") == open_one
    text = data_of(published(finished), "small/records.jsonl")
    for secret in (str(finished.workspace.root), *(str(record.env[key]) for key in ("host",))):
        assert f'"{secret}'.encode() not in text


def test_equal_evidence_gives_equal_bytes(finished: Session, study: Session) -> None:
    one, other = published(finished), published(study)
    assert [(f.path, f.digest, f.git_sha1) for f in one.files] == [(f.path, f.digest, f.git_sha1) for f in other.files]
    assert one.tag == other.tag == f"manifest-{one.manifest_sha256[:12]}"


def test_data_that_is_not_ours_is_withheld_with_its_record(finished: Session) -> None:
    plan = finished.plan
    section = replace(plan.study.benchmark, id="folder")
    theirs = replace(plan, study=replace(plan.study, benchmark=section))
    what = publication(theirs, Board(plan, finished.store), finished.store, finished.workspace)
    [kept] = what.inventory.withheld
    assert (kept.cell, kept.output) == ("data", "benchmark")
    assert kept.ref.xxh3 not in {file.xxh3 for file in what.files}
    assert b'"cell":"data"' not in data_of(what, "small/records.jsonl")
    assert kept.ref.xxh3 in {file.xxh3 for file in published(finished).files} or kept.ref.size < 65536


def test_without_results_there_is_nothing_to_publish(study: Session) -> None:
    board = Board(study.plan, study.store, forced=["aggregate"])
    with pytest.raises(Incomplete, match="not aggregated"):
        publication(study.plan, board, study.store, study.workspace)


def test_a_study_file_that_changed_is_not_published(study: Session) -> None:
    board = Board(study.plan, study.store)
    changed = replace(study.plan.study, sha256="0" * 64)
    with pytest.raises(VlmunlError, match="changed just now"):
        publication(replace(study.plan, study=changed), board, study.store, study.workspace)


# --------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/abs",
            "~/x",
            "a/../b",
            "..",
            "a//b",
            "./a",
            "",
            "a\\b",
            "a\nb",
            "a/.git/config",
            ".cache/x",
            "a/__pycache__/b",
        ),
        *("tmp/x", "a/TMP/b", "a/Staging/b", "x.partial", "a.lock/b", "a/b.LOCK", "e\u0301", "x" * 300),
    ],
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(StudyError, match="cannot be published"):
        checked_path(path)


@pytest.mark.parametrize("path", ["a/b.json", "tmpl/x", "a b/#c.tex", "\u00e9.txt", "a/.gitattributes", "locks/x"])
def test_paths_that_are_not(path: str) -> None:
    assert checked_path(path) == path


@pytest.mark.parametrize(
    "paths", [["a/x", "a/X"], ["A/x", "a/y"], ["a", "a/b"], ["a/b/c", "A/d"], ["\u00e9", "\u00c9"], ["b", "B/c"]]
)
def test_paths_that_cannot_lie_together(paths: list[str]) -> None:
    with pytest.raises(StudyError):
        check_together(paths)
    check_together(["a/x", "a/y", "b/a/x", "ab"])


def test_links_and_what_lies_outside_are_refused(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "secret"
    store.mkdir()
    outside.mkdir()
    (outside / "file").write_text("x")
    (store / "link").symlink_to(outside / "file")
    (store / "folder").symlink_to(outside)
    (store / "good").write_text("x")
    for path in (
        store / "link",
        store / "folder" / "file",
        outside / "file",
        store / "none",
        store / ".." / "secret" / "file",
    ):
        with pytest.raises(VlmunlError, match="cannot be published"):
            own_file(path, store)
    assert own_file(store / "good", store) == store / "good"


def test_a_link_in_the_store_is_refused(study: Session, tmp_path: Path) -> None:
    victim = next(f for f in published(study).files if isinstance(f.source, Path) and f.kind == "object")
    assert isinstance(victim.source, Path)
    victim.source.rename(tmp_path / "moved")
    victim.source.symlink_to(tmp_path / "moved")
    with pytest.raises(VlmunlError):
        published(study)


# ----------------------------------------------------------------------------------------- inventory


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema": 1', '"schema": 9'),
        ('"path": "summary.md"', '"path": "../summary.md"'),
        ('"path": "summary.md"', '"path": "Study.toml"'),
        ('"kind": "summary"', '"kind": "virus"'),
        ('"name": "small"', '"name": "../small"'),
        ('"main.tex":', '"../main.tex":'),
        ('"main.tex": "latex/main.tex"', '"main.tex": "latex/main.md"'),
        ('"main.tex": "latex/main.tex"', '"main.tex": "nowhere"'),
        ('"records": [', '"records": [7,'),
    ],
)
def test_an_inventory_that_was_tampered_with_is_refused(finished: Session, old: str, new: str) -> None:
    text = data_of(published(finished), "small/vlmunl.json").decode()
    assert text.count(old) >= 1, old
    with pytest.raises(StoreDamaged, match="not an inventory"):
        inv.parse(text.replace(old, new).encode())
    for junk in (b"", b"{}", b"[]", b"null", b"\xff", b'{"schema": 1}', text.encode()[:-40]):
        with pytest.raises(StoreDamaged):
            inv.parse(junk)


@pytest.mark.parametrize("line", [b"{}", b"null", b"x", b'{"cell":1,"output":"","text":""}', b"\xff", b"NaN"])
def test_packs_that_are_none_are_refused(line: bytes) -> None:
    for unpack in (unpack_records, unpack_small):
        with pytest.raises(StoreDamaged, match="line 1"):
            list(unpack(line + b"\n", "pack"))
