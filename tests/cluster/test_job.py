"""What a process knows of its Slurm job, and when it asks to be run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmunl.cluster import job

PLAIN = {"SLURM_JOB_ID": "12"}
ARRAY = {"SLURM_JOB_ID": "13", "SLURM_ARRAY_JOB_ID": "10", "SLURM_ARRAY_TASK_ID": "3", "SLURM_RESTART_COUNT": "2"}


def test_outside_of_a_job_there_is_none() -> None:
    assert job.current({}) is None


def test_a_job_and_a_task_of_an_array(tmp_path: Path) -> None:
    log = tmp_path / "12.out"
    log.touch()
    (tmp_path / "fd").symlink_to(log)
    found = job.current(PLAIN | {"SLURMD_NODENAME": "n7"}, tmp_path / "fd")
    assert found == job.SlurmJob(id="12", node="n7", log=str(log))
    assert found.name == "12"
    task = job.current(ARRAY, Path("/dev/null"))
    assert task == job.SlurmJob(id="13", array="10", index=3, restarts=2)
    assert task.name == "10_3"
    told = job.current(PLAIN | {"VLMUNL_LOG": "/else"}, tmp_path / "fd")
    assert told is not None
    assert told.log == "/else", "a worker's own output goes elsewhere"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({}, ""),
        ({"VLMUNL_REQUEUE": "3"}, ""),
        ({"VLMUNL_REQUEUE": "2"}, "it has been restarted 2 times already, and VLMUNL_REQUEUE allows 2"),
        ({"VLMUNL_REQUEUE": "0"}, "VLMUNL_REQUEUE=0"),
        ({"VLMUNL_REQUEUE": "no"}, "VLMUNL_REQUEUE=no is no number"),
    ],
)
def test_how_often(told: dict[str, str], why: str) -> None:
    found = job.current(ARRAY, Path("/dev/null"))
    assert found is not None
    assert job.may_requeue(found, told) == why


def test_what_is_said_and_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    for name in [*ARRAY, "VLMUNL_REQUEUE", "VLMUNL_LOG"]:
        monkeypatch.delenv(name, raising=False)
    job.queue_again(said.append, further=True)
    assert said == []
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(tmp_path))
    job.queue_again(said.append, further=False)
    job.queue_again(said.append, further=True)
    assert said == [
        "job 12 is not put back into the queue: it got no further than where it began; give it more time",
        "job 12 goes back into the queue (restart 1)",
        "it did not: scontrol requeue 12: [Errno 2] No such file or directory: 'scontrol'",
    ]
