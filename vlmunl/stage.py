"""`run_stage`: the one place with side effects. Key, hit test, claim, scratch, streams, call, commit, record.

Commands, tests, Slurm jobs and local workers all go through it; a stage's function is pure and knows none of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from vlmunl.errors import CellFailed, Stopped, UsageError, VlmunlError
from vlmunl.keys import key_params, run_key_of_spelt, spelt_params
from vlmunl.stage_execute import Execution
from vlmunl.stage_explain import Change, Reason, explain_key
from vlmunl.stage_types import Caller, Context, External, Input, Progress, Stage, Stop, input_refs, silent
from vlmunl.store import Record, Ref, Store
from vlmunl.store.claims import Claim

__all__ = [
    "Caller",
    "Change",
    "Context",
    "External",
    "Input",
    "Progress",
    "Reason",
    "Stage",
    "Stop",
    "cell_key",
    "explain",
    "input_refs",
    "run_stage",
    "silent",
]


def cell_key(stage: Stage, config: object, inputs: Mapping[str, Input], spelt: bytes | None = None) -> str:
    """The run key of a cell, known before it runs; `spelt` is `spelt_params(config)` if the caller has it already.

    Raises:
        TypeError: `config` is not what the stage declares, or has an undeclared field.
        MissingInput: a required input is not given.
    """
    if not isinstance(config, stage.config):
        raise TypeError(f"stage {stage.name} takes a {stage.config.__name__}, got a {type(config).__name__}")
    stage.check_inputs(inputs)
    return run_key_of_spelt(stage.name, stage.version, spelt or spelt_params(config), input_refs(inputs))


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
    caller: Caller | None = None,
    stop: Stop | None = None,
) -> Record:
    """Return the record of a cell, running it only if there is none yet.

    While another live process works on the same key, this one waits for its record. `cell` is a label;
    `seed` is recorded beside it. `caller` calls the stage's function, if it is not to be called just here; `stop`
    says whether it is to stop, which training and scoring do with their state kept for the next attempt. The random
    streams follow the run key alone: they start from the config's own `seed` (0 if it has none), so equal keys mean
    equal draws.

    Raises:
        CellFailed: the stage's code raised; an error record with the message is in the store.
        StoreDamaged: an input is missing from the store or damaged; nothing was recorded, and what is damaged
            was set aside, so that running the cell that made it makes it anew.
        VlmunlError: the store cannot be written (a full disk); nothing was recorded.
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
    work = Execution(
        stage=stage,
        config=config,
        inputs=inputs,
        store=store,
        key=key,
        cell=cell,
        seed=seed,
        progress=progress or silent,
        caller=caller,
        stop=stop or Stop(),
    )
    try:
        with store.claim(key) as claim:
            hit = _wait_for_turn(work, claim, force=force)
            return hit if hit is not None else work.run()
    except OSError as error:
        hint = "make room or mend the file system, then run again"
        raise VlmunlError(f"{cell}: the store {store.root} cannot be used: {error}", hint) from error


def _wait_for_turn(work: Execution, claim: Claim, *, force: bool) -> Record | None:
    """Wait until this process may work; the record, if another process makes it meanwhile.

    Raises:
        CellFailed: the other process's attempt failed while this one waited for it.
        Stopped: a stop is asked for.
    """
    store, key, pause = work.store, work.key, 0.02
    store.refresh(key)
    failed_before = {name for name in store.names(key) if name.outcome == "error"}
    while not claim.first():
        work.progress(0, 1, "waiting for another process that is at this cell")
        if work.stop.asked():
            raise Stopped(f"{work.cell} was stopped while another process is at it")
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
        store.refresh(key)
        if not force and (record := store.best(key)) is not None:
            return record
        failed = {name for name in store.names(key) if name.outcome == "error"} - failed_before
        errors = [record.error for record in store.all_for(key) if record.name in failed]
        if errors:
            raise CellFailed(f"{work.cell} failed in another process: {errors[0]}")
    store.refresh(key)
    return None if force else store.best(key)
