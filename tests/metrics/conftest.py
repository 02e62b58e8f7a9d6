"""Run the statistics on a made-up world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.worlds import World, routes
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows

Json = dict[str, Any]
Judge = Callable[..., Json]


@pytest.fixture
def aggregate(tmp_path: Path) -> Judge:
    """(world, rows, claims, missing, **config) -> the verified results."""
    calls = iter(range(1000))

    def run(
        world: World,
        rows: tuple[str, ...],
        claims: Mapping[str, str] | None = None,
        missing: Mapping[str, tuple[str, str]] | None = None,
        **given: Any,
    ) -> Json:
        folder = tmp_path / str(next(calls))
        folder.mkdir()
        paths = world.write(folder, rows, missing)
        config = world.config(rows, claims, **given)
        tables = {n: read_rows(p, ("model",) if n[:4] == "gate" else ()) for n, p in paths.items() if n != "manifest"}
        return results(config, read_evidence(paths["manifest"]), routes(world.route_ids), tables)

    return run
