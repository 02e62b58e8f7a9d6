"""`vlmunl sync` with `--pull`, `--verify` and `--status`: what they say, and that they write nothing on the Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from publishing import NAME, contents, elsewhere
from pushing import push
from server import Hub
from server.faults import rot

from vlmunl.commands.session import Session
from vlmunl.hub.client import Hub as Client
from vlmunl.hub.published import Publication

pytestmark = pytest.mark.hub
Sync = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sync(request: pytest.FixtureRequest, cli: Any, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """`vlmunl sync ARGS` in a workspace, with the token that may only read."""

    hub: Hub = request.getfixturevalue("stocked" if "stocked" in request.fixturenames else "hub")

    def call(root: Path, *args: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HF_TOKEN", hub.read)
        at = args.index("sync") + 1
        code, out, err = cli(root, "--workspace", str(root), *args[:at], "--endpoint", hub.url, *args[at:])
        assert not any(secret in out + err for secret in (hub.read, hub.write, hub.stranger))
        assert "X-Amz-Signature" not in out + err
        return code, out, err

    return call


def test_where_a_study_stands(hub: Hub, finished: Session, sync: Sync, tmp_path: Path) -> None:
    root = tmp_path / "space"
    shutil.copytree(finished.workspace.root, root)
    code, out, _ = sync(root, "sync", "small", "--repo", NAME, "--status")
    assert (code, "not there" in out, "a push    would send" in out) == (0, True, True)
    session = _in(root, finished)
    made = push(hub, session)
    hub.log.clear()
    code, out, _ = sync(root, "--json", "sync", "small", "--repo", NAME, "--status")
    told = json.loads(out)
    assert (code, told["current"], told["private"], told["head"]) == (0, True, True, made.commit)
    assert told["tagged"] == told["receipt"]["commit"] == made.commit
    assert told["push"]["add"] == told["push"]["update"] == []
    assert not hub.writes()
    (root / "latex" / "paper.pdf").write_bytes(b"%PDF-1.5\0")
    told = json.loads(sync(root, "--json", "sync", "small", "--repo", NAME, "--status")[1])
    assert (told["current"], told["same_results"]) == (False, True)
    assert told["push"]["add"] == ["small/latex/paper.pdf"]
    assert told["push"]["update"] == ["small/vlmunl.json"]


def test_verify_tells_what_is_missing_differs_or_is_damaged(
    hub: Hub, finished: Session, sync: Sync, tmp_path: Path
) -> None:
    root = tmp_path / "space"
    shutil.copytree(finished.workspace.root, root)
    args = ("--json", "sync", "small", "--repo", NAME, "--verify")
    assert sync(root, *args)[0] == 13
    push(hub, _in(root, finished))
    hub.log.clear()
    code, out, _ = sync(root, *args)
    assert (code, json.loads(out)["sound"], json.loads(out)["missing"]) == (0, True, [])
    assert not hub.asked("GET", "/resolve/")
    code, out, _ = sync(root, *args, "--deep")
    assert (code, json.loads(out)["sound"]) == (0, True)
    assert not hub.writes()
    rows = _large(hub, "small/cells/eval/npo/seed0/rows.parquet")
    hub.corrupt(rows)
    assert sync(root, *args)[0] == 0
    code, out, _ = sync(root, *args, "--deep")
    told = json.loads(out)
    assert (code, told["damaged"]) == (19, ["small/cells/eval/npo/seed0/rows.parquet"])
    _change(hub, "small/summary.md", None)
    _change(hub, "small/study.toml", b"other")
    _change(hub, "small/notes.txt", b"more")
    told = json.loads(sync(root, *args)[1])
    assert (told["missing"], told["differing"]) == (["small/summary.md"], ["small/study.toml"])
    assert told["extra"] == ["small/notes.txt"]
    code, out, _ = sync(root, *args[1:])
    assert (code, "NOT as it is here" in out, "missing   small/summary.md" in out) == (19, True, True)


def test_pull_from_the_command_line(
    stocked: Hub, what: Publication, finished: Session, sync: Sync, tmp_path: Path
) -> None:
    _, space = elsewhere(tmp_path / "there", finished)
    code, out, _ = sync(space.root, "sync", "--pull", f"{NAME}@{what.tag}")
    assert (code, "next: vlmunl status small" in out) == (0, True)
    code, out, _ = sync(space.root, "--json", "sync", "small", "--pull", NAME)
    told = json.loads(out)
    assert (code, told["objects"]["new"], told["records"]["new"], told["written"]) == (0, 0, 0, [])
    (space.manifests / "small.toml").write_text("mine")
    code, out, err = sync(space.root, "sync", "--pull", NAME)
    assert (code, "manifests/small.toml" in err, "--force" in err) == (14, True, True)
    assert sync(space.root, "sync", "--pull", NAME, "--force")[0] == 0
    assert contents(space.manifests) == contents(finished.workspace.manifests)


@pytest.mark.parametrize(
    ("code", "prepare"),
    [
        (10, lambda hub: hub.fail("GET", times=100, drop=True)),
        (11, lambda hub: hub.tokens.clear()),
        (13, lambda hub: hub.repos.clear()),
        (15, lambda hub: hub.fail("GET", times=100, status=503)),
        (15, lambda hub: hub.fail("GET", times=100, status=429, headers={"Retry-After": "7200"})),
        (18, lambda hub: hub.fail("GET", "/resolve/.*/records.jsonl", times=100, rewrite=rot)),
    ],
)
def test_exit_codes(
    stocked: Hub,
    finished: Session,
    sync: Sync,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    prepare: Callable[[Hub], object],
) -> None:
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "sleep", lambda seconds: None)
    _, space = elsewhere(tmp_path / "there", finished)
    before = contents(space.root)
    prepare(stocked)
    left, _, err = sync(space.root, "sync", "--pull", NAME, "--max-retries", "1")
    assert left == code, err
    assert len(err.strip().splitlines()) <= 3
    assert {p: d for p, d in contents(space.root).items() if "/tmp/" not in p} == before


@pytest.mark.parametrize(
    "args",
    [
        ("--verify", "--status"),
        ("--deep",),
        ("--force",),
        ("--pull", NAME, "--dry-run"),
        ("--pull", NAME, "--set", "gate.headroom=0.1"),
        ("--pull", "no name"),
        ("--pull", "lab/study@../x"),
    ],
)
def test_options_that_do_not_go_together(sync: Sync, finished: Session, args: tuple[str, ...]) -> None:
    assert sync(finished.workspace.root, "sync", "small", *args)[0] == 2


def _in(root: Path, finished: Session) -> Session:
    """The finished session in a copy of its workspace."""
    from dataclasses import replace

    from vlmunl.manifests.load import load_study
    from vlmunl.store import Store
    from vlmunl.workspace import Workspace

    study = load_study(root / "manifests" / "small.toml")
    plan = replace(finished.plan, study=study)
    return replace(finished, plan=plan, workspace=Workspace(root=root), store=Store.open(root / "store"))


def _large(hub: Hub, path: str) -> str:
    repo = hub.repos[NAME].git
    lfs = repo.files(hub.repos[NAME].head)[path].lfs
    assert lfs is not None
    return lfs[0]


def _change(hub: Hub, path: str, data: bytes | None) -> None:
    repo = hub.repos[NAME]
    files, gone = ({}, [path]) if data is None else ({path: data}, [])
    assert repo.git.swap("refs/heads/main", repo.git.commit(repo.head, files, gone, "changed", "lab"), repo.head)
