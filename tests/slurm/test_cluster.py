"""The throwaway Slurm itself: what the other tests take for granted of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import missing

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def test_a_job_runs_and_its_exit_code_is_known(slurm, tmp_path):
    log = tmp_path / "log.txt"
    job = slurm.submit("--output", log, "--wrap", "echo told; exit 7")
    seen = slurm.wait(job)[job]
    assert (seen.state, log.read_text()) == ("FAILED", "told\n")
    assert slurm.show(job)["ExitCode"] == "7:0"


def test_gpus_are_told_by_cuda_visible_devices(slurm, tmp_path):
    line = "printenv CUDA_VISIBLE_DEVICES; until [ -e go ]; do sleep 0.05; done"
    jobs = [
        slurm.submit("--gpus-per-node=1", "--output", tmp_path / f"{n}.txt", "--wrap", line, cwd=tmp_path)
        for n in range(2)
    ]
    for job in jobs:
        slurm.wait_for(job, "RUNNING")
    (tmp_path / "go").touch()
    slurm.wait(*jobs)
    assert {(tmp_path / f"{n}.txt").read_text() for n in range(2)} == {"0\n", "1\n"}


def test_a_failed_task_blocks_its_follower_alone(slurm):
    first = slurm.submit("--array=0-1", "--wrap", "exit $SLURM_ARRAY_TASK_ID")
    then = slurm.submit(f"--dependency=aftercorr:{first}", "--kill-on-invalid-dep=yes", "--array=0-1", "--wrap", "true")
    seen = slurm.wait(first, then)
    assert [seen[f"{then}_{n}"].state for n in range(2)] == ["COMPLETED", "CANCELLED"]


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_nothing_is_left_when_the_tests_are_killed(tmp_path):
    """SIGKILL of the process that started it: daemons, jobs and folder go."""
    code = """
import sys
from tests.slurm.cluster import start
cluster = start()
job = cluster.submit("--output=/dev/null", "--wrap", "trap '' TERM; sleep 1000 & wait")
cluster.wait_for(job, "RUNNING")
print(cluster.folder, cluster.keeper.pid, flush=True)
sys.stdin.read()
"""
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder, keeper = child.stdout.readline().split()
    assert _using(folder)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    until = time.monotonic() + 30
    while (Path(folder).exists() or Path(f"/proc/{keeper}").exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not _using(folder)


def _using(folder):
    """Processes with that Slurm's configuration in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and f"SLURM_CONF={folder}".encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found
