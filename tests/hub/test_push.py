"""`sync`: what a push sends, what it never does, and that doing it again does nothing."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pushing import NAME, client, is_there, moved, paper_of, published, push, tags, there, titles
from server import Hub

from vlmunl.commands.session import Session
from vlmunl.errors import CopyDamaged, RemoteConflict, SecretFound, UsageError
from vlmunl.hub import receipts
from vlmunl.hub.preflight import Wishes

pytestmark = pytest.mark.hub


@pytest.fixture
def study(finished: Session, tmp_path: Path) -> Session:
    """The finished study in a workspace of its own."""
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return moved(finished, tmp_path / "space")


def test_everything_arrives_in_one_commit_and_gets_its_tag(hub: Hub, study: Session) -> None:
    what = published(study)
    outcome = push(hub, study)
    assert outcome.commit == hub.repos[NAME].head
    assert is_there(hub, what)
    assert set(there(hub)) == {file.path for file in what.files} | {"README.md", ".gitattributes"}
    assert [title for title in titles(hub) if title.startswith("vlmunl sync: +")] == titles(hub)[:1]
    assert tags(hub) == {what.tag: outcome.commit}
    receipt = receipts.read(study.store.root, NAME, "main", "small")
    assert receipt is not None
    assert (receipt.commit, receipt.tag, receipt.files) == (outcome.commit, what.tag, len(what.files))
    message = hub.repos[NAME].git.history(outcome.commit)[0]["message"]
    assert f"manifest-sha256: {what.manifest_sha256}" in str(message)


def test_a_second_push_sends_nothing_and_commits_nothing(hub: Hub, study: Session) -> None:
    first = push(hub, study)
    asked = len(hub.log)
    second = push(hub, study)
    assert second.changes.is_empty
    assert not second.made_commit
    assert second.commit == first.commit
    assert [(e.method, e.path) for e in hub.log[asked:] if e.method not in ("GET", "HEAD")] == []


def test_a_dry_run_writes_nothing_neither_there_nor_here(hub: Hub, study: Session) -> None:
    before = sorted(study.store.root.rglob("*"))
    absent = push(hub, study, dry_run=True)
    assert not absent.exists
    assert len(absent.changes.add) == len(published(study).files) + 1
    hub.create(NAME)
    there_already = push(hub, study, dry_run=True, wishes=Wishes())
    assert there_already.commit is None
    assert len(there_already.changes.add) == len(absent.changes.add)
    assert hub.writes() == []
    assert {e.method for e in hub.log} <= {"GET", "HEAD"}
    assert sorted(study.store.root.rglob("*")) == before


def test_a_paper_of_other_tables_stays_at_home(study: Session) -> None:
    paper, table = paper_of(study), study.workspace.generated("small") / "main.tex"
    paper.write_bytes(b"%PDF-1.5\0of these tables")
    listed = f'  "generated/small/main.tex" 1 2 {hashlib.md5(table.read_bytes()).hexdigest()} ""\n'
    paper.with_suffix(".fdb_latexmk").write_text(listed)
    assert "small/latex/paper.pdf" in published(study).by_path
    table.write_bytes(table.read_bytes() + b"% another\n")
    left = published(study)
    assert "small/latex/paper.pdf" not in left.by_path
    assert left.outdated == {"latex/build/paper.pdf": "latex/generated/small/main.tex is not what it was made from"}


@pytest.mark.slow
def test_only_what_changed_is_sent_and_only_a_prune_deletes(hub: Hub, study: Session) -> None:
    push(hub, study)
    paper = paper_of(study)
    paper.write_bytes(b"%PDF-1.5\0first")
    with_paper = push(hub, study)
    assert {f.path for f in with_paper.changes.send} == {"small/latex/paper.pdf", "small/vlmunl.json"}
    assert len(tags(hub)) == 2
    paper.unlink()
    assert push(hub, study).changes.delete == ()
    assert "small/latex/paper.pdf" in there(hub)
    pruned = push(hub, study, prune=True)
    assert pruned.changes.delete == ("small/latex/paper.pdf",)
    assert "small/latex/paper.pdf" not in there(hub)
    assert is_there(hub, published(study))


@pytest.mark.slow
def test_a_new_repository_is_private_and_no_existing_one_is_changed_unasked(hub: Hub, study: Session) -> None:
    push(hub, study)
    assert hub.repos[NAME].private
    with pytest.raises(UsageError, match="is private, not public"):
        push(hub, study, wishes=Wishes(private=False))
    assert hub.repos[NAME].private
    push(hub, study, wishes=Wishes(private=False, set_visibility=True))
    assert not hub.repos[NAME].private
    push(hub, study)
    assert not hub.repos[NAME].private
    assert len(hub.asked("PUT", "/settings")) == 1


@pytest.mark.slow
def test_two_studies_lie_side_by_side_and_the_card_speaks_of_both(hub: Hub, study: Session) -> None:
    other = other_study(study)
    push(hub, study)
    push(hub, other)
    tree = there(hub)
    assert {"small/vlmunl.json", "other/vlmunl.json", "small/README.md", "other/README.md"} <= set(tree)
    card = hub.repos[NAME].git.read(hub.repos[NAME].head, "README.md").decode()
    assert "(other/README.md)" in card
    assert "(small/README.md)" in card
    for session in (study, other):
        assert push(hub, session).changes.is_empty


def other_study(study: Session) -> Session:
    """The same study by another name. Its numbers are those of the first: what is tested is where they go."""
    from vlmunl.manifests.load import load_study

    root = study.workspace.root
    text = (root / "manifests" / "small.toml").read_text().replace('"small"', '"other"')
    (root / "manifests" / "other.toml").write_text(text)
    from tests.trail.conftest import settle

    assert load_study(root / "manifests" / "other.toml").name == "other"
    return settle(root, "other")


@pytest.mark.slow
def test_concurrent_pushes_lose_nothing(hub: Hub, study: Session, tmp_path: Path) -> None:
    """Two stores with the same study, which overlap in all, and another study, which overlaps in the card alone."""
    hub.create(NAME)
    other = other_study(study)
    shutil.copytree(study.workspace.root, tmp_path / "second")
    sessions = [study, other, moved(study, tmp_path / "second"), moved(other, tmp_path / "second")]
    ready = [published(session) for session in sessions]
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda pair: push(hub, pair[0], pair[1], client(hub, retries=20)), zip(sessions, ready, strict=True)
            )
        )
    assert all(outcome.commit for outcome in done)
    assert is_there(hub, ready[0])
    assert is_there(hub, ready[1])
    assert set(tags(hub)) == {ready[0].tag, ready[1].tag}
    for session in sessions:
        assert push(hub, session).changes.is_empty


def test_somebody_elses_file_is_not_replaced_unless_that_is_said(hub: Hub, study: Session) -> None:
    hub.create(NAME, files={"README.md": b"---\nlicense: mit\n---\n\nmine\n", "small/summary.md": b"mine\n"})
    head = hub.repos[NAME].head
    with pytest.raises(RemoteConflict, match=r"README\.md.*small/summary\.md"):
        push(hub, study)
    assert hub.repos[NAME].head == head
    with pytest.raises(RemoteConflict, match=r"small/summary\.md"):
        push(hub, study, forced=("README.md",))
    push(hub, study, forced=("README.md", "small"))
    assert is_there(hub, published(study))


@pytest.mark.slow
def test_a_change_by_somebody_else_between_plan_and_commit_is_a_conflict(hub: Hub, study: Session) -> None:
    push(hub, study)
    paper_of(study).write_bytes(b"%PDF-1.5\0mine")
    pause = hub.pause("POST", "/commit/main")
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push, hub, study)
        assert pause.reached.wait(20)
        repo = hub.repos[NAME]
        theirs = repo.git.commit(repo.head, {"small/latex/paper.pdf": b"theirs"}, (), "theirs", "lab")
        assert repo.git.swap("refs/heads/main", theirs, repo.head)
        pause.go.set()
        with pytest.raises(RemoteConflict, match=r"small/latex/paper\.pdf was changed by somebody else"):
            pushing.result()
    assert repo.head == theirs
    assert len(tags(hub)) == 1
    push(hub, study, forced=("small/latex/paper.pdf",))
    assert is_there(hub, published(study))


@pytest.mark.slow
def test_a_change_elsewhere_between_plan_and_commit_is_kept(hub: Hub, study: Session) -> None:
    hub.create(NAME)
    pause = hub.pause("POST", "/commit/main", at="arrived")
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push, hub, study)
        assert pause.reached.wait(20)
        repo = hub.repos[NAME]
        theirs = repo.git.commit(repo.head, {"notes.txt": b"theirs"}, (), "theirs", "lab")
        assert repo.git.swap("refs/heads/main", theirs, repo.head)
        pause.go.set()
        pushing.result()
    assert is_there(hub, published(study))
    assert there(hub)["notes.txt"][0] == 6


def test_a_gitignore_that_hides_one_of_ours_is_an_error(hub: Hub, study: Session) -> None:
    repo = hub.create(NAME, files={".gitignore": b"*.log\nsummary.md\n"})
    head = repo.head
    with pytest.raises(RemoteConflict, match=r"'summary\.md'.* hides small/summary\.md"):
        push(hub, study)
    assert hub.asked("POST", "/commit/") == []
    assert repo.head == head


@pytest.mark.slow
def test_patterns_of_large_files_are_added_once_and_keep_what_stands_there(hub: Hub, study: Session) -> None:
    paper_of(study).write_bytes(b"%PDF-1.5\0first")
    repo = hub.create(NAME, files={".gitattributes": b"*.zip filter=lfs diff=lfs merge=lfs -text\n# mine"})
    push(hub, study)
    text = repo.git.read(repo.head, ".gitattributes").decode()
    assert text.startswith("*.zip filter=lfs diff=lfs merge=lfs -text\n# mine\n")
    assert "*.pdf filter=lfs diff=lfs merge=lfs -text\n" in text
    assert len(titles(hub)) == 3
    assert repo.git.files(repo.head)["small/latex/paper.pdf"].lfs is not None


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_rotten_object_is_not_sent(hub: Hub, study: Session, damage: str) -> None:
    repo = hub.create(NAME)
    head = repo.head
    what = published(study)
    victim = max((f for f in what.files if isinstance(f.source, Path)), key=lambda f: f.size)
    assert isinstance(victim.source, Path)
    victim.source.chmod(0o644)
    if damage == "altered":
        data = bytearray(victim.source.read_bytes())
        data[-1] ^= 1
        victim.source.write_bytes(bytes(data))
    else:
        victim.source.unlink()
    with pytest.raises(CopyDamaged, match=victim.path.replace(".", r"\.")):
        push(hub, study, what)
    assert hub.writes() == []
    assert repo.head == head
    assert tags(hub) == {}


def test_a_tag_of_somebody_elses_is_never_moved(hub: Hub, study: Session) -> None:
    repo = hub.create(NAME)
    start = repo.head
    repo.git.git("update-ref", "refs/tags/v1", start)
    with pytest.raises(RemoteConflict, match="v1 of lab/study names"):
        push(hub, study, tags=("v1",))
    assert repo.head == start
    push(hub, study, tags=("v2",))
    assert tags(hub) == {"v1": start, "v2": repo.head, published(study).tag: repo.head}


@pytest.mark.slow
def test_another_branch_is_made_only_when_asked_for(hub: Hub, study: Session) -> None:
    from vlmunl.errors import NotOnHub

    hub.create(NAME)
    ours = client(hub, revision="run/2026")
    with pytest.raises(NotOnHub):
        push(hub, study, ours=ours, wishes=Wishes())
    push(hub, study, ours=ours)
    assert is_there(hub, published(study), "run/2026")
    assert "small/vlmunl.json" not in there(hub)


def test_a_secret_stops_everything_before_a_byte_leaves(hub: Hub, study: Session) -> None:
    import zlib

    hub.create(NAME)
    canary = b"hf_" + b"q" * 34
    paper = paper_of(study)
    packed = zlib.compress(b"BT (the token is " + canary + b") Tj ET")
    paper.write_bytes(b"%PDF-1.5\n1 0 obj\n<</Filter /FlateDecode>>\nstream\n" + packed + b"\nendstream\nendobj\n")
    with pytest.raises(SecretFound, match=r"small/latex/paper\.pdf, byte 17 in stream 1: hugging-face-token") as found:
        push(hub, study)
    assert canary.decode() not in str(found.value) + found.value.hint
    assert hub.writes() == []
    from vlmunl.hub.scan import Allowed

    push(hub, study, allowed=(Allowed("hugging-face-token", "small/latex/paper.pdf"),))
    assert is_there(hub, published(study))


@pytest.mark.slow
def test_the_token_itself_in_a_file_stops_the_push(hub: Hub, study: Session) -> None:
    odd = "a-token.of/another+form"
    hub.tokens[odd] = hub.tokens[hub.write]
    paper_of(study).write_bytes(b"%PDF-1.5\0" + odd.encode())
    with pytest.raises(SecretFound, match="current-token") as found:
        push(hub, study, ours=client(hub, odd))
    assert odd not in str(found.value)
    assert hub.writes() == []


def test_a_linked_paper_is_refused(hub: Hub, study: Session, tmp_path: Path) -> None:
    from vlmunl.errors import VlmunlError

    (tmp_path / "elsewhere.pdf").write_bytes(b"%PDF-1.5")
    paper_of(study).symlink_to(tmp_path / "elsewhere.pdf")
    with pytest.raises(VlmunlError, match="it is a link"):
        published(study)


def test_the_authorization_never_reaches_the_storage(hub: Hub, study: Session) -> None:
    push(hub, study)
    storage = [entry for entry in hub.log if entry.storage]
    assert storage
    assert not any(entry.authenticated for entry in storage)


@pytest.mark.slow
def test_multipart_upload_arrives_whole(hub: Hub, study: Session) -> None:
    hub.multipart_from, hub.part_size = 2000, 1500
    push(hub, study)
    assert hub.asked("PUT", "/parts/")
    assert is_there(hub, published(study))


@pytest.mark.slow
def test_the_lock_makes_a_second_push_of_the_same_store_wait(hub: Hub, study: Session) -> None:
    hub.create(NAME)
    pause = hub.pause("POST", "/commit/main")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(push, hub, study)
        assert pause.reached.wait(20)
        second = pool.submit(push, hub, study)
        assert not second.done()
        pause.go.set()
        assert first.result().made_commit
        assert not second.result().made_commit


@pytest.mark.slow
def test_what_was_published_before_may_be_published_again(hub: Hub, study: Session) -> None:
    """A, then B, then A: the tag of A stays where it was, and names the same files."""
    first = push(hub, study)
    paper = paper_of(study)
    paper.write_bytes(b"%PDF-1.5\0b")
    push(hub, study)
    paper.unlink()
    third = push(hub, study, prune=True)
    assert third.made_commit
    assert tags(hub)[published(study).tag] == first.commit


@pytest.mark.slow
def test_the_receipt_is_written_again_when_it_is_lost(hub: Hub, study: Session) -> None:
    outcome = push(hub, study)
    shutil.rmtree(study.store.root / receipts.FOLDER)
    push(hub, study)
    receipt = receipts.read(study.store.root, NAME, "main", "small")
    assert receipt is not None
    assert receipt.commit == outcome.commit


@pytest.mark.slow
def test_without_a_session_of_its_own_the_store_is_as_it_was(hub: Hub, study: Session) -> None:
    """A push changes nothing in the store but its receipt and its lock."""
    before = {p: p.stat().st_mtime_ns for p in study.store.root.rglob("*") if p.is_file()}
    push(hub, replace(study))
    after = {p: p.stat().st_mtime_ns for p in study.store.root.rglob("*") if p.is_file()}
    new = {p.name for p in after.keys() - before.keys()}
    assert new == {"small.json", "lock"}
    assert {p: after[p] for p in before} == before


@pytest.mark.slow
def test_what_only_a_later_plan_sends_is_checked_too(hub: Hub, study: Session) -> None:
    """Somebody changes a file that was to stay; it is to be replaced, and is rotten here by now."""
    push(hub, study)
    paper_of(study).write_bytes(b"%PDF-1.5\0mine")
    what = published(study)
    rotten = what.by_path["small/summary.md"].source
    assert isinstance(rotten, Path)
    pause = hub.pause("POST", "/commit/main")
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push, hub, study, what, forced=("small/summary.md",))
        assert pause.reached.wait(20)
        repo = hub.repos[NAME]
        theirs = repo.git.commit(repo.head, {"small/summary.md": b"theirs"}, (), "theirs", "lab")
        assert repo.git.swap("refs/heads/main", theirs, repo.head)
        rotten.chmod(0o644)
        rotten.write_bytes(b"rotten")
        pause.go.set()
        with pytest.raises(CopyDamaged, match=r"small/summary\.md"):
            pushing.result()
    assert repo.head == theirs


def test_what_is_pushed_can_be_pulled_with_its_paper(hub: Hub, study: Session, tmp_path: Path) -> None:
    from vlmunl.hub.pull import pull
    from vlmunl.store import Store
    from vlmunl.workspace import Workspace

    paper_of(study).write_bytes(b"%PDF-1.5\0mine")
    push(hub, study)
    root = tmp_path / "elsewhere"
    root.mkdir()
    store = Store.open(root / "store")
    pulled = pull(client(hub, hub.read), store, Workspace(root=root), "small", lambda done, total: None)
    assert pulled.records == len(published(study).inventory.records)
    assert (root / "latex" / "build" / "paper.pdf").read_bytes() == b"%PDF-1.5\0mine"
    ours = {name.file for name in study.store.records() if name.outcome == "ok"}
    assert {name.file for name in store.records()} <= ours
    for name in ("run_manifest.json", "verified_results.json", "summary.md"):
        here, there = study.workspace.results("small") / name, root / "manifests" / "small" / name
        assert there.read_bytes() == here.read_bytes()
