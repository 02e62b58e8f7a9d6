"""One execution of a stage: scratch, inputs, random streams, call, commit, record."""

from __future__ import annotations

import json
import os
import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmunl.cluster import job
from vlmunl.errors import CellFailed, MissingInput, Stopped, StoreDamaged
from vlmunl.keys import JSON, canonical, jsonable, key_params
from vlmunl.rng import Streams, isolated
from vlmunl.stage_env import Measured
from vlmunl.stage_keep import Keeping
from vlmunl.stage_types import Caller, Context, External, Input, Progress, Stage, StageFunction, Stop, input_refs
from vlmunl.store import Record, Ref, Store
from vlmunl.store.doing import Doing, Telling

_TRACEBACK_LINES = 12
_MESSAGE = 2000


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of one cell."""

    stage: Stage
    config: object
    inputs: Mapping[str, Input]
    store: Store
    key: str
    cell: str
    seed: int | None
    progress: Progress
    caller: Caller | None = None
    stop: Stop = field(default_factory=Stop)

    def run(self) -> Record:
        """Call the stage in a scratch directory, store what it wrote, and write the record last.

        Raises: what `run_stage` raises, and OSError if the store cannot be used.
        """
        told = self.caller.env(self.stage) if self.caller is not None else {}
        measured = Measured(seed=self.seed, external=self._external(), **told)
        with self.store.scratch() as scratch, Telling(self.store.root, self._doing()) as telling:
            keeping = Keeping(self.store.root, self.key, self.cell, self.stop, telling.resumed)
            context = self._context(scratch, telling, keeping)
            try:
                function = self.stage.function()  # imports torch, so before the global state is saved
                with isolated(context.rng.child("ambient")):
                    metrics = self._called(function, context)
                outputs = self._put_outputs(context.out)
                plain = json.loads(canonical(jsonable(metrics)))  # as they will be read back
                record = self._record(metrics=plain, outputs=outputs, env=measured.finish() | job_env())
                self.store.write_record(record)
                keeping.forget()
            except Stopped:
                raise
            except Exception as error:
                if keeping.taken_up:
                    keeping.forget()
                raise self._failed(error, scratch, measured) from error
        return record

    def _doing(self) -> Doing:
        here, now = job.current(), time.time()
        return Doing(
            key=self.key,
            cell=self.cell,
            host=socket.gethostname(),
            pid=os.getpid(),
            since=now,
            updated=now,
            job=here.name if here is not None else "",
            log=here.log if here is not None else "",
        )

    def _called(self, function: StageFunction, context: Context) -> Mapping[str, JSON]:
        if self.caller is None:
            return function(self.config, context)
        return self.caller.call(self.stage, function, self.config, context)

    def _external(self) -> dict[str, str]:
        places = {name: given.path for name, given in self.inputs.items() if isinstance(given, External)}
        return {name: str(path).encode(errors="replace").decode() for name, path in places.items()}

    def _context(self, scratch: Path, telling: Telling, keeping: Keeping) -> Context:
        def progress(done: int, total: int, note: str) -> None:
            telling.progress(done, total, note)
            self.progress(done, total, note)

        out, work = scratch / "out", scratch / "work"
        out.mkdir()
        work.mkdir()
        return Context(
            out=out,
            scratch=work,
            rng=streams_of(self.stage.name, key_params(self.config)),
            progress=progress,
            keep=keeping,
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
            self.store.set_aside(given)
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
            params=key_params(self.config),
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
            env = measured.finish() | {"traceback": lines} | _details(error) | job_env()
            path = self.store.write_record(self._record(error=message, env=env))
        except OSError as second:
            return CellFailed(f"{self.cell} failed: {message}", f"its error could not be recorded: {second}")
        return CellFailed(f"{self.cell} failed: {message}", f"its traceback is in {path}")


def job_env() -> dict[str, str]:
    """The Slurm job around a cell, as the ledger spells it, and where its output is."""
    here = job.current()
    return {} if here is None else {"slurm_job": here.name} | ({"log": here.log} if here.log else {})


def _details(error: Exception) -> dict[str, Any]:
    """What an error wants to be recorded with it (the curve of a training that diverged), if that can be spelt."""
    details = getattr(error, "details", {})
    try:
        return {"details": json.loads(canonical(jsonable(details)))} if details else {}
    except ValueError:
        return {}


def streams_of(stage: str, params: Mapping[str, JSON]) -> Streams:
    """The random streams of a cell: a function of its key, equal for every cell that differs in its inputs alone.

    Models that are scored or trained by one recipe so share their draws, and differences between them are paired.
    """
    seed = params.get("seed", 0)
    names = [str(params[name]) for name in ("role", "method") if name in params]
    return Streams(seed if isinstance(seed, int) else 0, (stage, *names))
