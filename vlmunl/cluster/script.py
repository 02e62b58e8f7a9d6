"""The text of a job's script, and the command line that submits it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmunl.cluster.alone import mark
from vlmunl.cluster.groups import Group, Upstream
from vlmunl.manifests.slurm import Resources

LOGS, WRAPPERS, STUDY = "logs", "commands", "study.toml"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all jobs of one submission have in common.

    `folder` holds scripts, wrappers, logs and the frozen study. `program` is the vlmunl that submits, if it is one that
    can be started by name.
    """

    study: str
    submission: str
    folder: Path
    workspace: Path
    store: Path
    sets: tuple[str, ...] = ()
    program: str = ""
    arguments: tuple[str, ...] = ()

    def job_name(self, group: Group) -> str:
        """As the queue shows it."""
        return f"vlmunl-{self.study}-{group.name}"

    def script(self, group: Group) -> Path:
        """Where the job's script lies."""
        return self.folder / f"{group.name}.sbatch"

    def log(self, group: Group, job: str) -> str:
        """Where the job writes to, with `{index}` in the place of an array's index."""
        return str(self.folder / LOGS / f"{group.name}-{job}{'_{index}' if group.is_array else ''}.out")


def text(group: Group, setting: Setting, ask: Resources) -> str:
    """The script of a job: what it asks for, how it finds its cell, and the wrapper that does it."""
    chooses = group.stage != "sync"  # which is of a study as a whole
    lines = ["#!/bin/bash", *(f"#SBATCH {line}" for line in directives(group, setting, ask)), "set -eo pipefail"]
    lines += ["trap '' USR1"]  # until the program listens, the warning must not end it
    lines += [f"export VLMUNL_WORKSPACE={shlex.quote(str(setting.workspace))}"]
    lines += [f"export VLMUNL_STORE={shlex.quote(str(setting.store))}"]
    if setting.program:
        lines += [f"export VLMUNL={shlex.quote(setting.program)}"]
    lines += ["", *ask.setup] if ask.setup else []
    lines += ["", *(_cell(group) if chooses else ()), f"cd -- {shlex.quote(str(setting.folder))}"]
    sets = [part for value in setting.sets for part in ("--set", value)]
    study = str(setting.folder / STUDY)
    command = ["exec", "bash", f"{WRAPPERS}/{group.command}.sbatch", study, *sets]
    return "\n".join([*lines, shlex.join(command) + (' --only "$cell"' if chooses else ""), ""])


def _cell(group: Group) -> list[str]:
    if not group.is_array:
        return [f"cell={shlex.quote(group.cells[0][1])}"]
    cases = [f"  {index}) cell={shlex.quote(name)} ;;" for index, name in group.cells]
    unknown = '  *) echo "no cell has the index $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;'
    return ["case $SLURM_ARRAY_TASK_ID in", *cases, unknown, "esac"]


def directives(group: Group, setting: Setting, ask: Resources) -> list[str]:
    """The options of sbatch that stand in the script."""
    found = [f"--job-name={setting.job_name(group)}", f"--comment={mark(setting.submission, group.name)}"]
    found += [f"--output={LOGS}/{group.name}-{'%A_%a' if group.is_array else '%j'}.out", "--open-mode=append"]
    if group.is_array:
        found.append(f"--array={group.indices}" + (f"%{ask.parallel}" if ask.parallel else ""))
    for name in ("partition", "account", "qos", "constraint"):
        if (value := getattr(ask, name)) is not None:
            found.append(f"--{name}={shlex.quote(value)}")
    found += ["--nodes=1", "--ntasks=1", f"--cpus-per-task={ask.cpus}", f"--mem={ask.memory}", f"--time={ask.time}"]
    found += [f"--gres=gpu:{ask.gpus}"] if ask.gpus else []
    found += ["--requeue", *([f"--signal=B:USR1@{ask.warning}"] if ask.warning else [])]
    return [*found, *ask.extra]


def command(group: Group, setting: Setting, numbers: Mapping[str, str]) -> list[str]:
    """`sbatch ...`. `numbers` are those of the jobs submitted so far, by the name of their group."""
    after = ",".join(dependencies(group, numbers))
    return [
        *("sbatch", *setting.arguments, "--parsable", "--kill-on-invalid-dep=yes"),
        *([f"--dependency={after}"] if after else []),
        f"--chdir={setting.folder}",
        str(setting.script(group)),
    ]


def dependencies(group: Group, numbers: Mapping[str, str]) -> tuple[str, ...]:
    """`afterok:12:13_4`, `aftercorr:14`, `afterany:12:13`."""
    kinds = (
        ("afterok", [_spelt(place, numbers) for place in group.ok]),
        ("aftercorr", [numbers.get(job, job) for job in group.corr]),
        ("afterany", [numbers.get(job, job) for job in group.any]),
    )
    return tuple(":".join([word, *jobs]) for word, jobs in kinds if jobs)


def _spelt(place: Upstream, numbers: Mapping[str, str]) -> str:
    number = numbers.get(place.job, place.job)
    return number if place.index is None else f"{number}_{place.index}"


def shown(line: Sequence[str]) -> str:
    """A command line as it can be typed."""
    return shlex.join(line)
