"""The accelerators that this process may use, by the names that hide all others from a worker.

Counted by their device files: no driver library is loaded and no device is touched. What CUDA_VISIBLE_DEVICES (or
ROCm's HIP_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES) already lists, by number, UUID or MIG name, is divided and never
added to; Slurm sets the same variables for its jobs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NVIDIA, _HIP, _ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Accelerator:
    """One device: `environ` shows it alone to a process that has not looked for devices yet. `name` is for people."""

    name: str
    environ: Mapping[str, str]


def accelerators(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> tuple[Accelerator, ...]:
    """In the order of their numbers; none on a machine without."""
    told = os.environ if environ is None else environ
    if present := _numbered(root / "dev", r"nvidia\d+"):
        return _each(_NVIDIA, _listed(told.get(_NVIDIA), _granted(present, told)))
    if present := _amd(root / "sys" / "class" / "kfd" / "kfd" / "topology" / "nodes"):
        variable = next((name for name in (_HIP, _ROCR, _NVIDIA) if name in told), _HIP)
        return _each(variable, _listed(told.get(variable), _granted(present, told)))
    return ()


def _each(variable: str, names: list[str]) -> tuple[Accelerator, ...]:
    return tuple(Accelerator(f"gpu {name[:12]}", {variable: name}) for name in names)


def _listed(visible: str | None, present: int) -> list[str]:
    """The devices of a list, which ends for CUDA at the first that is not there; all of them without a list."""
    if visible is None:
        return [str(number) for number in range(present)]
    found: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        known = int(name) < present if name.isdecimal() else name.startswith(("GPU-", "MIG-"))
        if not known or name in found:
            break
        found.append(name)
    return found


def _granted(present: int, told: Mapping[str, str]) -> int:
    """Devices on this node of a Slurm job; a node may have more."""
    number = told.get("SLURM_GPUS_ON_NODE", "")
    return min(present, int(number)) if number.isdecimal() and _NVIDIA not in told and _ROCR not in told else present


def _numbered(folder: Path, pattern: str) -> int:
    try:
        return sum(re.fullmatch(pattern, name) is not None for name in os.listdir(folder))
    except OSError:
        return 0


def _amd(nodes: Path) -> int:
    """Nodes of the compute driver's topology that can compute: its CPUs are nodes too."""
    found = 0
    try:
        folders = list(nodes.iterdir())
    except OSError:
        return 0
    for folder in folders:
        try:
            units = re.search(r"^simd_count (\d+)", (folder / "properties").read_text(), re.MULTILINE)
        except OSError:
            continue
        found += units is not None and int(units[1]) > 0
    return found
