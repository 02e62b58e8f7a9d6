"""This machine as part of a cluster: is it a login node, and what partitions are there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlmunl.cluster.queue import Trouble, ask

_CONFIGS = ("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf")
_BESIDE = ("etc/slurm.conf", "etc/slurm/slurm.conf")
_SINFO = "%P|%a|%l|%D|%c|%m|%G"


def login_node() -> bool:
    """Is Slurm here, and no job around this process? So it is on login nodes, where nothing heavy is to run."""
    return "SLURM_JOB_ID" not in os.environ and has_slurm() and not _inside()


def has_slurm() -> bool:
    """Can jobs be submitted from here: is there `sbatch`, and a configuration that tells it where to?"""
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        return False
    if os.environ.get("SLURM_CONF") or os.environ.get("SLURM_CONF_SERVER"):
        return True
    prefix = Path(sbatch).resolve().parent.parent  # /opt/slurm of /opt/slurm/bin/sbatch
    return any(path.exists() for path in (*map(Path, _CONFIGS), *(prefix / name for name in _BESIDE)))


def _inside(own: Path = Path("/proc/self/cgroup")) -> bool:
    """Was this shell, opened on a compute node by ssh, taken into the user's job there (pam_slurm_adopt)?"""
    try:
        return re.search(r"/slurm(?:stepd\.scope)?.*/job_\d+", own.read_text()) is not None
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Equal nodes of a partition, so many of them: their cores, memory in MiB, and accelerators by kind.

    `limit` is the longest time of a job as Slurm spells it.
    """

    name: str
    default: bool
    up: bool
    limit: str
    nodes: int
    cores: int
    memory: int
    accelerators: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """`12 nodes of 64 cores, 251 GiB and 4 a100; jobs of up to 2-00:00:00`."""
        gpus = "".join(f", {number} {kind}" for kind, number in self.accelerators.items()) or ", no accelerator"
        nodes = f"{self.nodes} node{'s' if self.nodes != 1 else ''} of {self.cores} cores, {self.memory / 1024:.0f} GiB"
        longest = "of any length" if self.limit == "infinite" else f"of up to {self.limit}"
        return f"{nodes}{gpus}; jobs {longest}{'' if self.up else '; it is DOWN'}{'; the default' * self.default}"


def partitions() -> list[Partition]:
    """Those that this user is shown.

    Raises:
        Trouble: Slurm does not answer.
    """
    return list(parse(ask("sinfo", "-h", "-o", _SINFO)))


def parse(text: str) -> Iterator[Partition]:
    """The lines of `sinfo`; a `+` after a number means that some nodes have more."""
    for line in text.splitlines():
        parts = line.split("|", 6)
        if len(parts) != 7:
            continue
        name, up, limit, *numbers, gres = parts
        nodes, cores, memory = (int(n.rstrip("+")) if n.rstrip("+").isdecimal() else 0 for n in numbers)
        yield Partition(
            name=name.rstrip("*"),
            default=name.endswith("*"),
            up=up == "up",
            limit=limit,
            nodes=nodes,
            cores=cores,
            memory=memory,
            accelerators=accelerators(gres),
        )


def accelerators(gres: str) -> dict[str, int]:
    """`{"a100": 4}` of `gpu:a100:4(S:0-1),lscratch:800`; those of no type are called `GPU`."""
    found: dict[str, int] = {}
    for part in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = part.split(":")
        if kind == "gpu" and rest and rest[-1].isdecimal():
            name = rest[0] if len(rest) > 1 else "GPU"
            found[name] = found.get(name, 0) + int(rest[-1])
    return found


@dataclass(frozen=True, kw_only=True)
class Site:
    """What Slurm is to this machine. `job` is the one around this process; `trouble` why there are no partitions."""

    slurm: bool
    login_node: bool
    job: str = ""
    partitions: tuple[Partition, ...] = ()
    trouble: str = ""


def survey() -> Site:
    """Look at all of it; `sinfo` is asked if Slurm is here."""
    job, slurm = os.environ.get("SLURM_JOB_ID", ""), has_slurm()
    if not slurm:
        return Site(slurm=False, login_node=False, job=job)
    try:
        found, trouble = tuple(partitions()), ""
    except Trouble as error:
        found, trouble = (), str(error)
    return Site(slurm=True, login_node=login_node(), job=job, partitions=found, trouble=trouble)
