"""The toy study with a store, a ledger and progress files that tests write as they need them."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vlmunl.cluster import ledger
from vlmunl.cluster.scene import Lookout
from vlmunl.cluster.specs import specs
from vlmunl.cluster.standing import Standing, standings
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.states import Board
from vlmunl.stage import run_stage
from vlmunl.store import Store
from vlmunl.store.doing import FOLDER, Doing, to_bytes


class World:
    """The toy study, its store, and its standings."""

    def __init__(self, space: Path) -> None:
        study = load_study(space / "manifests" / "toy.toml")
        self.plan = plan(study, base_model(study, space))
        self.store = Store.open(space / "store")
        self.space = space

    def do(self, *names: str) -> None:
        """Run cells here and now."""
        for name in names:
            state = Board(self.plan, self.store)[name]
            assert state.inputs is not None
            cell = state.cell
            run_stage(cell.stage, cell.config, state.inputs, self.store, cell=name, seed=cell.seed)

    def submit(
        self, number: str, *cells: str, array: bool = False, log: str = "", ago: float = 0, spec: str = ""
    ) -> ledger.Job:
        """As if a job had been submitted for them."""
        when = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago)
        job = ledger.Job(
            id=number,
            name="vl",
            study="toy",
            submission="s",
            stage=cells[0].partition("/")[0],
            seed=None,
            tasks=tuple(
                ledger.Task(cell=c, spec=spec or specs(self.plan)[c], index=i if array else None)
                for i, c in enumerate(cells)
            ),
            log=log or str(self.space / "logs" / f"{number}_{{index}}.log"),
            script="",
            submitted=when.isoformat(timespec="seconds"),
        )
        ledger.write(self.store.root, job)
        return job

    def log(self, job: ledger.Job, *lines: str) -> Path:
        path = job.log_of(job.tasks[0])
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def doing(self, cell: str, **given: object) -> None:
        """As if a process were at the cell just now."""
        key = Board(self.plan, self.store)[cell].key
        assert key is not None
        now = time.time()
        doing = Doing(key=key, cell=cell, host="node7", pid=os.getpid(), since=now - 200, updated=now)
        (self.store.root / FOLDER).mkdir(exist_ok=True)
        path = self.store.root / FOLDER / f"{key}.x.json"
        path.write_bytes(to_bytes(replace(doing, **given)))

    def stand(self) -> dict[str, Standing]:
        board = Board(self.plan, self.store)
        return {row.cell: row for row in standings(board, Lookout(self.plan).look(board), "toy")}


@pytest.fixture
def world(space: Path) -> World:
    return World(space)
