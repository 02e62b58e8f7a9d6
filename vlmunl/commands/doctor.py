"""`vlmunl doctor [STUDY]`: what this machine can run, and whether a study can run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from vlmunl.commands.session import Globals
    from vlmunl.machine.devices import Device
    from vlmunl.machine.fit import Cost, Need
    from vlmunl.out import Out

EXAMPLES = ("vlmunl doctor", "vlmunl doctor quick", "vlmunl doctor --json")
_MARKS = {"ok": " ", "note": "-", "missing": "!"}


def doctor(
    ctx: typer.Context,
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Also say whether this study can run here.")
    ] = None,
) -> None:
    """Say what this machine can run: devices, memory, versions, tools, how large a model fits by which recipe, and
    where Slurm is, whether this is a login node and what the partitions offer.

    Exit code 4: something is missing for STUDY.
    """
    from dataclasses import asdict

    from vlmunl.cluster.site import survey
    from vlmunl.commands.session import globals_of
    from vlmunl.machine.devices import devices
    from vlmunl.machine.facts import facts, slurm_facts
    from vlmunl.machine.fit import table

    options = globals_of(ctx)
    site, seen = survey(), devices()
    found = [*facts(_store(options, study)), *slurm_facts(site)]
    fits = {device: table(device) for device in seen}
    for fact in found:
        options.out.line(f"{_MARKS[fact.verdict]} {fact.name:<22} {fact.found}")
    for device, needs in fits.items():
        _show(options.out, device, needs)
    document: dict[str, Any] = {
        "schema": 1,
        "facts": [asdict(fact) for fact in found],
        "slurm": asdict(site),
        "devices": [{**asdict(d), "fits": [asdict(need) for need in needs]} for d, needs in fits.items()],
    }
    missing: list[str] = []
    if study is not None:
        told, missing = _study(ctx, study, options, seen[0])
        document["study"] = told
    options.out.document(document)
    broken = any(fact.verdict == "missing" for fact in found)
    raise typer.Exit(4 if missing or (study is not None and broken) else 0)


def _store(options: Globals, study: str | None) -> Path:
    """Where results would go; below the current folder where there is no workspace."""
    from pathlib import Path

    from vlmunl.errors import VlmunlError
    from vlmunl.workspace import find_workspace, open_store

    try:
        return Path(open_store(options.store, find_workspace(options.workspace, study), create=False).root)
    except VlmunlError:
        return Path.cwd() / "store"


def _show(out: Out, device: Device, needs: list[Need]) -> None:
    from vlmunl.machine.fit import RECIPES

    gib = 2**30
    free = f"{device.memory / gib:.0f} GiB, {device.free / gib:.0f} GiB of them free"
    out.line()
    out.line(f"{device.name}: {free}. GiB that a model takes there, * what does not fit")
    out.line("  " + "".join(f"{text:>12}" for text in ("", *RECIPES)))
    for size in dict.fromkeys(need.size for need in needs):
        mine = {need.recipe: need for need in needs if need.size == size}
        shown = [f"{mine[r].bytes / gib:.0f}{'' if mine[r].fits else '*'}" for r in RECIPES]
        out.line("  " + "".join(f"{text:>12}" for text in (size, *shown)))
    out.line("  (training: one sample with a picture at a time, checkpointing; evaluation: eight questions)")


def _study(ctx: typer.Context, study: str, options: Globals, device: Device) -> tuple[dict[str, Any], list[str]]:
    """What a study takes, and what it lacks here, with what to type."""
    from dataclasses import asdict

    from vlmunl.commands.session import open_session
    from vlmunl.errors import VlmunlError
    from vlmunl.machine.fit import costs
    from vlmunl.models.shapes import shape_of

    out, missing, found = options.out, [], []
    out.line()
    try:
        session = open_session(ctx, study, write=False)
        base = next(given.path for cell in session.plan.cells if (given := _base(cell)) is not None)
        shape = shape_of(base)
        found = costs(session.plan.cells, shape, device, session.store)
        missing += _lacking(session.plan.study.model, found, device)
        out.line(f"{study}: {shape.parameters / 1e9:.3g} billion weights; on {device.name}:")
    except VlmunlError as error:
        missing.append(f"{error.message}{f'; {error.hint}' if error.hint else ''}")
    for line in lines(found):
        out.line(line)
    for line in missing:
        out.line(f"! {line}")
    out.line("something is missing" if missing else f"it can run here: vlmunl run {study}")
    return {"name": study, "missing": missing, "costs": [asdict(cost) for cost in found]}, missing


def _base(cell: Any) -> Any:
    from vlmunl.stage_types import External

    given = cell.inputs.get("base")
    return given if isinstance(given, External) else None


def _lacking(model: Any, found: list[Cost], device: Device) -> list[str]:
    from vlmunl.machine.facts import version_of

    lacks = []
    if model.quantize != "none" and version_of("bitsandbytes") is None:
        lacks.append("[model] quantize needs bitsandbytes: pip install 'vlmunl[quant]'")
    if model.attention == "flash_attention_2" and (version_of("flash-attn") is None or device.kind == "cpu"):
        lacks.append('flash attention cannot be had here: [model] attention = "sdpa"')
    worst = max((cost for cost in found if cost.least), key=lambda cost: cost.least or 0.0, default=None)
    if worst is not None and (worst.least or 0.0) > device.memory:
        remedy = "[model] checkpointing = true" if not model.checkpointing else '[model] quantize = "4bit"'
        need = f"{(worst.least or 0.0) / 2**30:.1f} GiB with one sample at a time, and {device.name} has"
        lacks.append(f"stage {worst.stage} takes {need} {device.memory / 2**30:.1f} GiB: {remedy}")
    return lacks


def lines(found: list[Cost], *, memory: int | None = None) -> list[str]:
    """One line a stage: cells, peak memory, seconds of a cell; `memory` is the device's, in bytes."""
    from vlmunl.out import count, duration

    told = []
    for cost in found:
        if cost.peak is None and cost.seconds is None:
            continue
        peak = "" if cost.peak is None else f"about {cost.peak / 2**30:.1f} GiB"
        if cost.peak is not None and memory is not None and cost.peak > memory:
            fits = cost.least is not None and cost.least <= memory
            peak += " (more than there is: batches will be made smaller)" if fits else " (does not fit)"
        time = "" if cost.seconds is None else f"{duration(cost.seconds)} a cell ({cost.source})"
        parts = ", ".join(part for part in (peak, time) if part)
        told.append(f"  {cost.stage:<10} {count(cost.cells, 'cell'):>9}  {parts}")
    return told
