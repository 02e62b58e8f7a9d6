"""The Hub of the tests, asked by the client that users have and by git."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from publishing import git
from server import Hub

pytestmark = pytest.mark.hub
NEEDS_LFS = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed: apt install git-lfs")
WEIGHTS = b"\0weights" * 3000
FILES = {
    "adapters/ga/seed0/adapter.safetensors": WEIGHTS,
    "results.json": b'{"wcr": 0.5}\n',
    "tables/wcr.tex": b"\\begin{tabular}{l}\n",
    "paper.pdf": b"%PDF-1.5\0" + b"x" * 2000,
    "empty.txt": b"",
}


def client(hub: Hub, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.url, token=token or hub.write)


def commit(hub: Hub, files: dict[str, bytes], parent: str | None = None, **more: Any) -> str:
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    made = client(hub).create_commit("lab/study", adds, commit_message="a commit", parent_commit=parent, **more)
    return str(made.oid)


def read(hub: Hub, path: str, folder: Path, revision: str = "main", token: str | None = None) -> bytes:
    token = token or hub.write
    got = hf_hub_download(
        "lab/study", path, revision=revision, endpoint=hub.url, token=token, local_dir=folder, force_download=True
    )
    return Path(got).read_bytes()


def address(hub: Hub) -> str:
    return hub.url.replace("http://", f"http://lab:{hub.write}@") + "/lab/study"


def test_what_is_committed_comes_back_through_the_client(hub: Hub, tmp_path: Path) -> None:
    api = client(hub)
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    api.create_repo("lab/study", private=True)
    first = api.repo_info("lab/study")
    assert first.private
    oid = commit(hub, FILES, str(first.sha))
    assert api.repo_info("lab/study").sha == oid == hub.repos["lab/study"].head
    api.create_tag("lab/study", tag="v1", revision=oid)
    assert {t.name: t.target_commit for t in api.list_repo_refs("lab/study").tags} == {"v1": oid}
    rows: Any = {row.path: row for row in api.list_repo_tree("lab/study", revision="v1", recursive=True)}
    for path, data in FILES.items():
        assert rows[path].size == len(data)
        if rows[path].lfs:
            assert rows[path].lfs.sha256 == sha256(data).hexdigest()
        assert read(hub, path, tmp_path / "down", "v1", hub.read) == data
    assert rows["adapters/ga/seed0/adapter.safetensors"].lfs
    assert [c.title for c in api.list_repo_commits("lab/study")] == ["a commit", "initial commit"]
    assert [info.path for info in api.get_paths_info("lab/study", ["results.json", "none"])] == ["results.json"]


@NEEDS_LFS
def test_git_and_git_lfs_read_the_same_bytes(hub: Hub, tmp_path: Path) -> None:
    hub.create("lab/study", private=True)
    commit(hub, FILES)
    git("clone", "--quiet", address(hub), "clone", where=tmp_path)
    clone = tmp_path / "clone"
    for path, data in FILES.items():
        assert (clone / path).read_bytes() == data
    assert "Git LFS fsck OK" in git("lfs", "fsck", where=clone)
    git("fsck", "--strict", where=clone)


@pytest.mark.slow
@NEEDS_LFS
def test_the_api_shows_what_git_pushes(hub: Hub, tmp_path: Path) -> None:
    hub.create("lab/study")
    git("clone", "--quiet", address(hub), "clone", where=tmp_path)
    clone = tmp_path / "clone"
    (clone / "pushed.safetensors").write_bytes(WEIGHTS)
    (clone / "a b#c.txt").write_text("text", encoding="utf-8")
    git("add", ".", where=clone)
    git("commit", "--quiet", "-m", "pushed", where=clone)
    git("push", "--quiet", "origin", "main", where=clone)
    assert read(hub, "pushed.safetensors", tmp_path / "down") == WEIGHTS
    assert read(hub, "a b#c.txt", tmp_path / "down") == b"text"


def test_of_four_writers_with_one_parent_one_succeeds(hub: Hub) -> None:
    hub.create("lab/study")
    head = hub.repos["lab/study"].head

    def write(number: int) -> int:
        try:
            commit(hub, {f"file{number}.txt": b"x"}, head)
        except HfHubHTTPError as error:
            return int(error.response.status_code)
        return 200

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [200, 412, 412, 412]
    assert len([path for path in hub.repos["lab/study"].files() if path.startswith("file")]) == 1


def test_a_commit_that_is_stale_at_the_last_instant_is_refused(hub: Hub) -> None:
    repo = hub.create("lab/study")
    made = repo.git.commit(repo.head, {"a": b"1"}, (), "mine", "lab")
    other = repo.git.commit(repo.head, {"b": b"2"}, (), "other", "lab")
    before = repo.head
    assert repo.git.swap("refs/heads/main", other, before)
    assert not repo.git.swap("refs/heads/main", made, before)
    assert repo.head == other


def test_tokens_and_private_repositories(hub: Hub) -> None:
    hub.create("lab/study", private=True)
    with pytest.raises(RepositoryNotFoundError):
        client(hub, hub.stranger).repo_info("lab/study")
    with pytest.raises(HfHubHTTPError) as refused:
        client(hub, "hf_nobody").repo_info("lab/study")
    assert refused.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError) as refused:
        client(hub, hub.read).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="lab/study")
    assert refused.value.response.status_code == 403
    with pytest.raises(RevisionNotFoundError):
        client(hub).repo_info("lab/study", revision="never")
    client(hub).update_repo_settings("lab/study", private=False)
    assert client(hub, hub.stranger).repo_info("lab/study").private is False


def test_deleted_files_and_folders_are_gone_and_missing_ones_are_named(hub: Hub) -> None:
    repo = hub.create("lab/study", files={"a/1": b"1", "a/2": b"2", "b": b"3"})
    gone = [CommitOperationDelete("a/"), CommitOperationDelete("b")]
    client(hub).create_commit("lab/study", gone, commit_message="less")
    assert list(repo.files()) == [".gitattributes"]
    with pytest.raises(HfHubHTTPError) as refused:
        client(hub).create_commit("lab/study", [CommitOperationDelete("b")], commit_message="less")
    assert refused.value.response.status_code == 404


def test_odd_names_survive(hub: Hub, tmp_path: Path) -> None:
    hub.create("lab/study")
    odd = [
        "a b.txt",
        "c#d.safetensors",
        "50%.txt",
        "what?.bin",
        "x+y.txt",
        'quo"te.bin',
        "ä/ö é.bin",
        "[a]*.pdf",
        'q"!.pdf',
        "b\\s.bin",
    ]
    files = {name: name.encode() + b"\0" for name in odd}
    commit(hub, files)
    for name, data in files.items():
        assert read(hub, name, tmp_path / "down") == data
    commit(hub, {name: data + b"2" for name, data in files.items()})
    assert read(hub, "[a]*.pdf", tmp_path / "down") == files["[a]*.pdf"] + b"2"
    attributes = hub.repos["lab/study"].git.read(hub.repos["lab/study"].head, ".gitattributes").decode()
    assert attributes.count(".pdf") == 2


def test_long_listings_come_in_pages(hub: Hub) -> None:
    hub.create("lab/study")
    files = {f"many/{n:04d}.json": b"%d" % n for n in range(1001)}
    commit(hub, files)
    listed = {row.path for row in client(hub).list_repo_tree("lab/study", recursive=True)}
    assert listed == {*files, "many", ".gitattributes"}
    assert len(hub.asked("GET", "/tree/")) == 2
    assert len(hub.asked("POST", "/preupload/")) == 4


def test_large_objects_go_in_parts(hub: Hub, tmp_path: Path) -> None:
    hub.create("lab/study")
    hub.multipart_from, hub.part_size = 10_000, 7_000
    commit(hub, {"w.safetensors": WEIGHTS})
    assert len(hub.asked("PUT", "/parts/")) == 4  # ceil(24000 / 7000)
    assert read(hub, "w.safetensors", tmp_path / "down") == WEIGHTS


def test_the_token_never_reaches_the_storage(hub: Hub, tmp_path: Path) -> None:
    hub.create("lab/study", private=True)
    commit(hub, {"w.safetensors": WEIGHTS})
    read(hub, "w.safetensors", tmp_path / "down")
    stored = [entry for entry in hub.log if entry.storage]
    assert {entry.method for entry in stored} == {"PUT", "GET"}
    assert not any(entry.authenticated or hub.write in str(entry.headers) for entry in stored)
    assert all(entry.authenticated for entry in hub.log if not entry.storage)


def test_a_storage_address_works_for_what_it_was_signed_for(hub: Hub) -> None:
    import urllib.error
    import urllib.request

    hub.create("lab/study")
    commit(hub, {"w.safetensors": WEIGHTS, "v.safetensors": WEIGHTS[1:]})
    mine, other = (sha256(data).hexdigest() for data in (WEIGHTS, WEIGHTS[1:]))
    sign = hub.storage.sign("GET", f"/objects/{mine}")
    with urllib.request.urlopen(f"{hub.storage_url}/objects/{mine}?{sign}") as answer:
        assert answer.read() == WEIGHTS
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{hub.storage_url}/objects/{other}?{sign}")


@NEEDS_LFS
def test_what_goes_by_xet_is_read_by_xet_and_by_git(xet_hub: Hub, tmp_path: Path) -> None:
    xet_hub.create("lab/study")
    commit(xet_hub, {"w.safetensors": WEIGHTS, "v.safetensors": WEIGHTS[1:], "a.txt": b"text"})
    assert not xet_hub.asked("PUT")
    assert xet_hub.asked("GET", "/xet-write-token/")
    assert read(xet_hub, "w.safetensors", tmp_path / "down") == WEIGHTS
    assert xet_hub.asked("GET", "/xet-read-token/")
    assert not xet_hub.asked("GET", "/objects/")
    git("clone", "--quiet", address(xet_hub), "clone", where=tmp_path)
    assert (tmp_path / "clone" / "v.safetensors").read_bytes() == WEIGHTS[1:]


# -------------------------------------------------------------------------------------------- faults


def test_an_answer_is_injected_as_often_as_asked(hub: Hub) -> None:
    hub.create("lab/study")
    fault = hub.fail("GET", "/api/models/lab/study$", times=2, status=503)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError):
            client(hub).repo_info("lab/study")
    assert client(hub).repo_info("lab/study").sha
    assert (fault.happened, fault.times) == (2, 0)


def test_a_lost_reply_leaves_the_commit(hub: Hub) -> None:
    repo = hub.create("lab/study")
    before = repo.head
    hub.fail("POST", "/commit/", lose_reply=True)
    with pytest.raises(Exception, match=r".") as lost:
        commit(hub, {"a.txt": b"a"}, before)
    assert not isinstance(lost.value, HfHubHTTPError) or lost.value.response.status_code != 412
    assert repo.head != before
    assert "a.txt" in repo.files()


def test_a_dropped_request_changes_nothing(hub: Hub) -> None:
    repo = hub.create("lab/study")
    before = repo.head
    hub.fail("POST", "/commit/", drop=True)
    with pytest.raises(Exception, match=r"."):
        commit(hub, {"a.txt": b"a"}, before)
    assert repo.head == before


def test_a_cut_upload_is_not_stored_and_sent_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.create("lab/study")
    fault = hub.fail("PUT", "/objects/", cut_request=100)
    commit(hub, {"w.safetensors": WEIGHTS})
    assert fault.happened == 1
    puts = hub.asked("PUT", "/objects/")
    assert [put.status for put in puts] == [0, 200]
    assert puts[0].received == 100


def test_a_cut_download_is_asked_for_again(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.create("lab/study")
    commit(hub, {"w.safetensors": WEIGHTS})
    hub.fail("GET", "/objects/", cut_reply=5000)
    assert read(hub, "w.safetensors", tmp_path / "down") == WEIGHTS
    assert len(hub.asked("GET", "/objects/")) == 2


def test_a_part_of_an_object_can_be_had(hub: Hub) -> None:
    import urllib.request

    hub.create("lab/study")
    commit(hub, {"w.safetensors": WEIGHTS})
    path = f"/objects/{sha256(WEIGHTS).hexdigest()}"
    asked = urllib.request.Request(f"{hub.storage_url}{path}?{hub.storage.sign('GET', path)}")
    asked.add_header("Range", "bytes=5000-")
    with urllib.request.urlopen(asked) as answer:
        assert (answer.status, answer.read()) == (206, WEIGHTS[5000:])


def test_a_corrupt_object_and_a_rewritten_answer_reach_the_client(hub: Hub, tmp_path: Path) -> None:
    from server.faults import rot

    hub.create("lab/study")
    commit(hub, {"w.safetensors": WEIGHTS, "a.txt": b"text"})
    hub.corrupt(sha256(WEIGHTS).hexdigest())
    got = read(hub, "w.safetensors", tmp_path / "down")
    assert len(got) == len(WEIGHTS)
    assert got != WEIGHTS
    hub.fail("GET", "/resolve/", rewrite=rot)
    assert read(hub, "a.txt", tmp_path / "down") == b"texu"


def test_the_server_waits_where_a_test_wants_it(hub: Hub) -> None:
    repo = hub.create("lab/study")
    before = repo.head
    arrived = hub.pause("POST", "/commit/")
    performed = hub.pause("POST", "/commit/", at="performed")
    writer = threading.Thread(target=commit, args=(hub, {"a.txt": b"a"}, before))
    writer.start()
    assert arrived.reached.wait(10)
    assert repo.head == before
    arrived.go.set()
    assert performed.reached.wait(10)
    assert repo.head != before
    assert writer.is_alive()
    performed.go.set()
    writer.join(10)
    assert not writer.is_alive()


def test_a_stalled_request_is_let_go_in_the_end(hub: Hub) -> None:
    hub.create("lab/study")
    hub.fail("GET", "/api/models/", stall=0.2)
    with pytest.raises(Exception, match=r"."):
        client(hub).repo_info("lab/study")
    assert client(hub).repo_info("lab/study").sha
