"""A real Slurm of one node, made for the tests: its configuration, and what tests ask of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CPUS, MEMORY, GPUS = 4, 64_000, 2
"""What the node says it has; CPUs, MiB, and GPUs that are device files of another kind."""

_ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "STOPPED"}

_CONFIG = """
ClusterName=vlmunltest
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=200
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
GresTypes=gpu
MinJobAge=600
KillWait=5
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=5 PreemptMode=OFF
PartitionName=low   Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=15
PartitionName=high  Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why there can be no Slurm here; empty if there can."""
    programs = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
    absent = [name for name in programs if _which(name) is None]
    return f"no {absent[0]} on this machine: apt-get install slurm-wlm" if absent else ""


class Seen(NamedTuple):
    """What `squeue` says of a job or of one task of an array."""

    state: str
    reason: str

    @property
    def active(self) -> bool:
        """Does it wait or run?"""
        return self.state in _ACTIVE


@dataclass
class Cluster:
    """A running Slurm. Give `env` to whatever is to use it."""

    folder: Path
    env: Mapping[str, str]
    keeper: subprocess.Popen[str] = field(repr=False)

    def run(
        self, *command: str | Path, check: bool = True, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the cluster's environment."""
        done = subprocess.run(
            [str(part) for part in command],
            env={**self.env, **(env or {})},
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def which(self, name: str) -> str:
        """Where one of its programs is."""
        return str(_which(name))

    def submit(self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """`sbatch ARGUMENTS`; returns the job's number."""
        return self.run("sbatch", "--parsable", *arguments, env=env, cwd=cwd).stdout.split(";")[0].strip()

    def queue(self) -> dict[str, Seen]:
        """Every job that Slurm remembers, finished ones too; tasks of arrays as `12_3`."""
        text = self.run("squeue", "-h", "-a", "-r", "-t", "all", "-o", "%i|%T|%r").stdout
        rows = (line.split("|", 2) for line in text.splitlines())
        return {number: Seen(state.split()[0], reason) for number, state, reason in rows}

    def active(self) -> dict[str, Seen]:
        """The jobs and tasks that wait or run."""
        return {number: seen for number, seen in self.queue().items() if seen.active}

    def wait(self, *jobs: str, timeout: float = 120.0) -> dict[str, Seen]:
        """Until these jobs (every task of an array; without any: all jobs) have ended; returns how."""
        until = time.monotonic() + timeout
        while True:
            mine = {n: s for n, s in self.queue().items() if not jobs or n in jobs or n.partition("_")[0] in jobs}
            if not any(seen.active for seen in mine.values()):
                return mine
            if time.monotonic() > until:
                self.cancel()
                raise AssertionError(f"not ended after {timeout:.0f} s: {mine}")
            time.sleep(0.1)

    def wait_for(self, job: str, *states: str, timeout: float = 60.0) -> Seen:
        """Until a job or task is in one of these states."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            seen = self.queue().get(job)
            if seen is not None and seen.state in states:
                return seen
            time.sleep(0.05)
        raise AssertionError(f"{job} is {self.queue().get(job)}, not {states}, after {timeout:.0f} s")

    def show(self, job: str) -> dict[str, str]:
        """`scontrol show job` as a mapping."""
        text = self.run("scontrol", "show", "job", "-o", job).stdout
        return dict(re.findall(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", text))

    def pids(self, job: str) -> list[int]:
        """The processes of a running job, or of a task of an array, the batch script's first."""
        marks = (f"SLURM_JOB_ID={self.show(job)['JobId']}".encode(), f"SLURM_CONF={self.env['SLURM_CONF']}".encode())
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and set(marks) <= set((entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
            except OSError:
                continue
        return sorted(found)

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs, without any: all."""
        ids = list(jobs) or sorted({number.partition("_")[0] for number in self.active()})
        if ids:
            self.run("scancel", *ids, check=False)

    def clear(self) -> None:
        """Cancel every job and wait until all have gone."""
        self.cancel()
        until = time.monotonic() + 60
        while self.active() and time.monotonic() < until:
            time.sleep(0.1)
        assert not self.active(), self.active()

    def stop(self) -> None:
        """End the daemons and every job."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait(60)


def start(attempts: int = 3) -> Cluster:
    """A new Slurm on free ports of the loopback. Raises AssertionError with the daemons' words."""
    for attempt in range(attempts):
        folder = Path(tempfile.mkdtemp(prefix="vlmunl-slurm-"))  # short: Slurm's sockets lie in it
        keeper, env = _begin(folder)
        assert keeper.stdout is not None
        if keeper.stdout.readline().strip() == "up":
            return Cluster(folder=folder, env=env, keeper=keeper)
        said = keeper.communicate()[1]
        assert attempt < attempts - 1, f"Slurm did not start: {said}"
    raise AssertionError("no attempt to start Slurm")


def _begin(folder: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    for name in ("state", "spool", "log"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    ports = _free_ports(2)
    for number in range(GPUS):  # a device file of any kind passes for a GPU
        (folder / f"gpu{number}").symlink_to("/dev/null")
    text = _CONFIG.format(
        folder=folder,
        host=host,
        user=_user(),
        ctld_port=ports[0],
        d_port=ports[1],
        cpus=CPUS,
        memory=MEMORY,
        gpus=GPUS,
    )
    (folder / "slurm.conf").write_text(text.lstrip())
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
    foreign = ("SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_", "SRUN_", "SALLOC_", "VLMUNL_", "CUDA_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    daemons = {f"TEST_{name.upper()}": str(_which(name)) for name in ("slurmctld", "slurmd")}
    keeper = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "keeper.py"), str(folder)],
        env={**env, **daemons},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return keeper, env


def _free_ports(number: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _path() -> str:
    """PATH with the folders that daemons lie in, which not every account has in it."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/bin"])


def _which(name: str) -> str | None:
    return shutil.which(name, path=_path())
