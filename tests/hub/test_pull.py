"""Bringing a published study to another machine: all of it or nothing, and not one byte believed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from publishing import NAME, client, contents, elsewhere, git, put
from server import Hub
from server.faults import rot

from vlmunl.commands.session import Session
from vlmunl.errors import (
    CopyDamaged,
    MissingInput,
    NotOnHub,
    NotSignedIn,
    RemoteConflict,
    SyncError,
    TryLater,
    Unreachable,
    UsageError,
    VlmunlError,
)
from vlmunl.hub.inventory import Inventory, parse
from vlmunl.hub.published import Publication
from vlmunl.hub.pull import Pulled, pull
from vlmunl.store import Store
from vlmunl.workspace import Workspace

pytestmark = pytest.mark.hub
NEEDS_LFS = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed: apt install git-lfs")
Pull = Callable[..., Pulled]


@pytest.fixture
def hub(stocked: Hub) -> Hub:
    """The study is published on it."""
    return stocked


@pytest.fixture
def there(finished: Session, tmp_path: Path) -> tuple[Store, Workspace]:
    return elsewhere(tmp_path / "there", finished)


@pytest.fixture
def get(hub: Hub, there: tuple[Store, Workspace]) -> Pull:
    """Pull to the other machine."""

    def call(revision: str = "main", study: str | None = None, force: bool = False, **more: object) -> Pulled:
        return pull(client(hub, revision, **more), *there, study, quiet, force=force)

    return call


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def kept(there: tuple[Store, Workspace]) -> dict[str, bytes]:
    """All that a machine has, but for what its store will go on with."""
    return {p: d for p, d in contents(there[1].root).items() if not p.startswith("store/tmp/pull-")}


def large(what: Publication) -> str:
    """The SHA-256 of a file that the Hub keeps apart from git."""
    return max((file for file in what.files if file.path.endswith(".parquet")), key=lambda file: file.size).sha256


# ------------------------------------------------------------------------------------------- the way there


def test_a_pulled_study_is_as_on_the_machine_that_published_it(
    hub: Hub, what: Publication, finished: Session, there: tuple[Store, Workspace], get: Pull
) -> None:
    oid = hub.repos[NAME].head
    store, space = there
    done = get(what.tag)
    assert (done.commit, done.study, done.inventory_sha256) == (oid, "small", what.manifest_sha256)
    assert contents(space.manifests) == contents(finished.workspace.manifests)
    assert contents(space.generated("small")) == contents(finished.workspace.generated("small"))
    assert {name.file for name in store.records()} == set(what.inventory.records)
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "claims").iterdir()) == []
    before = kept(there)
    again = get(study="small")
    assert (again.new_objects, again.new_records, again.written) == (0, 0, ())
    assert kept(there) == before


def test_status_tables_and_trace_work_after_it(
    hub: Hub, what: Publication, finished: Session, there: tuple[Store, Workspace], get: Pull, cli
) -> None:
    get()
    here, other = finished.workspace.root, there[1].root
    for command in (("status", "small"), ("trace", "small", "npo.wcr"), ("store", "verify")):
        mine, theirs = cli(here, *command), cli(other, *command)
        assert theirs[0] == mine[0]
        if command[0] != "store":
            assert theirs[1] == mine[1].replace(f"outside the store, {here}/base", "outside the store")
    before = contents(other)
    assert cli(other, "tables", "small")[0] == cli(here, "tables", "small")[0]
    assert contents(other) == before


@NEEDS_LFS
def test_what_git_and_git_lfs_read_is_what_the_inventory_says(hub: Hub, what: Publication, tmp_path: Path) -> None:
    address = hub.url.replace("http://", f"http://lab:{hub.read}@") + "/lab/study"
    git("clone", "--quiet", "--branch", what.tag, address, "clone", where=tmp_path)
    assert "Git LFS fsck OK" in git("lfs", "fsck", where=tmp_path / "clone")
    git("fsck", "--strict", where=tmp_path / "clone")
    folder = tmp_path / "clone" / "small"
    inventory = parse((folder / "vlmunl.json").read_bytes())
    assert len(inventory.files) == len(what.files) - 1
    for entry in inventory.files:
        assert sha256((folder / entry.path).read_bytes()).hexdigest() == entry.sha256


@pytest.mark.slow
def test_it_comes_by_xet_too(xet_hub: Hub, what: Publication, there: tuple[Store, Workspace]) -> None:
    put(xet_hub, what)
    assert not xet_hub.asked("PUT")
    done = pull(client(xet_hub), *there, None, quiet)
    assert done.new_records == len(what.inventory.records)


@pytest.mark.slow
def test_a_long_listing_is_read_to_its_end(hub: Hub, what: Publication, get: Pull) -> None:
    hub.page = 7
    assert get().files == len(what.files) - 1
    assert len(hub.asked("GET", "/tree/")) > 3


def test_all_of_it_is_of_the_commit_that_was_found_first(hub: Hub, what: Publication, get: Pull) -> None:
    oid = hub.repos[NAME].head
    pause = hub.pause("GET", "/resolve/")
    with ThreadPoolExecutor(1) as pool:
        pulling = pool.submit(get)
        assert pause.reached.wait(10)
        other = put(hub, what, summary_md=b"another", records_jsonl=b"another")
        pause.go.set()
        assert pulling.result().commit == oid != other
    assert all(oid in entry.path for entry in hub.asked("GET", "/resolve/"))


def test_the_token_never_reaches_the_storage(hub: Hub, what: Publication, get: Pull) -> None:
    hub.log.clear()
    get()
    stored = [entry for entry in hub.log if entry.storage]
    assert stored
    assert not any(entry.authenticated or hub.read in str(entry.headers) for entry in stored)
    assert not hub.writes()


def test_one_that_was_begun_goes_on_where_it_broke(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull
) -> None:
    sizes = {file.sha256: file.size for file in what.files}
    broken = large(what)
    hub.fail("GET", broken, cut_reply=1000, times=1)
    hub.fail("GET", broken, drop=True, times=8)
    with pytest.raises(SyncError):
        get()
    hub.plan.faults.clear()
    staged = {path.name for path in there[0].root.glob("tmp/pull-*/*") if not path.suffix}
    hub.log.clear()
    done = get()
    rest = hub.asked("GET", broken)
    assert [entry.headers.get("range") for entry in rest if entry.storage] == ["bytes=1000-"]
    assert sum(entry.sent for entry in rest) == sizes[broken] - 1000
    assert not {entry.path.rpartition("/")[2] for entry in hub.asked("GET", "/objects/")} & staged
    assert done.new_records == len(what.inventory.records)


@pytest.mark.slow
def test_two_at_once_on_one_store_both_succeed(hub: Hub, what: Publication, there: tuple[Store, Workspace]) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(pull, client(hub), Store.open(there[0].root), there[1], None, quiet) for _ in range(2)]
        assert sorted(one.result().new_records for one in both) == [0, len(what.inventory.records)]


# ------------------------------------------------------------------------------------------ what is refused


def test_a_rotten_object_is_refused_and_nothing_has_changed(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull
) -> None:
    before = kept(there)
    hub.corrupt(large(what))
    with pytest.raises(CopyDamaged, match=r"benchmark\.parquet"):
        get()
    assert kept(there) == before


def test_a_byte_that_was_lost_on_the_way_once_is_asked_for_again(hub: Hub, what: Publication, get: Pull) -> None:
    fault = hub.fail("GET", "/resolve/.*/study.toml", rewrite=rot)
    assert get().files
    assert fault.happened == 1


@pytest.mark.parametrize("name", ["records.jsonl", "study.toml", "vlmunl.json"])
def test_a_small_file_that_arrives_changed_is_refused(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull, name: str
) -> None:
    before = kept(there)
    hub.fail("GET", f"/resolve/.*/{name}", rewrite=rot, times=9)
    with pytest.raises((CopyDamaged, TryLater)):
        get()
    assert kept(there) == before


def test_a_file_that_the_commit_changed_or_lacks_is_refused(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull
) -> None:
    before = kept(there)
    HfApi(endpoint=hub.url, token=hub.write).delete_file("small/summary.md", NAME)
    with pytest.raises(CopyDamaged, match=r"lacks small/summary\.md"):
        get()
    put(hub, what, records_jsonl=b"{}\n")
    with pytest.raises(CopyDamaged, match=r"records\.jsonl is not the file"):
        get()
    assert kept(there) == before


def test_the_same_size_with_other_bytes_is_refused(hub: Hub, what: Publication, get: Pull) -> None:
    summary = what.by_path["small/summary.md"]
    assert isinstance(summary.source, Path)
    put(hub, what, summary_md=rot(summary.source.read_bytes()))
    with pytest.raises(CopyDamaged, match=r"summary\.md"):
        get()


def test_a_tag_that_names_another_inventory_is_refused(hub: Hub, what: Publication, get: Pull) -> None:
    repo = hub.repos["lab/study"]
    assert repo.git.swap("refs/tags/manifest-0123456789ab", repo.head, "")
    with pytest.raises(CopyDamaged, match="manifest-0123456789ab"):
        get("manifest-0123456789ab")


def _of_another_name(inventory: Inventory) -> Inventory:
    return replace(inventory, study="other")


def _without_an_output(inventory: Inventory) -> Inventory:
    return replace(inventory, files=tuple(e for e in inventory.files if not e.path.endswith("rows.parquet")))


def _with_a_wrong_address(inventory: Inventory) -> Inventory:
    first, *rest = inventory.files
    return replace(inventory, files=(replace(first, xxh3="0" * 32), *rest))


def _with_a_record_less(inventory: Inventory) -> Inventory:
    return replace(inventory, records=inventory.records[1:])


def _that_leads_out(inventory: Inventory) -> Inventory:
    first, *rest = inventory.files
    return replace(inventory, files=(replace(first, path="../../escaped"), *rest))


def _with_two_of_one_name(inventory: Inventory) -> Inventory:
    first, *rest = inventory.files
    return replace(inventory, files=(first, replace(first, path=first.path.upper()), *rest))


@pytest.mark.parametrize(
    "changed",
    [
        _of_another_name,
        _without_an_output,
        _with_a_wrong_address,
        _with_a_record_less,
        _that_leads_out,
        _with_two_of_one_name,
    ],
)
def test_an_inventory_that_lies_is_refused(
    hub: Hub,
    what: Publication,
    there: tuple[Store, Workspace],
    get: Pull,
    changed: Callable[[Inventory], Inventory],
) -> None:
    before = kept(there)
    put(hub, what, vlmunl_json=changed(what.inventory).to_bytes())
    with pytest.raises(CopyDamaged):
        get()
    assert kept(there) == before
    assert not (there[1].root.parent / "escaped").exists()


def test_a_listing_with_paths_that_lead_out_changes_nothing(hub: Hub, what: Publication, get: Pull, there) -> None:
    odd = [{"type": "file", "oid": "0" * 40, "size": 1, "path": p} for p in ("../x", "/etc/x", "small/../../x")]
    hub.fail("GET", "/tree/", rewrite=lambda body: json.dumps([*odd, *json.loads(body)]).encode())
    assert get().files
    assert not (there[1].root.parent / "x").exists()


def test_files_here_that_say_something_else_stay_unless_forced(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull, finished: Session
) -> None:
    space = there[1]
    (space.manifests / "small.toml").write_text("mine")
    (space.generated("small") / "numbers.tex").mkdir(parents=True)
    before = kept(there)
    with pytest.raises(RemoteConflict, match=r"numbers\.tex, manifests/small\.toml") as refused:
        get()
    assert "--force" in refused.value.hint
    assert kept(there) == before
    assert len(get(force=True).written) > 2
    assert contents(space.manifests) == contents(finished.workspace.manifests)
    assert (space.generated("small") / "numbers.tex").is_file()


# --------------------------------------------------------------------------- a Hub that is not as it should be


def test_nothing_that_lies_here_stands_in_for_the_hub(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull
) -> None:
    get()
    before = kept(there)
    fault = hub.fail("GET", "/api/models/", times=100, status=503)
    with pytest.raises(TryLater):
        get()
    assert fault.happened > 1
    hub.plan.faults.clear()
    hub.repos.clear()
    with pytest.raises(NotOnHub):
        get()
    assert kept(there) == before


@pytest.mark.parametrize("where", ["/api/models/lab/study/revision/", "/tree/", "/resolve/", "/objects/"])
def test_a_hub_that_never_answers_is_given_up(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull, where: str
) -> None:
    before = kept(there)
    hub.fail("GET", where, stall=30, times=100)
    began = time.monotonic()
    with pytest.raises((TryLater, Unreachable)):
        get(timeout=0.3)
    assert time.monotonic() - began < 10
    assert kept(there) == before


@pytest.mark.slow
@pytest.mark.parametrize("effect", [{"status": 503}, {"status": 500}, {"drop": True}, {"lose_reply": True}])
@pytest.mark.parametrize("where", ["/api/models/lab/study/revision/", "/tree/", "/resolve/", "/objects/"])
def test_what_fails_for_a_moment_is_tried_again(
    hub: Hub, what: Publication, get: Pull, where: str, effect: dict[str, object]
) -> None:
    fault = hub.fail("GET", where, **effect)
    assert get().files
    assert fault.happened == 1


def test_who_may_not_see_it_is_told_so_at_once(hub: Hub, what: Publication, get: Pull) -> None:
    with pytest.raises(NotOnHub):
        get(token=hub.stranger)
    with pytest.raises(NotSignedIn):
        get(token="hf_" + "x" * 30)
    with pytest.raises(NotOnHub):
        get("never")
    with pytest.raises(NotOnHub, match="small"):
        get(study="other")
    assert len(hub.asked("GET", "/api/models/")) <= 8


@pytest.mark.slow
def test_of_several_studies_one_is_to_be_named(hub: Hub, what: Publication, get: Pull) -> None:
    put(hub, what, other={"other/vlmunl.json": b"{}"})
    with pytest.raises(UsageError, match="other, small"):
        get()
    assert get(study="small").study == "small"


def test_a_repository_without_a_study_says_so(hub: Hub, get: Pull) -> None:
    hub.repos.clear()
    shutil.rmtree(hub.place / "git")
    hub.create(NAME, files={"a.txt": b"a"}, private=True)
    with pytest.raises(NotOnHub, match="no study"):
        get()


def test_a_disk_without_room_is_met_before_anything_comes(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(there)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("vlmunl.hub.arrive.shutil.disk_usage", lambda place: usage)
    with pytest.raises(MissingInput, match="are to come"):
        get()
    assert kept(there) == before


def test_a_workspace_that_cannot_be_written_stays_as_it_was(
    hub: Hub, what: Publication, there: tuple[Store, Workspace], get: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vlmunl.hub.pull as room

    copy, calls = room._copy, []

    def full(source: Path, target: Path, digest: object) -> None:
        calls.append(target)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        copy(source, target, digest)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "_copy", full)
    with pytest.raises(VlmunlError, match="No space left"):
        get()
    assert contents(there[1].manifests) == {}
    assert contents(there[1].root / "latex") == {}
    monkeypatch.setattr(room, "_copy", copy)
    assert get().written
