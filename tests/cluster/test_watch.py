"""`vlmunl status`, and `--watch` on a terminal and elsewhere."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace

import pytest

from vlmunl.__main__ import hoist
from vlmunl.cluster import ledger, scene
from vlmunl.cluster.standing import Standing
from vlmunl.commands import watch
from vlmunl.commands.session import Globals, Session
from vlmunl.manifests.states import Board
from vlmunl.out import Out
from vlmunl.workspace import Workspace

GOLD = "imprint/gold/seed0"
SQUEUE = "{0}|{0}|{1}|{2}|2026-11-22T06:32:25|1:00:00|(null)|{3}|vl\n"


def test_status_shows_the_queue_and_what_to_type(world, fake, cli):
    world.do("data")
    world.log(world.submit("12", GOLD), "loading", "out of CUDA memory")
    world.submit("13", "imprint/placebo/seed0")
    fake.says(
        "squeue",
        SQUEUE.format("12", "FAILED", "n", "NonZeroExitCode") + SQUEUE.format("13", "PENDING", "", "Resources"),
    )
    code, out, err = cli("status", "toy")
    assert (code, err) == (1, "")
    assert f" {GOLD} failed " in out
    assert " imprint/placebo/seed0 queued " in out
    assert (
        f"\n{GOLD}: logs/12_.log\n | loading\n | out of CUDA memory\n next: vlmunl logs toy {GOLD}, vlmunl submit toy\n"
        in out
    )
    assert out.rstrip().endswith("1 verified, 1 queued, 1 failed, 27 pending")
    rows = {row["cell"]: row for row in json.loads(cli("status", "toy", "--json")[1])["cells"]}
    assert rows[GOLD]["tail"] == ["loading", "out of CUDA memory"]
    assert rows["imprint/placebo/seed0"]["queue"] == "PENDING"
    assert (
        set(rows["data"])
        == set(rows[GOLD])
        >= {"cell", "state", "reason", "key", "record", "job", "log", "left", "limit"}
    )
    assert len(fake.calls("squeue")) == 2, "once for each look"


def test_why_still_tells_of_the_queue(world, fake, cli):
    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", SQUEUE.format("12", "PENDING", "", "Priority"))
    code, out, _ = cli("status", "toy", "--why")
    assert code == 4
    assert f" {GOLD} queued " in out
    assert "jobs of higher priority come first" in out
    assert "waits for imprint/imprint/seed0" in out
    row = next(r for r in json.loads(cli("status", "toy", "--why", "--json")[1])["cells"] if r["cell"] == GOLD)
    assert row["why"]["kind"] == "first run"


def test_only_the_first_that_failed_are_told_at_length(world, fake, cli):
    world.do("data")
    cells = [f"imprint/{role}/seed{seed}" for role in ("imprint", "gold", "placebo") for seed in (0, 1)]
    world.submit("12", *cells, array=True)
    fake.says("squeue", "".join(SQUEUE.format(f"12_{n}", "TIMEOUT", "n", "TimeLimit") for n in range(6)))
    out = cli("status", "toy")[1]
    assert out.count("next: vlmunl submit toy") == 4
    assert "and 2 more like these" in out


def test_watching_prints_a_line_per_change_and_ends_by_itself(world, fake, cli, monkeypatch):
    world.do("data")
    world.log(world.submit("12", GOLD), "bye")
    fake.says_in_turn(
        "squeue",
        SQUEUE.format("12", "PENDING", "", "Resources"),
        SQUEUE.format("12", "PENDING", "", "Priority"),
        SQUEUE.format("12", "RUNNING", "node7", "None"),
        SQUEUE.format("12", "OUT_OF_MEMORY", "node7", "OutOfMemory"),
    )
    monkeypatch.setattr(watch, "pause", lambda seconds: None)
    code, out, _ = cli("status", "toy", "--watch", "1")
    assert code == 1
    told = [line.partition(" ")[2] for line in out.splitlines() if f" {GOLD} " in line]
    assert [line.split()[1] for line in told] == ["queued", "running", "failed"]
    assert told[2] == f"{GOLD} failed job 12 ran out of memory"
    assert " | bye\n" in out
    assert out.rstrip().endswith("1 verified, 1 failed, 28 pending")


def test_a_record_that_comes_into_sight_after_its_job_has_ended_is_waited_for(world, fake, cli, monkeypatch):
    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", SQUEUE.format("12", "COMPLETED", "node7", "None"))
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            world.do(GOLD)

    monkeypatch.setattr(watch, "pause", pause)
    out = cli("status", "toy", "--watch", "1")[1]
    assert len(pauses) == 2
    assert f" {GOLD} verified" in out
    monkeypatch.setattr(watch, "pause", pauses.append)
    world.submit("13", "imprint/placebo/seed0")
    fake.says("squeue", SQUEUE.format("13", "COMPLETED", "node7", "None"))
    assert cli("status", "toy", "--watch", "1")[0] == 4
    assert len(pauses) == 2 + watch._LATE


def test_a_cell_that_ends_between_two_looks_is_not_taken_for_lost(world, fake, monkeypatch):
    from vlmunl.cluster.standing import current

    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", SQUEUE.format("12", "COMPLETED", "node7", "None"))
    lookout = scene.Lookout(world.plan)
    ask = lookout.queue.ask

    def finish_then_ask(jobs):
        world.do(GOLD)
        return ask(jobs)

    monkeypatch.setattr(lookout.queue, "ask", finish_then_ask)
    rows = {row.cell: row for row in current(world.plan, world.store, lookout, "toy")}
    assert rows[GOLD].state == "verified"


def test_watching_what_does_not_move_ends_at_once(world, fake, cli):
    began = time.monotonic()
    code, out, _ = cli("status", "toy", "--watch")
    assert (code, time.monotonic() - began < 5) == (4, True)
    assert out.rstrip().endswith("30 pending")
    document = json.loads(cli("status", "toy", "--watch", "--json")[1])
    assert document["exit_code"] == 4


def test_leaving_is_no_error(world, fake, cli, monkeypatch):
    world.do("data")
    world.submit("12", GOLD)
    fake.says("squeue", SQUEUE.format("12", "PENDING", "", "Resources"))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "pause", interrupt)
    code, out, err = cli("status", "toy", "--watch", "1")
    assert (code, err) == (130, "")
    assert "queued" in out


def test_a_page_is_never_larger_than_the_terminal(world):
    from rich.console import Console

    out = Out()
    page = io.StringIO()
    out.__dict__["console"] = Console(file=page, force_terminal=True, width=60, height=12, legacy_windows=False)
    session = Session(
        options=Globals(), out=out, workspace=Workspace(root=world.space), store=world.store, plan=world.plan
    )
    rows = [Standing(cell=f"eval/{n}/seed0", state="verified") for n in range(2000)]
    rows += [Standing(cell="unlearn/npo/seed0", state="running", reason="on a node with a long name " * 5)]
    with watch._Screen(session) as screen:
        screen.show(rows)
        drawn = screen._page(rows, 60, 12).plain.split("\n")
    assert len(drawn) == 12
    assert max(map(len, drawn)) <= 60
    assert drawn[3].startswith("  unlearn/npo/seed0  running  ")
    assert drawn[3].endswith("…")
    assert drawn[-2] == "  ... and 1994 more"
    assert "\x1b[?1049h" in page.getvalue()
    assert "\x1b[?1049l" in page.getvalue(), "and the terminal is as it was"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["status", "x", "--watch"], ["status", "x", "--watch", "10"]),
        (["status", "--watch", "x"], ["status", "--watch", "10", "x"]),
        (["status", "x", "--watch", "2.5", "--why"], ["status", "x", "--watch", "2.5", "--why"]),
        (["status", "x", "--watch=3"], ["status", "x", "--watch=3"]),
    ],
)
def test_the_number_of_seconds_may_be_left_out(typed: list[str], read: list[str]):
    assert hoist(typed) == read


def test_thousands_of_jobs_are_looked_at_quickly(world, fake, monkeypatch):
    """The ledger, the queue's answer and the join, for 30 cells in 100 submissions of 100 tasks."""
    cells = [cell.name for cell in world.plan.cells]
    job = world.submit("1000", *(cells * 4)[:100], array=True)
    for number in range(1, 100):
        when = job.submitted.replace("+00:00", f".{number:06d}+00:00")
        ledger.write(world.store.root, replace(job, id=str(1000 + number), submitted=when))
    fake.says("squeue", "".join(SQUEUE.format(f"1099_{n}", "PENDING", "", "Priority") for n in range(100)))
    board = Board(world.plan, world.store)
    lookout = scene.Lookout(world.plan)
    began = time.process_time()
    seen = lookout.look(board)
    assert time.process_time() - began < 2
    assert len(seen.jobs) == 30
    assert fake.calls("squeue")[0].split()[5] == "1099"
