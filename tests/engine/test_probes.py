"""Probes on toy stages: computed once, whatever is swept; in the way of their readers when they fail."""

from __future__ import annotations

import json

import pytest

from vlmunl.commands.progress import Plain
from vlmunl.engine.order import cost
from vlmunl.engine.run import execute
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.roots import planned_keys
from vlmunl.manifests.states import Board
from vlmunl.out import Out
from vlmunl.store import Store

STUDY = """
[study]
name = "toy"
seeds = [0, 1]
[model]
id = "base"
[methods.ssd]
[methods.iwap]
[methods.ga]
"""
PROBES = ("fisher", "fisher", "gradient", "gradient")


@pytest.fixture
def of(space):
    (space / "manifests" / "toy.toml").write_text(STUDY)

    def made(*sets):
        study = load_study(space / "manifests" / "toy.toml", sets)
        return plan(study, base_model(study, space))

    return made


@pytest.fixture
def store(space):
    return Store.open(space / "store")


def do(planned, store):
    return execute(planned, store, Plain(Out(quiet=True)), jobs=2)


def test_a_sweep_finds_its_probes_done(of, store, calls):
    outcome = do(of(), store)
    assert not outcome.errors
    probed = [line for line in calls() if line.startswith("probe/")]
    assert sorted(probed) == sorted(f"probe/{score}/{seed}" for score in PROBES for seed in (0, 1))
    again = do(of("methods.ssd.alpha=5", "methods.iwap.rho=0.5", "methods.iwap.lr=0.5"), Store.open(store.root))
    ran = {f"unlearn/{name}/seed{seed}" for name in ("ssd", "iwap") for seed in (0, 1)}
    assert set(again.ran) == ran | {"aggregate", "tables"}  # a toy learns nothing, so evaluations are hits
    assert not [line for line in calls() if line.startswith("probe/")]


def test_a_probe_that_fails_stands_in_the_way_of_its_readers_alone(of, store, monkeypatch):
    monkeypatch.setenv("TOY_FAIL", "probe/gradient/1")
    outcome = do(of(), store)
    assert set(outcome.errors) == {"probe/gradient-forget/seed1", "probe/gradient-retain/seed1"}
    states = outcome.board.states
    assert states["unlearn/iwap/seed1"].reason == "needs probe/gradient-forget/seed1, which failed"
    assert states["eval/ssd/seed1"].status == states["eval/iwap/seed0"].status == "verified"


def test_a_seed_whose_gate_failed_is_not_probed(of, store, calls, monkeypatch):
    monkeypatch.setenv("TOY_WEAK", "1")
    board = do(of(), store).board
    assert board["probe/fisher-forget/seed1"].status == "failed-gate"
    assert not [line for line in calls() if line.startswith("probe/") and line.endswith("/1")]


def test_a_study_needs_what_was_probed_and_the_evidence_names_it(of, store):
    planned = of()
    board = do(planned, store).board
    scores = board["probe/fisher-forget/seed0"].output("scores")
    assert board["probe/fisher-forget/seed0"].key in planned_keys(planned, store)
    assert Board(planned, Store.open(store.root))["unlearn/ssd/seed0"].record.inputs["probe.fisher-forget.64"] == scores
    listed = {cell["cell"]: cell for cell in json.loads(board.manifest())["cells"]}
    assert listed["probe/fisher-forget/seed0"]["outputs"]["scores"] == scores.to_json()


def test_the_command_that_unlearns_probes_too(of, store, start):
    of()
    for args in (("imprint", "toy"), ("gate", "toy"), ("unlearn", "toy", "--method", "ssd", "--seed", "0")):
        process = start(*args)
        assert process.wait() == 0, process.communicate()
    made = {record.cell for stage in ("probe", "unlearn") for record in Store.open(store.root).history(stage)}
    assert made == {"probe/fisher-forget/seed0", "probe/fisher-retain/seed0", "unlearn/ssd/seed0"}


def test_probes_count_in_the_order_of_work(of):
    planned = of()
    assert cost(planned.by_name["probe/fisher-forget/seed0"]) > 0
