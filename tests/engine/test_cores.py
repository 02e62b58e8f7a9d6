"""How many cores a process may use."""

from __future__ import annotations

import os

from vlmunl.engine.cores import usable_cores


def test_the_tightest_limit_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    group = tmp_path / "cgroup" / "a" / "b"
    group.mkdir(parents=True)
    assert usable_cores(tmp_path / "cgroup", own) == 8
    (group / "cpu.max").write_text("max 100000\n")
    (group.parent / "cpu.max").write_text("250000 100000\n")
    assert usable_cores(tmp_path / "cgroup", own) == 3
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    assert usable_cores(tmp_path / "cgroup", own) == 2
    assert usable_cores(tmp_path / "nowhere", tmp_path / "none") == 2


def test_version_one_quota(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/job\n")
    group = tmp_path / "cpu,cpuacct" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("150000")
    (group / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path, own) == 2
    (group / "cpu.cfs_quota_us").write_text("-1")
    assert usable_cores(tmp_path, own) == 8
