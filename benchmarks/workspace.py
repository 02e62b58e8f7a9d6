"""A workspace with a finished study of as many cells as wanted, made from stages that cost nothing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import fake_stages

from vlmunl.commands.progress import Plain
from vlmunl.engine.run import execute
from vlmunl.keys import address_of, spelt_params
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import CellOutput, Plan, plan
from vlmunl.out import Out
from vlmunl.stage import Input, run_stage
from vlmunl.store import Record, Store

BUILD = Path(__file__).parents[1] / "build" / "benchmarks"
METHODS = 9
PER_SEED = 3 + 1 + 3 + 2 * METHODS  # imprints, gate, their scorings, each method and its scoring
_HEAD = '[study]\nname = "bench"\nseeds = {seeds}\n[model]\nid = "base"\n'


def study_text(cells: int) -> str:
    """A study of about `cells` cells: independent seeds, each with the same graph."""
    seeds = list(range(max(1, round(cells / PER_SEED))))
    methods = "".join(f'[methods.m{i}]\nlike = "ga"\nsteps = {10 + i}\n' for i in range(METHODS))
    return _HEAD.format(seeds=seeds) + methods


def planned(root: Path) -> Plan:
    """The plan of the workspace's study; its stages are the fake ones."""
    study = load_study(root / "manifests" / "bench.toml")
    return plan(study, base_model(study, root), stages=fake_stages.FAKES)


def finished(cells: int) -> tuple[Path, Plan]:
    """A workspace in `build/benchmarks` in which every cell of the study is done; made once, then kept."""
    root = BUILD / f"study-{cells}"
    mark = root / "done"
    if not mark.exists() or mark.read_text() != _generation(root):
        shutil.rmtree(root, ignore_errors=True)
        (root / "manifests").mkdir(parents=True)
        (root / "manifests" / "bench.toml").write_text(study_text(cells))
        (root / "base").mkdir()
        (root / "base" / "config.json").write_text("{}")
        _fill(planned(root), Store.open(root / "store"))
        mark.write_text(_generation(root))
    return root, planned(root)


def _generation(root: Path) -> str:
    """What a kept workspace must have been made with: these stages and settings, by these fakes."""
    asked = [(cell.name, cell.stage.version, spelt_params(cell.config)) for cell in planned(root).cells]
    return address_of([repr(asked).encode(), Path(fake_stages.__file__).read_bytes()])


def _fill(given: Plan, store: Store) -> None:
    """Every cell in this process, the results by the engine, as in a real run."""
    records: dict[str, Record] = {}
    for i, cell in enumerate(given.evidence):
        inputs: dict[str, Input] = {
            name: records[source.cell].outputs[source.output] if isinstance(source, CellOutput) else source
            for name, source in cell.inputs.items()
        }
        records[cell.name] = run_stage(cell.stage, cell.config, inputs, store, cell=cell.name, seed=cell.seed)
        if i % 100 == 0:
            print(f"making a finished study: {i} of {len(given.cells)} cells", file=sys.stderr)
    outcome = execute(given, Store.open(store.root), Plain(Out(quiet=True)), jobs=1)
    if outcome.errors:
        raise SystemExit(f"the study could not be made: {outcome.errors}")
