"""What scheduler and workers tell each other; apart from both, so that whoever only listens loads neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.errors import VlmunlError
from vlmunl.stage_types import External, Stage
from vlmunl.store.ref import Ref


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell to run, with everything `run_stage` needs."""

    cell: str
    stage: Stage
    config: Any
    inputs: Mapping[str, Ref | External]
    seed: int | None
    force: bool


@dataclass(frozen=True, kw_only=True)
class Advance:
    """A running cell got on by some steps. `keeps` says whether it would stop at the next one with its state kept."""

    cell: str
    done: int
    total: int
    note: str
    keeps: bool = False


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A cell ended; `error` is None if its record is in the store."""

    cell: str
    error: VlmunlError | None = None
