"""A small study with every kind of gap, run once with fake models and the real aggregate and tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.trail.fake_stages import FAKES
from vlmunl.commands.publish import publish
from vlmunl.commands.session import Globals, Session
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.states import Board
from vlmunl.out import Out
from vlmunl.stage import External, run_stage
from vlmunl.stages.declared import STAGES
from vlmunl.store import Store, tree_ref_of_directory
from vlmunl.workspace import Workspace

STUDY = """
[study]
name = "small"
seeds = [0, 1, 2]
[model]
id = "base"
[benchmark]
people = 14
forget = 6
photos = 5
[gate]
min_identities = 2
[methods.ga]
[methods.npo]
[methods.npo_wide]
like = "npo"
label = "NPO | wide"
[routes]
exclude = ["geometry", "corruption", "photometric", "occlusion", "new_photo", "paraphrase", "subject", "verify",
           "typo", "description", "image_name", "null_image", "wrong_image", "dialogue", "choice"]
held_out = ["few_shot"]
[statistics]
draws = 100
splits = 4
[evidence]
exclude = [{ cell = "unlearn/npo/seed1", reason = "its node had a bad disk" },
           { cell = "unlearn/npo_wide/seed0", reason = "diverged" },
           { cell = "unlearn/npo_wide/seed1", reason = "diverged" }]
[tables]
figures = false
[claims.worse]
text = "NPO leaks by its worst route"
when = "npo.wcr.lower > npo.canonical.high - 0.1 and ga.utility > 0.1"
[claims.wide]
text = "wide views help"
when = "npo_wide.wcr.upper < npo.wcr.lower"
"""


def settle(root: Path, study: str = "small", sets: tuple[str, ...] = (), *, results: bool = True) -> Session:
    """Run every cell that can run, in this process, and write the results; returns the session."""
    space, store = Workspace(root=root), Store.open(root / "store")
    stages = {**STAGES, **FAKES}
    base = External(ref=tree_ref_of_directory(root / "base"), path=root / "base")
    planned = plan(load_study(root / "manifests" / f"{study}.toml", sets), base, stages=stages)
    board = Board(planned, store)
    for cell in planned.cells:
        state = board[cell.name]
        if state.ready and not state.done and (results or cell.name not in ("aggregate", "tables")):
            if cell.collects:
                store.put_bytes(board.manifest())
            run_stage(cell.stage, cell.config, state.inputs, store, cell=cell.name, seed=cell.seed)
            board.update(cell.name)
    session = Session(options=Globals(), out=Out(quiet=True), workspace=space, store=store, plan=planned)
    if results:
        publish(session, board, lambda cell: True)
    return session


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Session:
    """The small study, finished; nobody may change it."""
    root = tmp_path_factory.mktemp("space")
    (root / "manifests").mkdir()
    (root / "manifests" / "small.toml").write_text(STUDY)
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text("{}")
    return settle(root)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A workspace with the finished study that a test may change."""
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return tmp_path / "space"


@pytest.fixture
def cli(monkeypatch, capsys):
    """`cli(root, "trace", ...)`: (exit code, stdout, stderr) of `vlmunl` in a workspace, with the fake stages."""
    from vlmunl.__main__ import main

    def call(root, *args):
        for name, stage in FAKES.items():
            monkeypatch.setitem(STAGES, name, stage)
        monkeypatch.chdir(root)
        monkeypatch.delenv("VLMUNL_STORE", raising=False)
        monkeypatch.delenv("VLMUNL_WORKSPACE", raising=False)
        with pytest.raises(SystemExit) as left:
            main(args)
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return call
