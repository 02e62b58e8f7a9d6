"""The engine on toy stages: what runs, in which order, and what a failure, a kill or a second run changes."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from vlmunl.commands.progress import Plain
from vlmunl.engine.order import priorities
from vlmunl.engine.run import execute, exit_code
from vlmunl.keys import digest_bytes
from vlmunl.machine.accelerators import Accelerator
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.states import Board
from vlmunl.out import Out
from vlmunl.store import Store

CELLS = 2 + 2 * (3 + 1 + 3 + 3 + 3) + 2


@pytest.fixture
def planned(space):
    study = load_study(space / "manifests" / "toy.toml")
    return plan(study, base_model(study, space))


@pytest.fixture
def store(space):
    return Store.open(space / "store")


def do(planned, store, **options):
    return execute(planned, store, Plain(Out(quiet=True)), **({"jobs": 2} | options))


def test_all_cells_run_once_and_never_again(planned, store, calls):
    outcome = do(planned, store)
    assert exit_code(outcome) == 0
    assert len(outcome.ran) == len(planned.cells) == CELLS
    assert all(state.status == "verified" for state in outcome.board.states.values())
    assert len(calls()) == CELLS
    again = do(planned, Store.open(store.root))
    assert (again.ran, exit_code(again), calls()) == ([], 0, [])


def test_one_lost_record_runs_one_cell_again(planned, store, calls):
    first = do(planned, store)
    calls()
    before = first.board["unlearn/ga/seed0"].record
    next(store.root.glob(f"records/*/{before.name.file}")).unlink()
    outcome = do(planned, Store.open(store.root))
    assert outcome.ran == ["unlearn/ga/seed0"]
    assert outcome.board["unlearn/ga/seed0"].record.name == before.name
    assert calls() == ["unlearn/ga/0"]


def test_a_failing_cell_blocks_only_what_needs_it_and_is_tried_again(planned, store, monkeypatch):
    monkeypatch.setenv("TOY_FAIL", "unlearn/ga/1")
    outcome = do(planned, store)
    assert exit_code(outcome) == 1
    assert list(outcome.errors) == ["unlearn/ga/seed1"]
    assert "told to fail" in outcome.errors["unlearn/ga/seed1"].message
    board = Board(planned, Store.open(store.root))
    others = {n for n, s in board.states.items() if s.status != "verified"}
    assert others == {"unlearn/ga/seed1", "eval/ga/seed1"}  # the results are made without them
    assert board["unlearn/ga/seed1"].status == "failed"
    assert board["eval/ga/seed1"].reason == "needs unlearn/ga/seed1, which failed"
    monkeypatch.delenv("TOY_FAIL")
    again = do(planned, Store.open(store.root))
    assert set(again.ran) == {"unlearn/ga/seed1", "eval/ga/seed1", "aggregate", "tables"}
    assert exit_code(again) == 0


def test_a_failed_gate_prunes_its_seed_only(planned, store, monkeypatch, calls):
    monkeypatch.setenv("TOY_WEAK", "1")
    outcome = do(planned, store)
    assert exit_code(outcome) == 3
    assert not outcome.errors
    board = outcome.board
    assert (
        board["gate/seed1"].status
        == board["unlearn/ga/seed1"].status
        == board["eval/gold/seed1"].status
        == "failed-gate"
    )
    assert board["eval/ga/seed0"].status == board["tables"].status == "verified"
    assert not [c for c in calls() if c.startswith("unlearn") and c.endswith("1")]
    document = json.loads(board.manifest())
    assert [seed["status"] for seed in document["seeds"]] == ["verified", "failed-gate"]
    inputs = board["aggregate"].record.inputs
    assert "eval/ga/seed0" in inputs
    assert not [name for name in inputs if name.endswith("seed1")]
    assert do(planned, Store.open(store.root)).ran == []


def test_a_killed_worker_is_the_failure_of_its_cell_and_is_replaced(planned, store, monkeypatch):
    monkeypatch.setenv("TOY_KILL", "unlearn/npo/0")
    outcome = do(planned, store)
    assert list(outcome.errors) == ["unlearn/npo/seed0"]
    assert "killed by SIGKILL" in outcome.errors["unlearn/npo/seed0"].message
    assert len(outcome.ran) == CELLS - 2
    state = Board(planned, Store.open(store.root))["unlearn/npo/seed0"]
    assert state.status == "failed"
    assert "SIGKILL" in state.reason
    assert exit_code(do(planned, Store.open(store.root))) == 0  # the second attempt is not killed


def test_there_are_as_many_workers_as_accelerators_and_each_line_tells_which(planned, store, monkeypatch, capsys):
    two = tuple(Accelerator(f"gpu {n}", {"CUDA_VISIBLE_DEVICES": f"{n}"}) for n in "35")
    monkeypatch.setattr("vlmunl.machine.accelerators.accelerators", lambda: two)
    execute(planned, store, Plain(Out()), chosen=lambda cell: cell.stage.name in ("data", "imprint"))
    said = capsys.readouterr().out
    assert "7 cells to run, 2 workers\n" in said
    assert "share" not in said
    assert len(re.findall(r"done in [\d.]+s on gpu [35]$", said, re.MULTILINE)) == 7
    assert {"on gpu 3\n", "on gpu 5\n"} <= set(re.findall(r"on gpu \d\n", said))
    execute(planned, store, Plain(Out()), chosen=lambda cell: cell.stage.name == "gate", jobs=3)
    assert "share" not in capsys.readouterr().out, "two cells need two workers"


def test_more_workers_than_accelerators_share_them(planned, store, monkeypatch, capsys):
    monkeypatch.setattr("vlmunl.machine.accelerators.accelerators", lambda: (Accelerator("gpu 0", {}),))
    execute(planned, store, Plain(Out()), chosen=lambda cell: cell.stage.name in ("data", "imprint"), jobs=2)
    assert "2 workers share 1 accelerator\n" in capsys.readouterr().out


def test_force_runs_the_chosen_cells_once(planned, store, calls):
    do(planned, store)
    calls()
    outcome = do(planned, store, force=True, chosen=lambda cell: cell.stage.name == "unlearn" and cell.seed == 0)
    assert sorted(outcome.ran) == ["unlearn/ga/seed0", "unlearn/npo/seed0", "unlearn/retrain/seed0"]
    assert len(calls()) == 3


def test_the_longest_way_goes_first(planned):
    order = priorities(planned)
    assert order["imprint/imprint/seed0"] > order["imprint/placebo/seed0"]
    assert order["imprint/gold/seed0"] < order["imprint/imprint/seed0"]  # fewer people, fewer steps
    assert order["unlearn/retrain/seed0"] > order["unlearn/ga/seed0"] > order["eval/imprint/seed0"]


def test_the_run_manifest_has_no_time_or_place_and_follows_the_evidence(planned, store, space):
    empty = Board(planned, Store(space / "elsewhere", read_only=True)).manifest()
    do(planned, store)
    full = Board(planned, Store.open(store.root)).manifest()
    do(planned, Store.open(space / "second"))
    assert full == Board(planned, Store.open(space / "second")).manifest() != empty
    assert str(space) not in full.decode()
    document = json.loads(full)
    assert {cell["status"] for cell in document["cells"]} == {"verified"}
    cell = next(c for c in document["cells"] if c["cell"] == "unlearn/ga/seed0")
    assert set(cell["outputs"]) == {"adapter", "curve"}
    assert set(cell["outputs"]["adapter"]) == {"kind", "sha256", "size", "xxh3"}
    assert json.loads(empty)["cells"][1]["reason"] == "needs data, which is not done"
    record = Board(planned, store)["aggregate"].record
    assert record.inputs["manifest"].xxh3 == digest_bytes(full).xxh3


def test_an_excluded_cell_neither_runs_nor_counts(space, store, calls):
    path = space / "manifests" / "toy.toml"
    path.write_text(path.read_text() + '[evidence]\nexclude = [{ cell = "unlearn/ga/seed1", reason = "diverged" }]\n')
    study = load_study(path)
    outcome = do(plan(study, base_model(study, space)), store)
    assert exit_code(outcome) == 0
    assert outcome.board["unlearn/ga/seed1"].reason == "diverged"
    assert outcome.board["eval/ga/seed1"].status == "excluded"
    assert "unlearn/ga/1" not in calls()


# ------------------------------------------------------------------------------- whole processes


def text(process):
    out, err = process.communicate(timeout=40)
    return out + err


def test_two_runs_at_once_share_the_work(start, calls, planned):
    pair = [start("run", "toy", "--jobs", "2", TOY_SLEEP="0.08") for _ in range(2)]
    texts = [text(process) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], texts
    labels = calls()
    assert len(labels) == CELLS, "no cell was run twice"
    assert all(int(t.split(" cells ran")[0].split()[-1]) > 3 for t in texts), texts


def wait_for(path, lines):
    deadline = time.monotonic() + 20
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_a_stopped_run_goes_on_where_it_was(number, code, start, space, calls, planned):
    process = start("run", "toy", "--jobs", "2", TOY_SLEEP="0.2")
    wait_for(space / "calls", 5)
    process.send_signal(number)
    said = text(process)
    assert process.returncode == code, said
    deadline = time.monotonic() + 10
    while Store.open(space / "store").running():
        assert time.monotonic() < deadline, "its workers hold no claim any more"
        time.sleep(0.05)
    done = sum(state.done for state in Board(planned, Store.open(space / "store")).states.values())
    assert 0 < done < CELLS
    assert not list((space / "manifests").glob("toy/*"))
    calls()
    again = start("run", "toy")
    said = text(again)
    assert again.returncode == 0, said
    assert len(calls()) == CELLS - done
    assert not os.listdir(space / "store" / "tmp")
    assert (space / "manifests" / "toy" / "verified_results.json").exists()
