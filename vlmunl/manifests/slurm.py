"""`[slurm]`: what the study's jobs ask of a cluster. None of it is in any run key.

    [slurm]
    partition = "gpu"
    gpus = 1
    time = "08:00:00"
    [slurm.tables]
    partition = "cpu"

`gpus`, `cpus`, `memory` and `time` of the table itself are those of the stages that compute with a model; the others
(`LIGHT`) keep their small defaults unless a table of their own says otherwise. All else holds for every stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from vlmunl.manifests.schema import Pattern, Problem, Range, join

Word = Annotated[str, Pattern(r"[^\s\x00-\x1f\x7f]+", "one word")]
Directive = Annotated[str, Pattern(r"--?[A-Za-z][^\x00-\x1f\x7f]*", "an option of sbatch such as '--exclude=node7'")]
Setup = Annotated[str, Pattern(r"[^\x00\n\r]*", "one line of shell")]
Memory = Annotated[str, Pattern(r"[1-9]\d{0,8}[KMGT]?", "an amount of memory such as '16G'")]
Time = Annotated[
    str, Pattern(r"\d{1,6}|(\d{1,4}-)?\d{1,3}(:\d\d){1,2}|\d{1,4}-\d{1,2}", "a time such as '08:00:00' or '2-12:00:00'")
]
Number = Annotated[int, Range(ge=0, le=1024)]
Cores = Annotated[int, Range(ge=1, le=4096)]
Notice = Annotated[int, Range(ge=0, le=65535)]

LIGHT = ("data", "select", "meta", "aggregate", "tables", "sync")
"""Stages that load no model."""
_SHARED = {"scout": "attack", "search": "attack"}
_OWN = {
    **{name: name for name in ("job-name", "output", "error", "array", "dependency", "chdir", "parsable", "wrap")},
    **{name: name for name in ("wait", "signal", "open-mode", "kill-on-invalid-dep", "test-only", "comment")},
    "J": "job-name",
    "o": "output",
    "e": "error",
    "a": "array",
    "d": "dependency",
    "D": "chdir",
    "W": "wait",
}
"""Options of sbatch, long and short, that submitting sets itself."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one job, or each task of an array, asks for."""

    cpus: int
    memory: str
    time: str
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus: int = 0
    extra: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    parallel: int = 0
    warning: int = 120


@dataclass(frozen=True, kw_only=True)
class StageSlurm:
    """`[slurm.STAGE]`: what differs for one stage; None: as in `[slurm]`."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    gpus: Number | None = None
    cpus: Cores | None = None
    memory: Memory | None = None
    time: Time | None = None
    extra: tuple[Directive, ...] | None = None
    setup: tuple[Setup, ...] | None = None
    parallel: Number | None = None
    warning: Notice | None = None


_KEYS = tuple(f.name for f in fields(StageSlurm))
_MODEL = Resources(cpus=4, memory="16G", time="04:00:00")
_BETWEEN = Resources(cpus=2, memory="8G", time="01:00:00")
_SMALL = Resources(cpus=1, memory="4G", time="00:30:00")
_DEFAULTS: Mapping[str, Resources] = {
    **dict.fromkeys(("imprint", "probe", "unlearn", "eval", "attack"), _MODEL),
    "gate": replace(_MODEL, time="01:00:00"),
    **dict.fromkeys(("data", "select", "tables"), _SMALL),
    **dict.fromkeys(("meta", "aggregate"), _BETWEEN),
    "sync": replace(_SMALL, time="01:00:00"),
}


@dataclass(frozen=True, kw_only=True)
class SlurmSection:
    """`[slurm]`: partition, account and so on; per node `gpus`, `cpus` and `memory` (`16G`); `time` limit.

    `extra`: further options of sbatch. `setup`: lines of shell before the command. `parallel`: how many tasks of one
    array may run at once (0: any number). `warning`: seconds before the time limit at which a job stops cleanly
    (0: no warning).
    """

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    gpus: Number = 0
    cpus: Cores | None = None
    memory: Memory | None = None
    time: Time | None = None
    extra: tuple[Directive, ...] = ()
    setup: tuple[Setup, ...] = ()
    parallel: Number = 0
    warning: Notice = 120
    data: StageSlurm = field(default_factory=StageSlurm)
    imprint: StageSlurm = field(default_factory=StageSlurm)
    gate: StageSlurm = field(default_factory=StageSlurm)
    probe: StageSlurm = field(default_factory=StageSlurm)
    unlearn: StageSlurm = field(default_factory=StageSlurm)
    eval: StageSlurm = field(default_factory=StageSlurm)
    attack: StageSlurm = field(default_factory=StageSlurm)
    select: StageSlurm = field(default_factory=StageSlurm)
    meta: StageSlurm = field(default_factory=StageSlurm)
    aggregate: StageSlurm = field(default_factory=StageSlurm)
    tables: StageSlurm = field(default_factory=StageSlurm)
    sync: StageSlurm = field(default_factory=StageSlurm)

    def of(self, stage: str) -> Resources:
        """What a job of one stage asks for; an adaptive attacker's stages ask for what attacks do."""
        stage = _SHARED.get(stage, stage)
        own: StageSlurm = getattr(self, stage)
        changes: dict[str, Any] = {}
        for name in _KEYS:
            light = stage in LIGHT and name in ("gpus", "cpus", "memory", "time")
            if (value := getattr(own, name)) is not None or (not light and (value := getattr(self, name)) is not None):
                changes[name] = value
        return replace(_DEFAULTS[stage], **changes)


def own_option(directive: str) -> str | None:
    """The option of sbatch that submitting sets itself and this directive would set too; None if there is none."""
    match = re.match(r"--([A-Za-z-]+)|-([A-Za-z])", directive)
    return None if match is None else _OWN.get(match[1] or match[2])


def check_slurm(section: SlurmSection) -> None:
    """Raise `Problem` for a directive that would undo what makes the jobs of a study hang together."""
    tables = {"slurm": section.extra, **{join("slurm", stage): getattr(section, stage).extra for stage in _DEFAULTS}}
    for path, extra in tables.items():
        for i, directive in enumerate(extra or ()):
            if (option := own_option(directive)) is not None:
                raise Problem(join(f"{path}.extra", i), f"--{option} is set by vlmunl submit; leave it out")
    for stage in _DEFAULTS:
        ask = section.of(stage)
        if 0 < seconds(ask.time) <= ask.warning:
            where = next(
                (t for t in (join("slurm", stage), "slurm") if getattr(_at(section, t), "time", None)), "slurm"
            )
            raise Problem(join(where, "time"), f"{ask.time} is no longer than the warning before it, {ask.warning} s")


def _at(section: SlurmSection, table: str) -> object:
    return getattr(section, table.partition(".")[2]) if "." in table else section


def seconds(time: str) -> int:
    """The seconds of a time as sbatch takes it: `MIN[:SEC]`, `H:MIN:SEC`, `DAYS-H[:MIN[:SEC]]`; 0: no limit."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash or len(parts) == 3:
        hours, minutes, sec = (*parts, 0, 0)[:3]
    else:
        hours, (minutes, sec) = 0, (*parts, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + sec
