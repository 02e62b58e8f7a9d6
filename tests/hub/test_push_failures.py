"""Every failure that a push can meet, made to happen: exit code, what the Hub has then, tag and receipt."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pushing import NAME, is_there, moved, published, tags, titles
from server import Hub

from vlmunl.commands.session import Session
from vlmunl.hub import client, receipts

pytestmark = pytest.mark.hub
MISSING_LFS = b'{"error": "LFS object 9f does not exist in storage"}'


@pytest.fixture
def study(finished: Session, tmp_path: Path) -> Session:
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return moved(finished, tmp_path / "space")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nothing waits; what would have been waited, in seconds."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@dataclass
class Ran:
    """One call of the command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@pytest.fixture
def sync(
    hub: Hub, study: Session, waits: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """`sync("--dry-run", token=..., endpoint=...)`: the command, for the tests' study and Hub."""
    from vlmunl.__main__ import main

    monkeypatch.chdir(study.workspace.root)
    for name in ("VLMUNL_STORE", "VLMUNL_WORKSPACE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    capsys.readouterr()

    def call(*args: str, token: str | None = None, endpoint: str | None = None, create: bool = True) -> Ran:
        monkeypatch.setenv("HF_TOKEN", hub.write if token is None else token)
        given = ["sync", "small", "--repo", NAME, "--endpoint", endpoint or hub.url, *(["--create"] * create), *args]
        with pytest.raises(SystemExit) as left:
            main(given)
        captured = capsys.readouterr()
        return Ran(int(left.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def untouched(hub: Hub, study: Session) -> Callable[[], bool]:
    """Is the repository as it was made, without tag, and is there no receipt?"""
    start = hub.create(NAME).head

    def ask() -> bool:
        noted = receipts.read(study.store.root, NAME, "main", "small")
        return hub.repos[NAME].head == start and tags(hub) == {} and noted is None

    return ask


def is_published(hub: Hub, study: Session) -> bool:
    """Is all of it there, under its tag, by one commit of ours, and noted?"""
    what = published(study)
    noted = receipts.read(study.store.root, NAME, "main", "small")
    ours = [title for title in titles(hub) if title.startswith("vlmunl sync: +")]
    return (
        is_there(hub, what)
        and tags(hub).get(what.tag) == hub.repos[NAME].head
        and noted is not None
        and noted.commit == hub.repos[NAME].head
        and len(ours) == 1
    )


Sync = Callable[..., Ran]
Untouched = Callable[[], bool]


@pytest.mark.slow
def test_nothing_to_do_names_head_and_tag(hub: Hub, study: Session, sync: Sync) -> None:
    assert sync().code == 0
    again = sync("--json")
    assert again.code == 0
    told = json.loads(again.out)
    assert (told["commit"], told["made_commit"], told["bytes"]) == (hub.repos[NAME].head, False, 0)
    assert told["tag"] == published(study).tag
    assert told["commit"] in sync().out


# ------------------------------------------------------------------------------------- no connection


def test_a_closed_port_is_told_at_once(hub: Hub, sync: Sync) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    ran = sync(endpoint=f"http://127.0.0.1:{port}")
    assert ran.code == 10
    assert "nothing was sent" in ran.err
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_silent_hub_is_given_up_in_time(hub: Hub, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROBE", 0.2)
    hub.fail("GET", "whoami", stall=20, times=9)
    began = time.monotonic()
    ran = sync()
    assert ran.code == 10
    assert len(hub.asked("GET", "whoami")) == client.TRIES
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_hub_that_falls_silent_later_is_given_up_in_time(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    hub.fail("POST", "/commit/", stall=30, times=9)
    began = time.monotonic()
    ran = sync("--timeout", "1", "--max-retries", "1")
    assert ran.code == 15
    assert time.monotonic() - began < 15
    assert untouched()


def test_offline_mode_is_respected(hub: Hub, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = sync()
    assert (ran.code, hub.log) == (10, [])
    assert "HF_HUB_OFFLINE" in ran.err


# ---------------------------------------------------------------------------------- token and rights


def test_a_wrong_token_is_told_without_showing_it(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    ran = sync(token="hf_" + "nobody" * 6)
    assert ran.code == 11
    assert "HF_TOKEN" in ran.err
    assert "nobody" not in ran.text
    assert untouched()


def test_no_token_at_all(hub: Hub, sync: Sync, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    ran = sync(token="")
    assert (ran.code, hub.log) == (11, [])
    assert "hf auth login" in ran.err


@pytest.mark.slow
def test_the_token_comes_from_a_file(hub: Hub, study: Session, sync: Sync, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(hub.write + "\n")
    assert sync("--token-file", str(tmp_path / "token"), token="hf_wrong").code == 0
    assert is_published(hub, study)


def test_a_token_that_may_only_read(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    ran = sync(token=hub.read)
    assert ran.code == 12
    assert "may only read" in ran.err
    assert hub.writes() == []
    assert untouched()


@pytest.mark.slow
def test_the_repository_of_somebody_else(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    ran = sync(token=hub.stranger)
    assert ran.code == 12
    assert untouched()


@pytest.mark.slow
def test_a_full_account_is_told_in_the_hubs_words_and_not_tried_again(
    hub: Hub, sync: Sync, untouched: Untouched
) -> None:
    said = b'{"error": "You have exceeded your public storage limit. Contact us."}'
    hub.fail("POST", "/commit/", status=403, body=said, times=9)
    ran = sync()
    assert ran.code == 12
    assert "exceeded your public storage limit" in ran.err
    assert len(hub.asked("POST", "/commit/")) == 1
    assert untouched()


def test_no_such_repository(hub: Hub, sync: Sync) -> None:
    ran = sync(create=False)
    assert ran.code == 13
    assert "--create" in ran.err
    assert hub.repos == {}


# ------------------------------------------------------------------------------------------ conflicts


@pytest.mark.slow
def test_a_repository_that_another_process_makes_meanwhile(hub: Hub, study: Session, sync: Sync) -> None:
    hub.fail("POST", "/repos/create", status=409, body=b'{"error": "You already created this model repo"}')
    hub.fail("GET", f"/api/models/{NAME}$", status=404, headers={"X-Error-Code": "RepoNotFound"})
    hub.create(NAME, private=True)
    assert sync().code == 0
    assert is_published(hub, study)


@pytest.mark.slow
def test_a_held_commit_lock_is_waited_for(hub: Hub, study: Session, sync: Sync, waits: list[float]) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", status=409, times=2)
    assert sync().code == 0
    assert is_published(hub, study)
    assert waits[0] >= 2
    assert waits[1] >= 4


@pytest.mark.slow
def test_a_commit_lock_that_is_never_given_up(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    hub.fail("POST", "/commit/", status=409, times=99)
    ran = sync("--max-retries", "2")
    assert ran.code == 14
    assert len(hub.asked("POST", "/commit/")) == 3
    assert untouched()


def test_a_parent_that_is_always_stale_ends(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    hub.fail("POST", "/commit/", status=412, times=99)
    ran = sync("--max-retries", "3")
    assert ran.code == 14
    assert len(hub.asked("POST", "/commit/")) == 4
    assert untouched()


@pytest.mark.slow
@pytest.mark.parametrize("effect", [{"status": 409}, {"lose_reply": True}, {"status": 503}])
def test_the_tag_is_made_whatever_the_first_reply(hub: Hub, study: Session, sync: Sync, effect: dict[str, Any]) -> None:
    hub.create(NAME)
    hub.fail("POST", "/tag/", **effect)
    ran = sync()
    if effect == {"status": 409}:  # it says that there is one, and there is none
        assert ran.code == 14
        ran = sync()
    assert ran.code == 0
    assert is_published(hub, study)


@pytest.mark.slow
def test_our_tag_on_other_files_is_an_error_after_the_commit(hub: Hub, study: Session, sync: Sync) -> None:
    repo = hub.create(NAME)
    repo.git.git("update-ref", f"refs/tags/{published(study).tag}", repo.head)
    ran = sync()
    assert ran.code == 14
    assert "was not moved" in ran.err
    assert is_there(hub, published(study))
    assert receipts.read(study.store.root, NAME, "main", "small") is None


# ------------------------------------------------------------------------------------------- the rate


@pytest.mark.slow
@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {"RateLimit": '"api";r=0;t=7'}])
def test_the_hubs_own_waiting_time_is_kept(
    hub: Hub, study: Session, sync: Sync, waits: list[float], headers: dict[str, str]
) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", status=429, headers=headers)
    assert sync().code == 0
    assert is_published(hub, study)
    assert [wait for wait in waits if 7 <= wait <= 12]


@pytest.mark.slow
def test_a_busy_hub_that_says_no_time(hub: Hub, sync: Sync, untouched: Untouched, waits: list[float]) -> None:
    hub.fail("POST", "/commit/", status=429, times=99)
    assert sync("--max-retries", "2").code == 15
    assert [wait >= 30 for wait in waits] == [True, True]
    assert untouched()


def test_an_hourly_quota_is_told_and_not_waited_for(
    hub: Hub, sync: Sync, untouched: Untouched, waits: list[float]
) -> None:
    said = b'{"error": "You have exceeded the rate limit of 128 commits per hour."}'
    hub.fail("POST", "/commit/", status=429, body=said, times=9)
    ran = sync()
    assert ran.code == 15
    assert "128 commits per hour" in ran.err
    assert "in an hour" in ran.err
    assert waits == []
    assert untouched()


# --------------------------------------------------------------------------------- refused content


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "code"),
    [
        ("POST", "/commit/", 400, b'{"error": "one or more of your files contain valid Hugging Face secrets"}', 16),
        ("POST", "/validate-yaml", 400, b'{"errors": [{"message": "license is unknown"}], "warnings": []}', 17),
        ("POST", "/commit/", 400, b'{"error": "this is not how commits look"}', 17),
        ("POST", "/commit/", 413, b'{"error": "payload too large"}', 17),
        ("POST", "/commit/", 400, MISSING_LFS, 18),
    ],
)
def test_what_the_hub_refuses(
    hub: Hub, sync: Sync, untouched: Untouched, method: str, path: str, status: int, body: bytes, code: int
) -> None:
    hub.fail(method, path, status=status, body=body, times=99)
    assert sync().code == code
    assert untouched()
    assert len(hub.asked("POST", "/commit/")) <= 2


@pytest.mark.slow
def test_a_large_file_that_got_lost_is_sent_again(hub: Hub, study: Session, sync: Sync) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", status=400, body=MISSING_LFS)
    assert sync().code == 0
    assert is_published(hub, study)


# --------------------------------------------------------------------------------- broken connections


@pytest.mark.slow
@pytest.mark.parametrize(
    "effect", [{"status": 500}, {"status": 503}, {"cut_request": 100}, {"drop": True}, {"lose_reply": True}]
)
def test_an_upload_that_breaks_is_taken_up_by_the_next_push(
    hub: Hub, study: Session, sync: Sync, untouched: Untouched, effect: dict[str, Any]
) -> None:
    fault = hub.fail("PUT", "/objects/", times=10_000, skip=1, **effect)
    ran = sync("--max-retries", "1")
    assert ran.code == 15
    assert "not sent again" in ran.err
    assert untouched()
    fault.times = 0
    before = len(hub.log)
    arrived = {e.path for e in hub.asked("PUT", "/objects/") if e.status == 200}
    assert sync().code == 0
    assert is_published(hub, study)
    again = {e.path for e in hub.log[before:] if e.method == "PUT"}
    assert again.isdisjoint(arrived)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [{"lose_reply": True}, {"rewrite": lambda body: b""}, {"cut_reply": 10}])
def test_a_commit_whose_reply_is_lost_is_not_made_twice(
    hub: Hub, study: Session, sync: Sync, effect: dict[str, Any]
) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", **effect)
    ran = sync()
    assert ran.code == 0, ran.err
    assert is_published(hub, study)
    assert len(hub.asked("POST", "/commit/")) == 1


def test_the_last_attempts_reply_may_be_lost_too(hub: Hub, study: Session, sync: Sync) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", lose_reply=True)
    assert sync("--max-retries", "0").code == 0
    assert is_published(hub, study)


@pytest.mark.slow
def test_a_commit_that_is_not_made_is_tried_again(hub: Hub, study: Session, sync: Sync) -> None:
    hub.create(NAME)
    hub.fail("POST", "/commit/", status=503)
    hub.fail("POST", "/commit/", drop=True)
    assert sync().code == 0
    assert is_published(hub, study)
    assert len(hub.asked("POST", "/commit/")) == 3


@pytest.mark.slow
def test_a_commit_that_is_never_made(hub: Hub, sync: Sync, untouched: Untouched) -> None:
    hub.fail("POST", "/commit/", status=502, times=99)
    ran = sync("--max-retries", "2")
    assert ran.code == 15
    assert len(hub.asked("POST", "/commit/")) == 3
    assert untouched()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/whoami", f"/api/models/{NAME}$", "/revision/", "/tree/", "/refs"])
def test_a_busy_moment_while_looking_is_waited_for(hub: Hub, study: Session, sync: Sync, path: str) -> None:
    hub.create(NAME)
    hub.fail("GET", path, status=503, times=2)
    assert sync().code == 0
    assert is_published(hub, study)


# ---------------------------------------------------------------------------------- wrong bytes


@pytest.mark.slow
def test_a_rotten_object_ends_before_anything_is_sent(
    hub: Hub, study: Session, sync: Sync, untouched: Untouched
) -> None:
    victim = max((f for f in published(study).files if isinstance(f.source, Path)), key=lambda f: f.size)
    assert isinstance(victim.source, Path)
    victim.source.chmod(0o644)
    data = bytearray(victim.source.read_bytes())
    data[len(data) // 2] ^= 1
    victim.source.write_bytes(bytes(data))
    ran = sync()
    assert ran.code == 18
    assert victim.path in ran.err
    assert hub.writes() == []
    assert untouched()


def test_a_commit_that_is_not_what_was_sent_gets_no_tag(hub: Hub, study: Session, sync: Sync) -> None:
    hub.create(NAME)

    def other(body: bytes) -> bytes:
        rows = json.loads(body)
        for row in rows:
            if row["path"] == "small/summary.md":
                row["oid"] = "0" * 40
        return json.dumps(rows).encode()

    hub.fail("GET", "/tree/", skip=1, times=99, rewrite=other)
    ran = sync()
    assert ran.code == 19
    assert "small/summary.md" in ran.err
    assert tags(hub) == {}
    assert receipts.read(study.store.root, NAME, "main", "small") is None


def test_an_interruption_is_130(hub: Hub, sync: Sync, untouched: Untouched, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmunl.hub import push

    def interrupted(*_: Any) -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal comes first")

    monkeypatch.setattr(push, "send_large", interrupted)
    assert sync().code == 130
    assert untouched()


def test_a_study_without_a_repository_says_how_to_name_one(
    study: Session, sync: Sync, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlmunl.__main__ import main

    with pytest.raises(SystemExit) as left:
        main(["sync", "small", "--dry-run"])
    assert left.value.code == 2
    assert "[sync] repo" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["no-owner", "a/b/c", "../x", "a/..", "a b/c", "-a/b"])
def test_names_that_are_none_of_a_repository(sync: Sync, hub: Hub, name: str) -> None:
    assert sync("--repo", name).code == 2
    assert hub.log == []
