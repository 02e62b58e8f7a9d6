"""The run manifest: which records count as evidence for a study, and what every other cell lacks.

It holds no time, host or path, so equal evidence gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlmunl.keys import jsonable
from vlmunl.manifests.plan import Plan

if TYPE_CHECKING:
    from vlmunl.manifests.states import CellState

SCHEMA = 1
_TOLD = ("steps", "trial", "settings", "budget", "tried", "tuning_recovery", "asking")
"""What the tables show beside the rows: the cost of training, a choice among trials, how a route was searched for, and
which routes could not be asked."""


def manifest_bytes(plan: Plan, states: Mapping[str, CellState]) -> bytes:
    """Sorted, indented JSON with a final newline."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document(plan, states), option=options)


def document(plan: Plan, states: Mapping[str, CellState]) -> dict[str, Any]:
    """The manifest as plain JSON; `states` are those of the plan's evidence, in the order of work.

    What a cluster was asked for is left out of the overrides: the same evidence is the same manifest wherever it ran.
    """
    study = plan.study
    return {
        "schema": SCHEMA,
        "study": study.name,
        "study_sha256": study.sha256,
        "overrides": jsonable({key: value for key, value in study.overrides.items() if not key.startswith("slurm.")}),
        "catalogue": {"hash": plan.catalogue, "routes": list(plan.routes)},
        "seeds": [_seed(seed, states[f"gate/seed{seed}"]) for seed in study.study.seeds],
        "cells": [_cell(state) for state in states.values()],
    }


def _seed(seed: int, gate: CellState) -> dict[str, Any]:
    measured = gate.gate.to_json() if gate.gate is not None else {}
    return {"seed": seed, "status": gate.status, "reason": gate.reason, "gate": measured}


def _cell(state: CellState) -> dict[str, Any]:
    """One line of evidence; `record`, `outputs` and `metrics` are filled where there is a result."""
    entry: dict[str, Any] = {
        "cell": state.cell.name,
        "stage": state.cell.stage.name,
        "status": state.status,
        "reason": state.reason,
        "key": state.key,
        "record": None,
        "outputs": {},
        "metrics": {},
    }
    if state.done and state.record is not None:
        entry["record"] = state.record.name.file
        entry["outputs"] = {name: ref.to_json() for name, ref in sorted(state.record.outputs.items())}
        entry["metrics"] = {name: state.record.metrics[name] for name in _TOLD if name in state.record.metrics}
    if state.gate is not None:
        entry["gate"] = {"passed": state.gate.passed, "formats": state.gate.to_json()}
    return entry
