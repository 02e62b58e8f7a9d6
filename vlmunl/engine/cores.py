"""How many cores this process may really use: affinity, the cgroup's quota, the Slurm job, manners on a login node."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
LOGIN = 4
"""Cores that are used of a login node, which is everybody's."""


def usable_cores(cgroup: Path = _CGROUP, own: Path = Path("/proc/self/cgroup")) -> int:
    """At least 1; never the whole login node when less is granted."""
    limits = [_affinity(), _quota(cgroup, own), _slurm(), _login()]
    return max(1, min(limit for limit in limits if limit is not None))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _slurm() -> int | None:
    """Those of the task, else those that the job has of this node: not every site binds its jobs to them."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    return None


def _login() -> int | None:
    from vlmunl.cluster.site import login_node

    return LOGIN if login_node() else None


def _quota(root: Path, own: Path) -> int | None:
    """The tightest CPU quota (cgroup v2, else v1) of this process's group and those above it, rounded up."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            limits += [_v2(folder) for folder in _upwards(root, path)]
        elif "cpu" in controllers.split(","):
            limits += [_v1(folder) for base in (root / controllers, root / "cpu") for folder in _upwards(base, path)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _upwards(root: Path, path: str) -> list[Path]:
    folder = root / path.strip("/")
    return [f for f in (folder, *folder.parents) if f == root or root in f.parents]


def _v2(folder: Path) -> int | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return None if quota == "max" else math.ceil(int(quota) / int(period))


def _v1(folder: Path) -> int | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return math.ceil(quota / period) if quota > 0 and period > 0 else None
