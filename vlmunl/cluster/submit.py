"""Submitting a study: one submission at a time, each job recorded before the next is submitted.

`STORE/slurm/STUDY/SUBMISSION/` holds the frozen study, the wrappers, the scripts, `logs/`, and the ledger's file of
each job. Before `sbatch` is called an intent is written, and taken away with the ledger's file in place: if the
submitter dies between the two, the next one finds by the intent whether Slurm took the job.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from vlmunl.cluster import ledger, sbatch
from vlmunl.cluster.groups import Group, Upstream, groups
from vlmunl.cluster.ledger import Job, Task
from vlmunl.cluster.queue import Trouble, ask
from vlmunl.cluster.script import LOGS, STUDY, WRAPPERS, Setting, command, dependencies, directives, text
from vlmunl.cluster.specs import specs
from vlmunl.cluster.survey import SYNC, Survey, live, survey
from vlmunl.errors import StudyError, VlmunlError
from vlmunl.manifests.cells import TABLES, Cell, Plan
from vlmunl.manifests.slurm import Resources
from vlmunl.manifests.states import Board
from vlmunl.store import Store
from vlmunl.store.claims import Claim, Claims
from vlmunl.workspace import write_file

INTENT = ".intent"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One job with all that is told to Slurm. `id` is empty until it is submitted."""

    group: Group
    ask: Resources
    script: str
    line: tuple[str, ...]
    after: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of a study: the jobs, in the order of submission, and what was found before."""

    setting: Setting
    jobs: tuple[Planned, ...]
    survey: Survey


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be submitted, and how; `sync`: and published at the end.

    `tell` is called with one line where there is something to say meanwhile.
    """

    plan: Plan
    store: Store
    workspace: Path
    chosen: Callable[[Cell], bool] = lambda cell: True
    sets: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    program: str = ""
    name: str = ""
    sync: bool = False
    tell: Callable[[str], None] = lambda line: None

    @property
    def study(self) -> str:
        """The study's name."""
        return self.plan.study.name


def preview(request: Request) -> Submission:
    """What `submit` would do now; writes nothing."""
    sbatch.check_arguments(request.arguments)
    setting, (found, syncs) = _setting(request), _look(request)
    return Submission(setting=setting, jobs=_planned(request, setting, found, sync=syncs), survey=found)


def submit(request: Request) -> Submission:
    """Submit what is missing and not queued.

    Raises:
        ToolMissing: there is no sbatch.
        VlmunlError: Slurm refuses a job, or cannot be asked; the jobs submitted before are kept.
    """
    sbatch.check_arguments(request.arguments)
    sbatch.require("sbatch")
    sbatch.require("squeue")
    with _alone(request):
        _recover(request)
        setting, (found, syncs) = _setting(request), _look(request)
        planned = _planned(request, setting, found, sync=syncs)
        if not planned:
            return Submission(setting=setting, jobs=(), survey=found)
        _freeze(request, setting, planned)
        known, numbers, done = _specs(request), dict[str, str](), list[Planned]()
        for job in planned:
            done.append(_submit(request, setting, job, numbers, known))
            numbers[job.group.name] = done[-1].id
        return Submission(setting=setting, jobs=tuple(done), survey=found)


def _look(request: Request) -> tuple[Survey, bool]:
    """What is to be submitted, and whether publishing is: it is asked for, and no job waits to do it after the rest."""
    board = Board(request.plan, request.store)
    queued = dict(live(ledger.jobs(request.store.root, request.study), board, _specs(request)))
    publishes = queued.pop(SYNC, None)
    found = survey(board, request.chosen, queued)
    return found, request.sync and (publishes is None or TABLES in found.wanted)


def _specs(request: Request) -> dict[str, str]:
    known = dict(specs(request.plan))
    return known | {SYNC: known[TABLES]}


def _setting(request: Request) -> Setting:
    now = dt.datetime.now(dt.UTC)
    name = request.name or f"{now:%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
    return Setting(
        study=request.study,
        submission=name,
        folder=ledger.folder(request.store.root, request.study) / name,
        workspace=request.workspace,
        store=request.store.root,
        sets=request.sets,
        program=request.program,
        arguments=request.arguments,
    )


def _planned(request: Request, setting: Setting, found: Survey, *, sync: bool) -> tuple[Planned, ...]:
    section = request.plan.study.slurm
    made = groups(request.plan, found.wanted, found.places)
    if sync:
        places = {
            **found.places,
            **{cell: Upstream(group.name, index) for group in made for index, cell in group.cells},
        }
        after = (places[TABLES],) if TABLES in places else ()
        made.append(Group(name=SYNC, stage=SYNC, command=SYNC, seed=None, cells=((None, SYNC),), ok=after))
    return tuple(
        Planned(
            group=group,
            ask=(asked := section.of(group.stage)),
            script=text(group, setting, asked),
            line=tuple(command(group, setting, {})),
            after=dependencies(group, {}),
        )
        for group in made
    )


def _freeze(request: Request, setting: Setting, jobs: Sequence[Planned]) -> None:
    """Write all that the jobs will read, so that what is edited afterwards changes none of them.

    Raises:
        StudyError: the study's file has changed since it was read.
        VlmunlError: the store cannot be written.
    """
    import hashlib

    try:
        data = request.plan.study.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != request.plan.study.sha256:
            raise StudyError(f"{request.plan.study.path} has just been changed", "submit again")
        write_file(setting.folder / STUDY, data)
        (setting.folder / LOGS).mkdir(parents=True, exist_ok=True)
        for name in sorted({job.group.command for job in jobs}):
            target = setting.folder / WRAPPERS / f"{name}.sbatch"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(sbatch.wrapper(name, request.workspace), target)
        for job in jobs:
            write_file(setting.script(job.group), job.script.encode())
    except OSError as error:
        raise VlmunlError(
            f"the submission cannot be written to {setting.folder}: {error}", "make room there"
        ) from error


def _submit(
    request: Request, setting: Setting, job: Planned, numbers: Mapping[str, str], known: Mapping[str, str]
) -> Planned:
    """One job, with an intent before and a record in the ledger after."""
    group = job.group
    line, after = command(group, setting, numbers), dependencies(group, numbers)
    record = Job(
        id="",
        name=setting.job_name(group),
        study=setting.study,
        submission=setting.submission,
        stage=group.stage,
        seed=group.seed,
        tasks=tuple(Task(cell=name, spec=known[name], index=index) for index, name in group.cells),
        log=setting.log(group, "{job}"),
        script=str(setting.script(group)),
        submitted=dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
        after=after,
    )
    intent = setting.folder / f"{group.name}{INTENT}"
    write_file(intent, json.dumps(asdict(record)).encode())
    try:
        number = sbatch.submit(line, directives(group, setting, job.ask))
    except VlmunlError as error:
        so_far = f"; jobs submitted before it: {', '.join(numbers.values())}" if numbers else ""
        raise VlmunlError(f"{error.message}{so_far}", error.hint) from None
    _record(request.store.root, record, number, intent)
    return replace(job, id=number, line=tuple(line), after=after)


def _record(store: Path, record: Job, number: str, intent: Path) -> None:
    ledger.write(store, replace(record, id=number, log=record.log.replace("{job}", number)))
    intent.unlink(missing_ok=True)


# ----------------------------------------------------------------------------- one at a time


@contextlib.contextmanager
def _alone(request: Request) -> Iterator[None]:
    """Wait until no other process submits this study. A submitter that died is passed over (`vlmunl.store.claims`)."""
    folder = ledger.folder(request.store.root, request.study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VlmunlError(f"the submission cannot be written to {folder}: {error}", "make room there") from error
    claims = Claims(folder)
    with Claim(claims, "submitting") as claim:
        if not claim.first():
            others = ", ".join(sorted(f"{e.machine} {e.pid}" for e in claims.live("submitting").values()))
            request.tell(f"waiting: this study is just being submitted by another process ({others})")
        while not claim.first():
            time.sleep(0.1)
        yield


def _recover(request: Request) -> None:
    """Record jobs that Slurm took from a submitter that died before it could.

    Raises:
        VlmunlError: Slurm cannot be asked.
    """
    root = request.store.root
    for intent in sorted(ledger.folder(root, request.study).glob(f"*/*{INTENT}")):
        try:
            document = json.loads(intent.read_bytes())
            tasks = tuple(Task(**task) for task in document["tasks"])
            record = Job(**document | {"tasks": tasks, "after": tuple(document["after"])})
        except (OSError, ValueError, TypeError, KeyError):
            intent.unlink(missing_ok=True)
            continue
        mark = f"vlmunl:{record.submission}:{intent.name.removesuffix(INTENT)}"
        try:
            listed = ask("squeue", "-h", "-a", "-t", "all", "-n", record.name, "-o", "%F|%k").splitlines()
        except Trouble as trouble:
            raise VlmunlError(f"Slurm cannot be asked what is queued: {trouble}", "try again when it works") from None
        number = next((line.partition("|")[0] for line in listed if line.partition("|")[2].strip() == mark), None)
        if number is None:
            intent.unlink(missing_ok=True)
        else:
            _record(root, record, number, intent)
