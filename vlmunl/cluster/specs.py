"""What a cell is before it runs: a digest of its stage, its keyed parameters and those of everything upstream.

A run key is known once the inputs are there; of a job that waits for them this is known. Two cells with one spec have
one run key, if what is above them is deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping

import xxhash

from vlmunl.keys import canonical, jsonable, spelt_params
from vlmunl.manifests.cells import Cell, CellOutput, Plan


def specs(plan: Plan) -> Mapping[str, str]:
    """Cell -> its spec, 32 hex digits."""
    found: dict[str, str] = {}
    parts: dict[tuple[int, int], bytes] = {}
    for cell in plan.cells:
        found[cell.name] = _digest(cell, _above(cell, plan, found), parts)
    return found


def _above(cell: Cell, plan: Plan, known: Mapping[str, str]) -> dict[str, str]:
    """What it reads: other cells by their spec, and what lies outside the store by its content."""
    above = {}
    for name, source in cell.inputs.items():
        if isinstance(source, CellOutput):
            above[name] = f"{known[source.cell]} {source.output}"
        else:
            above[name] = source.ref.sha256
    if cell.after_gate is not None:
        above["after gate"] = known[cell.after_gate]
    if cell.collects:  # the run manifest names the study's file and every cell of evidence
        above["study"] = plan.study.sha256
        above |= {f"evidence {other.name}": known[other.name] for other in plan.evidence}
        for key, value in plan.study.overrides.items():
            if not key.startswith("slurm."):
                above[f"set {key}"] = canonical(jsonable(value)).decode()
    return above


def _digest(cell: Cell, above: Mapping[str, str], parts: dict[tuple[int, int], bytes]) -> str:
    head = canonical([cell.stage.name, cell.stage.version, cell.name if cell.collects else "", dict(above)])
    return xxhash.xxh3_128_hexdigest(head + spelt_params(cell.config, parts))
