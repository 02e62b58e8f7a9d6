"""`vlmunl logs`, and reading logs."""

from __future__ import annotations

import json
import threading
import time

import pytest

from vlmunl.cluster.logs import follow, last_lines, tail
from vlmunl.cluster.logs import plain as without_colours
from vlmunl.errors import CellFailed
from vlmunl.manifests.states import Board

GOLD = "imprint/gold/seed0"
ENDED = "{0}|{0}|FAILED|node7|2026-11-22T06:32:25|1:00|(null)|NonZeroExitCode|vl\n"


def test_the_newest_job_and_older_ones(world, fake, cli):
    world.log(world.submit("12", GOLD, ago=100), "old")
    new = world.log(world.submit("13", GOLD), *(f"line {n}" for n in range(150)))
    code, out, err = cli("logs", GOLD)
    assert code == 0
    assert out.splitlines() == [f"line {n}" for n in range(50, 150)]
    assert err.startswith("attempt 2 of 2: job 13 of toy, submitted 20")
    assert cli("logs", "toy", GOLD, "--lines", "1")[1] == "line 149\n"
    assert len(cli("logs", GOLD, "-n", "0")[1].splitlines()) == 150
    assert cli("logs", GOLD, "--attempt", "1")[1] == "old\n"
    assert cli("logs", GOLD, "--path")[1] == f"{new}\n"
    document = json.loads(cli("logs", "toy", GOLD, "--json", "-n", "2")[1])
    assert document["lines"] == ["line 148", "line 149"]
    assert [a["job"] for a in document["attempts"]] == ["12", "13"]
    assert [a["log_exists"] for a in document["attempts"]] == [True, True]
    code, _, err = cli("logs", GOLD, "--attempt", "3")
    assert (code, err) == (2, f"error: --attempt 3: there were 2 at {GOLD}\n")


def test_each_task_of_an_array_has_its_log(world, fake, cli):
    job = world.submit("12", "imprint/imprint/seed0", GOLD, array=True)
    for task in job.tasks:
        world.log(job)
        job.log_of(task).write_text(f"of {task.cell}\n")
    assert cli("logs", GOLD)[1] == f"of {GOLD}\n"


def test_where_there_is_nothing_that_is_said(world, fake, cli):
    code, out, err = cli("logs", GOLD)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: there is no log of {GOLD}: no job and no run of it is known in ")
    assert "vlmunl status STUDY" in err
    code, _, err = cli("logs", "toy", "imprint/golden/seed0")
    assert code == 2
    assert f"did you mean {GOLD}" in err
    assert cli("logs", "toy", GOLD, "x")[0] == 2


def test_a_job_that_has_not_started_has_no_log_yet(world, fake, cli):
    world.submit("12", GOLD)
    fake.says("squeue", "12|12|PENDING||N/A|UNLIMITED|(null)|Resources|vl\n")
    code, out, err = cli("logs", GOLD)
    assert (code, out) == (0, "")
    assert err.splitlines()[1].endswith("logs/12_.log: job 12 waits for free resources")


def test_a_cell_that_failed_without_slurm_tells_what_its_record_knows(world, fake, cli, monkeypatch):
    world.do("data")
    monkeypatch.setenv("TOY_FAIL", "imprint/gold/0")
    with pytest.raises(CellFailed):
        world.do(GOLD)
    for args in (("toy", GOLD), (GOLD,)):
        code, out, err = cli("logs", *args)
        assert code == 0
        assert out.startswith("error: RuntimeError: imprint/gold/0 is told to fail\n")
        assert "Traceback" in out or "raise RuntimeError" in out
        assert "attempt 1 of 1: run without Slurm on " in err
    code, _, err = cli("logs", GOLD, "--path")
    assert code == 1
    assert "no log was kept" in err
    monkeypatch.delenv("TOY_FAIL")
    world.do(GOLD)
    code, out, err = cli("logs", GOLD)
    assert "what it printed was not kept" in out
    assert "attempt 2 of 2" in err


def test_a_process_that_is_at_it_now(world, fake, cli, tmp_path):
    world.do("data")
    key = Board(world.plan, world.store)[GOLD].key
    (tmp_path / "by-hand.log").write_text("step 1\n")
    world.doing(GOLD, job="44", log=str(tmp_path / "by-hand.log"))
    with world.store.claim(key):
        code, out, err = cli("logs", GOLD)
    assert (code, out) == (0, "step 1\n")
    assert "running in job 44 on node7 since" in err
    assert cli("logs", GOLD)[0] == 1, "it is gone"


def test_following_ends_with_the_job(world, fake, cli, monkeypatch):
    from vlmunl.commands import logs

    monkeypatch.setattr(logs, "_ASKED", 0.05)
    job = world.submit("12", GOLD)
    path = world.log(job, "one")
    fake.says("squeue", "12|12|RUNNING|node7|2026-11-22T06:32:25|1:00|(null)|None|vl\n")

    def go_on() -> None:
        time.sleep(0.4)
        with path.open("a") as file:
            file.write("two\nthr")
            file.flush()
            time.sleep(0.4)
            file.write("ee\nlast without an end")
        fake.says("squeue", ENDED.format("12"))

    writer = threading.Thread(target=go_on)
    writer.start()
    code, out, _ = cli("logs", GOLD, "--follow")
    writer.join()
    assert code == 0
    assert out.splitlines() == ["one", "two", "three", "last without an end"]


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(tmp_path):
    log = tmp_path / "log"
    log.write_text("a long line of the first time\n")
    looks = iter([False, False, True])

    def over() -> bool:
        log.write_text("new\n")
        return next(looks)

    assert list(follow(log, 30, over, pause=0)) == ["new"]


def test_tails(tmp_path, monkeypatch):
    from vlmunl.cluster import logs

    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d\n" % n for n in range(1000)) + b"no end")
    monkeypatch.setattr(logs, "_PIECE", 64)
    assert tail(log, 3) == (["998", "999", "no end"], log.stat().st_size)
    assert len(tail(log, 0)[0]) == 1001
    assert last_lines(log, 2, most=100) == ["999", "no end"]
    assert last_lines(tmp_path / "none", 2) == []
    log.write_bytes(b"")
    assert tail(log, 3) == ([], 0)


def test_what_a_terminal_would_draw_is_taken_out():
    assert without_colours("\x1b[1;31mred\x1b[0m\x07 10%\r 20%\x1b]8;;x\x07link") == " 20%link"
    assert without_colours("a\tb\x00") == "a\tb"
