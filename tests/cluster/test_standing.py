"""Where the cells of a study stand: the store joined with claims, progress, the ledger and the queue."""

from __future__ import annotations

import os
import time

import pytest

from vlmunl.cluster.scene import Lookout
from vlmunl.cluster.standing import Standing, exit_code, standings
from vlmunl.errors import CellFailed
from vlmunl.manifests.states import Board

GOLD = "imprint/gold/seed0"
SQUEUE = "{}|{}|{}|{}|2026-11-22T06:32:25|{}|{}|{}|vl"


def test_without_slurm_the_ledger_is_all_there_is(world, fake):
    world.do("data")
    world.submit("12", GOLD)
    row = world.stand()[GOLD]
    assert (row.state, row.reason, row.job) == ("pending", "submitted as job 12; there is no squeue here", "12")
    assert not row.unsettled, "watching would never end"
    assert world.stand()["data"].state == "verified"


def test_a_controller_that_does_not_answer_is_no_end(world, fake):
    fake.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller\n", code=1)
    world.do("data")
    world.submit("12", GOLD)
    row = world.stand()[GOLD]
    assert row.state == "pending"
    assert row.reason == "submitted as job 12; squeue: slurm_load_jobs error: Unable to contact slurm controller"
    assert row.unsettled


def test_queued_running_and_blocked(world, fake):
    world.do("data")
    world.submit("12", "imprint/imprint/seed0", GOLD, "imprint/placebo/seed0", array=True)
    world.submit("13", "gate/seed0")
    fake.says(
        "squeue",
        "\n".join(
            (
                SQUEUE.format("12_0", "14", "RUNNING", "node7", "1:00:00", "(null)", "None"),
                SQUEUE.format("12_[1-2%2]", "12", "PENDING", "", "UNLIMITED", "(null)", "JobArrayTaskLimit"),
                SQUEUE.format("13", "13", "PENDING", "", "UNLIMITED", "afterok:12_*(unfulfilled)", "Dependency"),
            )
        ),
    )
    rows = world.stand()
    assert fake.calls("squeue") == ["-h -r -t all -j 12,13 -o %i|%A|%T|%N|%S|%L|%E|%r|%j"]
    first, gold, gate = (rows[c] for c in ("imprint/imprint/seed0", GOLD, "gate/seed0"))
    assert (first.state, first.job, first.where, first.limit) == ("running", "12_0", "node7", 3600.0)
    assert first.reason == "starting on node7 in job 12_0"
    assert (gold.state, gold.job, gold.queue) == ("queued", "12_1", "PENDING")
    assert gold.reason.startswith("job 12_1 waits: as many tasks of its array run as may at once")
    assert gate.state == "queued"
    assert gate.reason == "job 13 waits for imprint/imprint/seed0 and 2 more (job 12)"
    assert rows["unlearn/ga/seed0"].reason == "needs imprint/imprint/seed0, which is not done"
    assert rows["imprint/gold/seed1"].state == "pending"
    assert exit_code(list(rows.values())) == 4


def test_what_runs_tells_where_how_far_and_how_long(world, fake):
    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", SQUEUE.format("12", "12", "RUNNING", "node7", "1:20:00", "(null)", "None"))
    key = Board(world.plan, world.store)[GOLD].key
    world.doing(GOLD, done=30, total=60, note="loss 2.13", job="12", log="/l")
    assert world.stand()[GOLD].reason == "starting on node7 in job 12", (
        "a file whose process is dead counts for nothing"
    )
    with world.store.claim(key):
        row = world.stand()[GOLD]
    assert (row.state, row.where, row.job, row.done, row.total, row.note) == (
        "running",
        "node7",
        "12",
        30,
        60,
        "loss 2.13",
    )
    assert row.left == pytest.approx(200, abs=3)
    assert row.reason.startswith("30/60 loss 2.13, 3:")
    assert row.reason.endswith(" left, on node7 in job 12 for 3m 20s, its job may run 1h 20m more")
    assert row.log == "/l"


def test_what_runs_without_slurm_is_shown_too(world, fake):
    world.do("data")
    key = Board(world.plan, world.store)[GOLD].key
    with world.store.claim(key):
        assert world.stand()[GOLD].state == "running"
        world.doing(GOLD, updated=time.time() - 400, since=time.time() - 500, done=1, total=4)
        row = world.stand()[GOLD]
    assert row.reason.startswith("1/4, ")
    assert row.reason.endswith(f" left, on node7, process {os.getpid()} for 8m 20s, no step for 6m 40s")


def test_a_claim_that_outlived_its_job_is_not_taken_for_work(world, fake):
    world.do("data")
    job = world.submit("12", GOLD)
    world.log(job, "step 3")
    fake.says("squeue", SQUEUE.format("12", "12", "NODE_FAIL", "node7", "1:00", "(null)", "NodeDown"))
    key = Board(world.plan, world.store)[GOLD].key
    world.doing(GOLD, job="12")
    with world.store.claim(key):
        row = world.stand()[GOLD]
    assert (row.state, row.reason) == ("failed", "job 12 was lost with its node")


@pytest.mark.parametrize(
    ("state", "reason", "shown", "told", "next_"),
    [
        ("TIMEOUT", "TimeLimit", "failed", "job 12 reached its time limit", "vlmunl submit toy"),
        (
            "OUT_OF_MEMORY",
            "OutOfMemory",
            "failed",
            "job 12 ran out of memory",
            f"vlmunl logs toy {GOLD}, give it more memory ([slurm] in the study), then vlmunl submit toy",
        ),
        ("FAILED", "NonZeroExitCode", "failed", "job 12 failed", f"vlmunl logs toy {GOLD}, vlmunl submit toy"),
        ("CANCELLED", "None", "pending", "job 12 was cancelled", "vlmunl submit toy"),
        (
            "COMPLETED",
            "None",
            "pending",
            "job 12 ended without an error, and left no result of this cell",
            "vlmunl submit toy",
        ),
    ],
)
def test_a_job_that_ended_without_a_result(world, fake, state, reason, shown, told, next_):
    world.do("data")
    job = world.submit("12", GOLD)
    world.log(job, "one", "\x1b[31mtwo\x1b[0m  10%\r  20%\r  30%", "")
    fake.says("squeue", SQUEUE.format("12", "12", state, "node7", "1:00", "(null)", reason))
    row = world.stand()[GOLD]
    assert (row.state, row.reason, row.next) == (shown, told, next_)
    assert row.tail == (("one", "  30%") if shown == "failed" else ())
    assert row.log == str(world.space / "logs" / "12_.log")
    assert not row.unsettled


MARK = "slurmstepd: error: *** JOB 12 ON vm CANCELLED AT 2026-11-22T06:40:00"


@pytest.mark.parametrize(
    ("lines", "shown", "told"),
    [
        ((f"{MARK} DUE TO TIME LIMIT ***",), "failed", "job 12 reached its time limit"),
        ((f"{MARK} ***", "wrote a checkpoint"), "pending", "job 12 was cancelled"),
        (
            ("slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch.",),
            "failed",
            "job 12 ran out of memory",
        ),
        (
            (f"{MARK} DUE TO JOB REQUEUE ***", "and on"),
            "failed",
            "job 12 is gone from the queue, and Slurm does not know any more how it ended",
        ),
        (
            ("CANCELLED AT the gate",),
            "failed",
            "job 12 is gone from the queue, and Slurm does not know any more how it ended",
        ),
        (("",), "failed", "job 12 is gone from the queue, and Slurm does not know any more how it ended"),
        ((), "pending", "job 12 is gone from the queue, and left no log: it never started"),
    ],
)
def test_a_job_that_slurm_has_forgotten_is_read_of_its_log(world, fake, lines, shown, told):
    world.do("data")
    job = world.submit("12", GOLD)
    if lines:
        world.log(job, *lines)
    fake.says("squeue", err="slurm_load_jobs error: Invalid job id specified\n", code=1)
    fake.says("sacct", err="Slurm accounting storage is disabled\n", code=1)
    row = world.stand()[GOLD]
    assert (row.state, row.reason) == (shown, told)


def test_a_cell_whose_upstream_is_missing_is_pending_whatever_became_of_its_job(world, fake):
    world.submit("12", GOLD)
    fake.says(
        "squeue", SQUEUE.format("12", "12", "CANCELLED", "", "1:00", "afterok:2(failed)", "DependencyNeverSatisfied")
    )
    row = world.stand()[GOLD]
    assert (row.state, row.reason) == ("pending", "needs data, which is not done")


def test_an_error_counts_if_it_is_newer_than_the_job(world, fake, monkeypatch):
    world.do("data")
    monkeypatch.setenv("TOY_FAIL", "imprint/gold/0")
    with pytest.raises(CellFailed):
        world.do(GOLD)
    alone = world.stand()[GOLD]
    assert (alone.state, alone.next) == ("failed", f"vlmunl logs toy {GOLD}")
    fake.says("squeue", SQUEUE.format("12", "12", "FAILED", "node7", "1:00", "(null)", "NonZeroExitCode"))
    job = world.submit("12", GOLD, ago=60)
    world.log(job, "last words")
    row = world.stand()[GOLD]
    assert row.state == "failed"
    assert row.reason == "RuntimeError: imprint/gold/0 is told to fail"
    assert row.tail == ("last words",)
    world.submit("13", GOLD, ago=-60)
    fake.says("squeue", SQUEUE.format("13", "13", "PENDING", "", "1:00", "(null)", "Resources"))
    row = world.stand()[GOLD]
    assert (row.state, row.job) == ("queued", "13")
    assert row.reason.endswith("(it failed before)")


def test_cells_that_share_a_job_wait_their_turn(world, fake):
    world.do("data")
    world.submit("12", "imprint/imprint/seed0", GOLD)
    fake.says("squeue", SQUEUE.format("12", "12", "RUNNING", "node7", "1:00:00", "(null)", "None"))
    row = world.stand()[GOLD]
    assert (row.state, row.reason) == ("queued", "its turn comes in job 12, which runs on node7")


def test_a_job_whose_number_has_gone_to_another_is_forgotten(world, fake):
    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", "12|12|RUNNING|vm|2026-11-22T06:32:25|1:00|(null)|None|somebody-elses\n")
    assert world.stand()[GOLD].reason == "job 12 is gone from the queue, and left no log: it never started"


def test_what_is_done_is_not_asked_about(world, fake):
    world.do("data", GOLD)
    world.submit("12", GOLD)
    fake.says("squeue", "")
    assert world.stand()[GOLD].state == "verified"
    assert fake.calls("squeue") == []


def test_exit_codes():
    def code(*states: str) -> int:
        return exit_code([Standing(cell="x", state=state) for state in states])

    assert code("verified", "excluded") == 0
    assert code("verified", "running", "failed", "failed-gate") == 1
    assert code("verified", "pending", "failed-gate") == 3
    assert [code("verified", s) for s in ("running", "queued", "pending")] == [4, 4, 4]


def test_a_job_for_what_the_cell_was_before_is_not_its_job(world, fake):
    world.do("data")
    world.submit("12", GOLD, spec="of another recipe")
    fake.says("squeue", SQUEUE.format("12", "12", "RUNNING", "node7", "1:00:00", "(null)", "None"))
    row = world.stand()[GOLD]
    assert (row.state, row.unsettled) == ("pending", False)
    assert row.reason == "would run: first run; job 12 is in the queue for it as it was before"
    fake.says("squeue", SQUEUE.format("12", "12", "FAILED", "node7", "1:00:00", "(null)", "None"))
    assert world.stand()[GOLD].reason == "would run: first run"


def test_an_end_that_was_told_is_remembered_while_one_watches(world, fake):
    world.do("data")
    job = world.submit("12", GOLD)
    world.log(job, "one")
    lookout = Lookout(world.plan)

    def reason() -> str:
        board = Board(world.plan, world.store)
        return next(row.reason for row in standings(board, lookout.look(board), "toy") if row.cell == GOLD)

    fake.says("squeue", SQUEUE.format("12", "12", "TIMEOUT", "node7", "0:00", "(null)", "TimeLimit"))
    assert reason() == "job 12 reached its time limit"
    fake.says("squeue", err="slurm_load_jobs error: Invalid job id specified\n", code=1)
    assert reason() == "job 12 reached its time limit"
    fake.says("squeue", SQUEUE.format("12", "12", "PENDING", "", "1:00", "(null)", "BeginTime"))
    assert reason().startswith("job 12 waits for its time to begin"), "it was put back into the queue"


def test_a_job_that_was_submitted_by_hand_is_known_by_its_records(world, fake, cli, monkeypatch, tmp_path):
    world.do("data")
    log = tmp_path / "slurm-vlmunl-imprint-44.out"
    log.write_text("last words\n")
    monkeypatch.setenv("SLURM_JOB_ID", "44")
    monkeypatch.setenv("VLMUNL_LOG", str(log))
    monkeypatch.setenv("TOY_FAIL", "imprint/gold/0")
    with pytest.raises(CellFailed):
        world.do(GOLD)
    row = world.stand()[GOLD]
    assert (row.state, row.log, row.tail) == ("failed", str(log), ("last words",))
    world.do("imprint/placebo/seed0")
    for cell in (GOLD, "imprint/placebo/seed0"):
        code, out, err = cli("logs", cell)
        assert (code, out) == (0, "last words\n")
        assert "attempt 1 of 1: run in job 44 on " in err
