"""`run_stage`: the one place with side effects. Key, hit test, claim, scratch, streams, call, commit, record.

Commands, tests, Slurm jobs and local workers all go through it; a stage's function is pure and knows none of it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmunl.errors import CellFailed, MissingInput, Stopped, StoreDamaged, UsageError
from vlmunl.keys import JSON, jsonable, key_params, run_key
from vlmunl.rng import Streams, isolated
from vlmunl.stage_env import Measured
from vlmunl.stage_explain import Change, Reason, explain_key
from vlmunl.stage_types import Context, External, Progress, Stage, silent
from vlmunl.store import Record, Ref, Store
from vlmunl.store.claims import Claim

__all__ = [
    "Change", "Context", "External", "Progress", "Reason", "Stage", "cell_key", "explain", "input_refs", "run_stage", "silent",
]  # fmt: skip

Input = Ref | External
_TRACEBACK_LINES = 12
_MESSAGE = 2000


def input_refs(inputs: Mapping[str, Input]) -> dict[str, Ref]:
    """The content address of each input."""
    return {name: given.ref if isinstance(given, External) else given for name, given in inputs.items()}


def cell_key(stage: Stage, config: object, inputs: Mapping[str, Input]) -> str:
    """The run key of a cell, known before it runs.

    Raises:
        TypeError: `config` is not what the stage declares, or has an undeclared field.
        MissingInput: a required input is not given.
    """
    if not isinstance(config, stage.config):
        raise TypeError(f"stage {stage.name} takes a {stage.config.__name__}, got a {type(config).__name__}")
    stage.check_inputs(inputs)
    return run_key(stage.name, stage.version, key_params(config), input_refs(inputs))


def explain(
    stage: Stage,
    config: object,
    inputs: Mapping[str, Input],
    store: Store,
    *,
    cell: str | None = None,
    force: bool = False,
) -> Reason:
    """Why this cell will run, or will not. Reads records, runs nothing.

    With `cell` the comparison is with earlier records of that cell, else with any record of the stage.
    """
    key = cell_key(stage, config, inputs)
    return explain_key(
        store,
        key=key,
        document=(stage.name, stage.version, key_params(config), input_refs(inputs)),
        stored_inputs={name: given for name, given in inputs.items() if isinstance(given, Ref)},
        cell=cell,
        force=force,
    )


def run_stage(
    stage: Stage,
    config: object,
    inputs: Mapping[str, Input],
    store: Store,
    *,
    cell: str,
    seed: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Record:
    """Return the record of a cell, running it only if there is none yet.

    While another live process works on the same key, this one waits for its record. `cell` is a label;
    `seed` is recorded beside it. The random streams follow the run key alone: they start from the config's own
    `seed` (0 if it has none), so equal keys mean equal draws.

    Raises:
        CellFailed: the stage's code raised; an error record with the message is in the store.
        StoreDamaged: an input is missing from the store or damaged; nothing was recorded.
        Stopped, KeyboardInterrupt, SystemExit: passed on; nothing was recorded.
    """
    key = cell_key(stage, config, inputs)
    if not force:
        if (hit := store.best(key)) is not None:
            return hit
        store.refresh(key)  # the listing may be older than another node's record
        if (hit := store.best(key)) is not None:
            return hit
    if store.read_only:
        raise UsageError(f"{cell} has no result in {store.root}, and that store is open for reading only")
    run = _Run(stage, config, inputs, store, key, cell, seed, progress or silent)
    with store.claim(key) as claim:
        hit = _wait_for_turn(run, claim, force=force)
        return hit if hit is not None else run.execute()


def _wait_for_turn(run: _Run, claim: Claim, *, force: bool) -> Record | None:
    """Wait until this process may work; the record, if another process makes it meanwhile.

    Raises:
        CellFailed: the other process's attempt failed while this one waited for it.
    """
    store, key, pause = run.store, run.key, 0.02
    failed_before = {name for name in store.names(key) if name.outcome == "error"}
    while not claim.first():
        run.progress(0, 1, "waiting for another process that is at this cell")
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
        store.refresh(key)
        if not force and (record := store.best(key)) is not None:
            return record
        failed = {name for name in store.names(key) if name.outcome == "error"} - failed_before
        if failed:
            raise CellFailed(f"{run.cell} failed in another process: {store.load(min(failed)).error}")
    store.refresh(key)
    return None if force else store.best(key)


class _Run:
    """One execution of one cell."""

    def __init__(
        self,
        stage: Stage,
        config: object,
        inputs: Mapping[str, Input],
        store: Store,
        key: str,
        cell: str,
        seed: int | None,
        progress: Progress,
    ) -> None:
        self.stage, self.config, self.inputs, self.store = stage, config, inputs, store
        self.key, self.cell, self.seed, self.progress = key, cell, seed, progress
        self.params = key_params(config)

    def execute(self) -> Record:
        """Call the stage in a scratch directory, store what it wrote, and write the record last."""
        measured = Measured(seed=self.seed, external=self._external())
        with self.store.scratch() as scratch:
            context = self._context(scratch)
            try:
                function = self.stage.function()  # imports torch, so before the global state is saved
                with isolated(context.rng.child("ambient")):
                    metrics = function(self.config, context)
                outputs = self._put_outputs(context.out)
                record = self._record(metrics=jsonable(metrics), outputs=outputs, env=measured.finish())
                self.store.write_record(record)
            except Stopped:
                raise
            except Exception as error:
                raise self._failed(error, scratch, measured) from error
        return record

    def _external(self) -> dict[str, str]:
        return {name: str(given.path) for name, given in self.inputs.items() if isinstance(given, External)}

    def _context(self, scratch: Path) -> Context:
        out, work = scratch / "out", scratch / "work"
        out.mkdir()
        work.mkdir()
        return Context(
            out=out,
            scratch=work,
            rng=streams_of(self.stage.name, self.params),
            progress=self.progress,
            inputs=input_refs(self.inputs),
            paths={name: self._locate(name, scratch / f"in{i}") for i, name in enumerate(sorted(self.inputs))},
        )

    def _locate(self, name: str, directory: Path) -> Path:
        """Where the input lies; whatever comes from the store is checked to the last byte first."""
        given = self.inputs[name]
        if isinstance(given, External):
            if not given.path.exists():
                raise MissingInput(f"{self.cell}: input {name!r} is not at {given.path}")
            return given.path
        try:
            if given.kind == "tree":
                return self.store.checkout(given, directory)
            self.store.verify(given)
            return self.store.path(given)
        except StoreDamaged as error:
            raise StoreDamaged(f"{self.cell}: input {name!r}: {error}", error.hint) from None

    def _put_outputs(self, out: Path) -> dict[str, Ref]:
        declared = ", ".join(self.stage.outputs)
        found: dict[str, Ref] = {}
        for path in sorted(out.iterdir()):
            name = path.name.partition(".")[0]
            if name not in self.stage.outputs or name in found:
                raise ValueError(f"stage {self.stage.name} wrote {path.name}; it declares one each of: {declared}")
            found[name] = self.store.put_tree(path) if path.is_dir() else self.store.put_file(path)
        if missing := sorted(set(self.stage.outputs) - set(found)):
            raise ValueError(f"stage {self.stage.name} did not write {', '.join(missing)}")
        return found

    def _record(self, *, env: dict[str, Any], **result: Any) -> Record:
        return Record(
            key=self.key,
            cell=self.cell,
            stage=self.stage.name,
            stage_version=self.stage.version,
            params=self.params,
            inputs=input_refs(self.inputs),
            env=env,
            outcome="error" if "error" in result else "ok",
            **result,
        )

    def _failed(self, error: Exception, scratch: Path, measured: Measured) -> CellFailed:
        """Record the error, if the store still takes a record, and turn it into `CellFailed`."""

        def plain(text: str) -> str:
            return text.replace(str(scratch), "SCRATCH").encode(errors="replace").decode()

        message = plain(f"{type(error).__name__}: {error}")[:_MESSAGE]
        lines = plain("".join(traceback.format_exception(error))).splitlines()[-_TRACEBACK_LINES:]
        try:
            path = self.store.write_record(self._record(error=message, env=measured.finish() | {"traceback": lines}))
        except OSError as second:
            return CellFailed(f"{self.cell} failed: {message}", f"its error could not be recorded: {second}")
        return CellFailed(f"{self.cell} failed: {message}", f"its traceback is in {path}")


def streams_of(stage: str, params: Mapping[str, JSON]) -> Streams:
    """The random streams of a cell: a function of its key, equal for every cell that differs in its inputs alone.

    Models that are scored or trained by one recipe so share their draws, and differences between them are paired.
    """
    seed = params.get("seed", 0)
    names = [str(params[name]) for name in ("role", "method") if name in params]
    return Streams(seed if isinstance(seed, int) else 0, (stage, *names))
