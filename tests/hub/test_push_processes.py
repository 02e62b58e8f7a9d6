"""`vlmunl sync` as a process of its own: killed at any moment, stopped, and what it prints."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pushing import NAME, is_there, moved, published, tags, there, titles
from server import Hub

from vlmunl.commands.session import Session
from vlmunl.hub import receipts

pytestmark = [pytest.mark.hub, pytest.mark.slow]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def study(finished: Session, tmp_path: Path) -> Session:
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return moved(finished, tmp_path / "space")


@pytest.fixture
def start(hub: Hub, study: Session) -> Iterator[Start]:
    """Start `vlmunl sync small ARGS` in a process of its own."""
    started = []

    def begin(*args: str, front: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "vlmunl", *front, "sync", "small", "--repo", NAME, *args]
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("VLMUNL_", "HF_"))}
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            command,
            cwd=study.workspace.root,
            env={**inherited, **hub.environment(), "PYTHONPATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("method", "path", "at", "with_paper"),
    [
        ("GET", "/tree/", "arrived", False),
        ("POST", "/preupload/", "performed", False),
        ("PUT", "/objects/", "arrived", False),
        ("PUT", "/objects/", "performed", False),
        ("POST", "/commit/", "arrived", False),
        ("POST", "/commit/", "performed", False),
        ("POST", "/commit/", "performed", True),  # the commit that says which files are large
        ("POST", "/tag/", "arrived", False),
        ("POST", "/tag/", "performed", False),
    ],
)
def test_killed_at_any_moment_the_next_one_finishes(
    hub: Hub, study: Session, start: Start, method: str, path: str, at: str, with_paper: bool
) -> None:
    if with_paper:
        (study.workspace.root / "latex" / "paper.pdf").write_bytes(b"%PDF-1.5\0" + bytes(4000))
    repo = hub.create(NAME)
    old = there(hub)
    pause = hub.pause(method, path, at, drop=True)  # type: ignore[arg-type]
    process = start()
    assert pause.reached.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    pause.go.set()
    what = published(study)
    now = there(hub)
    known = {**old, ".gitattributes": now[".gitattributes"]}
    assert now == known or is_there(hub, what), "neither the old state nor the new one"
    stored = {e.path for e in hub.asked("PUT", "/objects/") if e.status == 200}
    before = len(hub.log)
    again = start()
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, out + err
    assert is_there(hub, what)
    assert tags(hub) == {what.tag: repo.head}
    assert [title for title in titles(hub) if title.startswith("vlmunl sync: +")] == titles(hub)[:1]
    assert {e.path for e in hub.log[before:] if e.method == "PUT"}.isdisjoint(stored)
    assert receipts.read(study.store.root, NAME, "main", "small") is not None


def test_stopped_by_a_signal_it_says_130(hub: Hub, study: Session, start: Start) -> None:
    repo = hub.create(NAME)
    old = repo.head
    pause = hub.pause("POST", "/commit/", "arrived", drop=True)
    process = start()
    assert pause.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    pause.go.set()
    assert repo.head == old
    assert tags(hub) == {}


def test_no_token_in_anything_that_is_printed_or_kept(hub: Hub, study: Session, start: Start) -> None:
    """With all the library's debugging, tracebacks, and a Hub that repeats the token in its errors."""
    hub.create(NAME)
    echo = f'{{"error": "token {hub.write} at https://s3.example/x?X-Amz-Signature=abcdef"}}'.encode()
    printed = []
    for front, path, status in (
        ((), "/commit/", 400),
        (("--debug",), "/commit/", 403),
        (("--json",), "/tree/", 400),
        (("--debug",), "/whoami", 401),
        (("--debug",), "/preupload/", 403),
    ):
        hub.fail("", path, status=status, body=echo)
        process = start("--max-retries", "0", front=front, HF_DEBUG="1")
        out, err = process.communicate(timeout=120)
        assert process.returncode != 0
        printed.append(out + err)
    process = start("--debug", "--json", HF_DEBUG="1")
    printed.append("".join(process.communicate(timeout=120)))
    assert process.returncode == 0
    for text in printed:
        assert hub.write not in text
        assert "X-Amz-Signature" not in text
    assert "***" in printed[0]
    kept = [path for path in study.workspace.root.rglob("*") if path.is_file()]
    assert any(path.name == "small.json" for path in kept)
    assert [path for path in kept if hub.write.encode() in path.read_bytes()] == []


def test_four_processes_at_once_publish_once(hub: Hub, study: Session, start: Start, tmp_path: Path) -> None:
    """Two of one store, which wait for each other, and two of copies of it, which the Hub keeps apart."""
    hub.create(NAME)
    processes = [start(), start()]
    for number in range(2):
        shutil.copytree(study.store.root, tmp_path / f"store{number}")
        processes.append(start(front=("--store", str(tmp_path / f"store{number}"))))
    ended = [(process.communicate(timeout=180), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0, 0, 0], ended
    what = published(study)
    assert is_there(hub, what)
    assert tags(hub).keys() == {what.tag}
    assert len([title for title in titles(hub) if title.startswith("vlmunl sync: +")]) == 1
