"""Several processes for one cell: they see the same, fail as one, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ranked

from vlmunl.commands.progress import Plain
from vlmunl.engine.ranks import Team
from vlmunl.engine.run import execute
from vlmunl.errors import CellFailed
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.out import Out
from vlmunl.processes import Processes
from vlmunl.stage import run_stage
from vlmunl.stages.configs import GateConfig
from vlmunl.store import Store

pytestmark = [pytest.mark.model, pytest.mark.slow]
TWO = Processes(count=2)


@pytest.fixture(scope="module")
def team():
    with Team(TWO) as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


def do(team, store, function="meets", seed=0):
    stage = replace(ranked.GATE, run=f"ranked:{function}")
    return run_stage(stage, GateConfig(seed=seed), {}, store, cell="gate/test", caller=team)


def gone(pid: int) -> bool:
    """Within some seconds it is."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_all_ranks_see_the_same_and_one_records(team, store):
    record = do(team, store)
    assert record.metrics["ranks"] == [0, 1]
    assert len(set(record.metrics["draws"])) == 1
    assert record.metrics["pids"][0] == os.getpid()
    assert "/ranks/" not in record.metrics["out"]
    assert (record.env["processes"], record.env["strategy"]) == (2, "ddp")
    assert len(list(store.root.glob("records/*/*"))) == 1
    assert not list((store.root / "tmp").iterdir())
    again = do(team, store, seed=1)
    assert again.metrics["pids"] == record.metrics["pids"], "the processes stay for the next cell"
    assert again.metrics["draws"] != record.metrics["draws"]


def test_alone_the_record_is_as_ever(store):
    record = do(Team(Processes()), store)
    assert record.metrics["ranks"] == [0]
    assert not {"processes", "strategy"} & set(record.env)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("first_raises", "ValueError: the first is told to fail"),
        ("second_raises", "RankFailed: in process 1 of 2: ValueError: the second is told to fail"),
        ("both_raise", "all are told to fail"),
        ("second_dies", "RankFailed: process 1 of 2 was killed by SIGKILL (out of memory?)"),
    ],
)
def test_a_failure_is_told_once_and_the_next_cell_finds_new_ranks(team, store, function, told):
    before = do(team, store).metrics["pids"][1]
    with pytest.raises(CellFailed, match="gate/test failed") as caught:
        do(team, store, function, seed=2)
    assert str(caught.value).count("told to fail" if "told" in told else "killed") == 1
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gone(before)
    assert not list((store.root / "tmp").iterdir())
    if function == "second_dies":
        assert do(team, store, seed=1).metrics["pids"][1] != before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_rank_outlives_its_worker(tmp_path, number):
    pids = tmp_path / "pids"
    code = (
        "import sys, ranked; from dataclasses import replace; from pathlib import Path\n"
        "from multiprocessing import Pipe; from vlmunl.engine.orders import Orders\n"
        "ends = Pipe(duplex=False); Orders(ends[0]).listen()\n"
        "from test_ranks import TWO, Team, Store, do\n"
        f"with Team(TWO) as team: do(team, Store.open(Path({str(tmp_path / 'store')!r})), 'waits')\n"
    )
    here = str(Path(__file__).parent)
    environment = os.environ | {"RANKED_PIDS": str(pids), "PYTHONPATH": os.pathsep.join([here, *sys.path])}
    worker = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        while not pids.exists() or not pids.read_text():
            assert worker.poll() is None
            time.sleep(0.05)
        others = [int(pid) for pid in pids.read_text().split()][1:]
        worker.send_signal(number)
        worker.wait(20)
        assert len(others) == 1
        assert gone(others[0])
    finally:
        worker.kill()


def test_a_study_says_by_how_many_processes(space, calls):
    study = load_study(space / "manifests" / "toy.toml", ["distributed.processes=2"])
    planned, store = plan(study, base_model(study, space)), Store.open(space / "store")
    names = {"data", "imprint/gold/seed0"}
    outcome = execute(planned, store, Plain(Out(quiet=True)), chosen=lambda cell: cell.name in names)
    assert sorted(outcome.ran) == sorted(names)
    found = {name: outcome.board[name].record.env.get("processes") for name in names}
    assert found == {"data": None, "imprint/gold/seed0": 2}
    assert sorted(calls()) == ["data", "imprint/gold/0", "imprint/gold/0"]
    alone = load_study(space / "manifests" / "toy.toml")
    again = execute(
        plan(alone, base_model(alone, space)), store, Plain(Out(quiet=True)), chosen=lambda c: c.name in names
    )
    assert not again.ran, "how many processes did it is in no key"
