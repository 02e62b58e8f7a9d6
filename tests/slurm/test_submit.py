"""Studies as jobs of a real Slurm: what runs, what is pruned, what is never submitted twice."""

from __future__ import annotations

import os
import signal

import pytest

from vlmunl.cluster.ledger import jobs

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

EVIDENCE = 24  # cells of the study without aggregate and tables


def test_a_study_runs_through_and_nothing_is_left_to_submit(world):
    cells = world.submit()
    seen = world.cluster.wait()
    assert set(world.states().values()) == {"verified"}, world.logs()
    assert {seen[cells[name]].state for name in cells} == {"COMPLETED"}
    assert len(world.calls()) == len(cells) == EVIDENCE + 2
    assert (world.root / "manifests" / "toy" / "run_manifest.json").is_file()
    assert (world.root / "latex" / "generated" / "toy" / "main.tex").is_file()
    assert world.submit() == {}
    assert "all that can be done is done" in world.vlmunl("submit", "toy").stdout
    assert len(world.calls()) == EVIDENCE + 2


def test_a_failed_gate_ends_its_seed_and_a_failed_cell_what_needs_it(world):
    cells = world.submit(TOY_WEAK="1", TOY_FAIL="unlearn/ga/0")
    seen = world.cluster.wait()
    assert seen[cells["gate/seed1"]].state == "FAILED"
    assert world.cluster.show(cells["gate/seed1"])["ExitCode"] == "3:0"
    assert "FAILED" in world.log("gate/seed1").read_text()
    after = [name for name in cells if name.endswith("seed1") and name.startswith(("unlearn", "eval"))]
    assert len(after) == 7
    for name in after:
        assert seen[cells[name]].state == "CANCELLED", name
        assert world.cluster.show(cells[name])["NodeList"] in ("", "(null)"), "it never had a node"
        assert not world.log(name).exists()
    assert not [line for line in world.calls() if line.startswith("unlearn/") and line.endswith("/1")]
    states = world.states()
    lost = {"unlearn/ga/seed0", "eval/ga/seed0"}
    assert [seen[cells[name]].state for name in sorted(lost)] == ["CANCELLED", "FAILED"]
    assert {states[n] for n in cells if n.endswith("seed0") and n not in lost} == {"verified"}
    assert {states[n] for n in after} == {"failed-gate"}
    assert states["aggregate"] == states["tables"] == "verified"
    assert set(world.submit()) == {*lost, "aggregate", "tables"}
    world.cluster.wait()
    assert {state for name, state in world.states().items() if name not in after} == {"verified", "failed-gate"}
    assert world.submit() == {}


def test_what_is_killed_leaves_a_valid_store_and_is_all_that_is_submitted_again(world):
    cells = world.submit("--only", "data", "--only", "imprint", "--seed", "0", TOY_SLEEP="4")
    killed, cancelled = "imprint/imprint/seed0", "imprint/gold/seed0"
    for name, call in ((killed, "imprint/imprint/0"), (cancelled, "imprint/gold/0")):
        world.cluster.wait_for(cells[name], "RUNNING")
        world.until(lambda call=call: call in world.calls())
    os.kill(world.cluster.pids(cells[killed])[0], signal.SIGKILL)
    world.cluster.cancel(cells[cancelled])
    seen = world.cluster.wait()
    assert seen[cells[killed]].state == "FAILED"
    assert seen[cells[cancelled]].state == "CANCELLED"
    world.vlmunl("store", "verify")
    states = world.states()
    assert states["data"] == states["imprint/placebo/seed0"] == "verified"
    assert {states[killed], states[cancelled]} <= {"pending", "failed"}
    again = world.submit("--only", "data", "--only", "imprint", "--seed", "0")
    assert set(again) == {killed, cancelled}
    world.cluster.wait()
    states = world.states()
    assert states[killed] == states[cancelled] == "verified", world.logs()
    world.vlmunl("store", "verify")


def test_a_lost_node_gives_its_job_back_to_the_queue(world):
    node = world.cluster.run("hostname", "-s").stdout.strip()
    cells = world.submit("--only", "data", TOY_SLEEP="3")
    world.cluster.wait_for(cells["data"], "RUNNING")
    world.until(world.calls)
    world.cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        world.cluster.wait_for(cells["data"], "PENDING")
        world.vlmunl("store", "verify")
    finally:
        world.cluster.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)  # if it is not yet
    assert world.submit("--only", "data") == {}, "it is still queued"
    assert world.cluster.wait(cells["data"])[cells["data"]].state == "COMPLETED"
    assert world.states()["data"] == "verified"


def test_nothing_is_submitted_twice(world):
    """Neither by a second submission, nor by two at once."""
    started = [world.begin("submit", "toy", "--sbatch-arg=--hold") for _ in range(2)]
    assert [process.wait(120) for process in started] == [0, 0]
    said = "".join(process.stdout.read() for process in started)
    assert said.count("jobs submitted for 26 cells") == 1, said
    assert said.count("what is missing is queued already") == 1, said
    assert world.submit() == {}
    assert_each_once(world)


def test_a_submitter_that_is_killed_half_way_is_taken_up_from_there(world, tmp_path):
    """Killed after Slurm took the job and before it could be recorded."""
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "sbatch"
    shim.write_text(
        f'#!/bin/bash\necho x >> {tmp_path}/n\nout=$({world.cluster.which("sbatch")} "$@")\n'
        f'[ $(wc -l < {tmp_path}/n) = 4 ] && kill -9 $PPID\necho "$out"\n'
    )
    shim.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{world.cluster.env['PATH']}"
    world.vlmunl("submit", "toy", "--sbatch-arg=--hold", code=-9, PATH=path)
    first = {number.partition("_")[0] for number in world.cluster.active()}
    assert len(first) == 4
    again = world.submit("--sbatch-arg=--hold")
    assert 0 < len(again) < 26
    assert not first & {number.partition("_")[0] for number in again.values()}
    assert_each_once(world)


def test_an_edited_study_has_jobs_of_its_own_for_what_changed(world):
    first = world.submit("--sbatch-arg=--hold")
    frozen = next(world.root.glob("store/slurm/toy/*/study.toml"))
    before = frozen.read_bytes()
    path = world.root / "manifests" / "toy.toml"
    path.write_text(path.read_text().replace("[methods.ga]", "[methods.ga]\nlr = 0.5"))
    assert frozen.read_bytes() == before
    again = world.json("submit", "toy", "--sbatch-arg=--hold")["jobs"]
    cells = {task["cell"] for job in again for task in job["tasks"]}
    assert cells == {"unlearn/ga/seed0", "unlearn/ga/seed1", "eval/ga/seed0", "eval/ga/seed1", "aggregate", "tables"}
    after = {task["cell"]: job["after"] for job in again for task in job["tasks"]}
    assert after["unlearn/ga/seed0"] == [f"afterok:{first['gate/seed0']}"]
    assert set(first.values()) & set(":".join(after["aggregate"]).split(":"))


def test_cancel_takes_back_what_waits_and_runs_and_nothing_else(world):
    cells = world.submit("--sbatch-arg=--hold")
    shown = world.json("cancel", "toy", "--seed", "1", "--dry-run")["cancelled"]
    assert {each["cell"] for each in shown} == {name for name in cells if name.endswith("seed1")}
    assert len(world.cluster.active()) == len(cells)
    world.vlmunl("cancel", "toy", "--seed", "1")
    gone = {name for name in cells if cells[name] not in world.cluster.active()}
    assert gone == {name for name in cells if name.endswith("seed1")}
    one = cells["unlearn/npo/seed0"]
    world.vlmunl("cancel", "toy", "--only", "unlearn/npo/seed0")
    assert one not in world.cluster.active()
    assert cells["unlearn/ga/seed0"] in world.cluster.active()
    world.vlmunl("cancel", "toy")
    assert world.cluster.active() == {}
    assert "nothing to cancel" in world.vlmunl("cancel", "toy").stdout
    assert not world.calls()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('slurm.partition="nowhere"', "invalid partition specified: nowhere"),
        ('slurm.memory="900G"', "Memory specification can not be satisfied"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_words(world, setting, words):
    done = world.vlmunl("submit", "toy", "--set", setting, "--only", "imprint", "--only", "data", code=1)
    assert words in done.stderr
    assert setting.partition("=")[2].strip('"') in done.stderr.partition("asked for: ")[2]


def test_a_failed_submission_goes_on_when_the_study_is_mended(world):
    world.vlmunl("submit", "toy", "--set", 'slurm.gate.partition="nowhere"', "--sbatch-arg=--hold", code=1)
    assert world.cluster.active()
    world.submit("--sbatch-arg=--hold")
    assert_each_once(world)


def assert_each_once(world):
    """Every cell has one job in the queue, and the ledger knows each."""
    tasks = [(task.cell, job.slurm_id(task)) for job in jobs(world.root / "store", "toy") for task in job.tasks]
    assert len(tasks) == len({cell for cell, _ in tasks}) == 26
    assert {number for _, number in tasks} == set(world.cluster.active())
