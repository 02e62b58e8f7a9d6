"""A real Slurm, started once for each test process and ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing, start
from tests.slurm.world import World, toy_world


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running Slurm; the test is skipped where there is none."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    running = start()
    yield running
    running.stop()


@pytest.fixture
def slurm(cluster: Cluster) -> Iterator[Cluster]:
    """The running Slurm with nothing in its queue; what the test leaves there is cancelled."""
    yield cluster
    cluster.clear()


@pytest.fixture
def world(slurm: Cluster, tmp_path: Path) -> World:
    """A workspace with a study that costs nothing, beside an empty queue."""
    return toy_world(tmp_path / "space", slurm)
