"""A submission as people and scripts read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vlmunl.cluster.groups import Group, Upstream
from vlmunl.cluster.script import shown
from vlmunl.cluster.submit import Planned, Submission
from vlmunl.manifests.slurm import Resources
from vlmunl.out import count

Branch = tuple[str, list[str]]
"""The head of a branch of the tree, and its leaves."""


def summary(submission: Submission, *, dry_run: bool = False) -> list[str]:
    """What was submitted, what is queued already, and what can be neither."""
    jobs, found = submission.jobs, submission.survey
    cells = count(sum(len(job.group.cells) for job in jobs), "cell")
    lines = []
    if jobs:
        verb = "would be submitted" if dry_run else "submitted"
        lines.append(f"{count(len(jobs), 'job')} {verb} for {cells}")
    if found.queued:
        numbers = list(dict.fromkeys(job.id for job, _ in found.queued.values()))
        some = ", ".join(numbers[:6]) + (", ..." if len(numbers) > 6 else "")
        lines.append(f"{count(len(found.queued), 'cell')} queued already, by job {some}")
    if not jobs:
        lines.append(
            "nothing to submit: " + ("what is missing is queued already" if found.queued else _nothing(submission))
        )
    for name, reason in list(found.left.items())[:3]:
        lines.append(f"left out: {name}: {reason}")
    if len(found.left) > 3:
        lines.append(f"left out: {len(found.left) - 3} more for such reasons")
    return lines


def _nothing(submission: Submission) -> str:
    return "what is missing cannot run yet" if submission.survey.left else "all that can be done is done"


def branches(submission: Submission) -> Iterator[Branch]:
    """The jobs by seed, in the order of submission."""
    numbers = {job.group.name: job.id for job in submission.jobs if job.id}
    by_seed: dict[int | None, list[str]] = {}
    tail: list[str] = []
    seeded = False
    for job in submission.jobs:
        line = _line(job, numbers)
        seeded = seeded or job.group.seed is not None
        if job.group.seed is None and seeded:
            tail.append(line)
        else:
            by_seed.setdefault(job.group.seed, []).append(line)
    for seed, lines in by_seed.items():
        yield ("for all seeds" if seed is None else f"seed {seed}"), lines
    if tail:
        yield "at the end", tail


def _line(job: Planned, numbers: dict[str, str]) -> str:
    """`imprint  3 cells  job 12_[0-2]  after 11  4 CPUs, 16G, 04:00:00`."""
    group = job.group
    number = f"job {job.id}" if job.id else "job"
    number += f"_[{group.indices}]" if group.is_array else ""
    what = group.cells[0][1] if len(group.cells) == 1 else f"{group.stage}: {count(len(group.cells), 'cell')}"
    return "  ".join(part for part in (number, what, _after(group, numbers), _ask(job.ask)) if part)


def _after(group: Group, numbers: dict[str, str]) -> str:
    def spelt(place: Upstream) -> str:
        return numbers.get(place.job, place.job) + ("" if place.index is None else f"_{place.index}")

    parts = [_some([spelt(place) for place in group.ok])] if group.ok else []
    parts += [f"each after its task of {numbers.get(job, job)}" for job in group.corr]
    words = " and ".join(f"after {part}" if i == 0 and group.ok else part for i, part in enumerate(parts))
    return words or ("after all others, however they end" if group.any else "")


def _some(places: list[str]) -> str:
    return ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")


def _ask(ask: Resources) -> str:
    parts = [count(ask.cpus, "CPU"), ask.memory, ask.time, *([count(ask.gpus, "GPU")] if ask.gpus else [])]
    return ", ".join([*parts, *([f"partition {ask.partition}"] if ask.partition else [])])


def scripts(submission: Submission) -> list[str]:
    """Every script and the line that submits it."""
    lines = []
    for job in submission.jobs:
        lines += ["", f"# {submission.setting.script(job.group)}", *job.script.rstrip("\n").split("\n")]
        lines += [f"# submitted by: {shown(job.line)}"]
    return lines


def document(submission: Submission, *, dry_run: bool) -> dict[str, Any]:
    """The same for scripts."""
    setting, found = submission.setting, submission.survey
    jobs = []
    for job in submission.jobs:
        entry: dict[str, Any] = {
            "id": job.id or None,
            "group": job.group.name,
            "name": setting.job_name(job.group),
            "stage": job.group.stage,
            "seed": job.group.seed,
            "tasks": [{"cell": cell, "index": index} for index, cell in job.group.cells],
            "after": list(job.after),
            "command": list(job.line),
        }
        jobs.append(entry | ({"script": job.script} if dry_run else {"script": str(setting.script(job.group))}))
    return {
        "schema": 1,
        "study": setting.study,
        "submission": setting.submission if jobs and not dry_run else None,
        "dry_run": dry_run,
        "jobs": jobs,
        "queued": {name: job.slurm_id(task) for name, (job, task) in sorted(found.queued.items())},
        "left_out": dict(found.left),
    }
