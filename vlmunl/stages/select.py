"""Stage `select`: one trial of a method, by its rows on the tuning people and routes; its adapter is handed on.

The output is the chosen trial's adapter, byte for byte: nothing is trained again, and what reads it has the same key
as if that trial had been the only one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlmunl.errors import MissingInput, StudyError
from vlmunl.metrics.behaviour import behaviour
from vlmunl.metrics.panel import Flags, Floats
from vlmunl.metrics.rows import Rows, axes, cube, read_rows
from vlmunl.stages.files import write_json
from vlmunl.stages.sides import TUNING

if TYPE_CHECKING:
    from vlmunl.keys import JSON
    from vlmunl.stage_types import Context
    from vlmunl.stages.configs import Score, SelectConfig


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One trial: its score (lower is better), utility and unclear answers on retained people, and if that will do."""

    settings: str
    score: float
    utility: float | None
    refusal_invalid_retain: float | None
    acceptable: bool
    routes: Mapping[str, float]


def run(config: SelectConfig, ctx: Context) -> Mapping[str, JSON]:
    """Write `adapter/` and `choice.json`; the metrics say which trial it is.

    Raises:
        MissingInput: a trial's rows or adapter are not given.
        StudyError: on no tuning route does the imprint of these people stand out from gold.
    """
    count = len(config.settings)
    wanted = {f"{kind}{k}" for kind in ("rows", "adapter") for k in range(count)}
    if lost := wanted - set(ctx.paths):
        raise MissingInput(f"{count} trials, and no {', '.join(sorted(lost)[:4])}")
    imprint, gold = (read_rows(ctx.input(role)) for role in ("imprint", "gold"))
    judged = judge(config, imprint, gold, [read_rows(ctx.input(f"rows{k}")) for k in range(count)])
    chosen = choose(judged)
    shutil.copytree(ctx.input(f"adapter{chosen}"), ctx.out / "adapter", copy_function=shutil.copyfile)
    told: dict[str, JSON] = {"trial": chosen, "trials": count, "settings": config.settings[chosen]}
    _write(config, judged, told, ctx.out / "choice.json")
    best = judged[chosen]
    return {**told, "score": best.score, "utility": best.utility, "acceptable": best.acceptable}


def judge(config: SelectConfig, imprint: Rows, gold: Rows, trials: Sequence[Rows]) -> list[Verdict]:
    """Each trial's score and whether it keeps to the utility floor and the refusal ceiling.

    Raises:
        StudyError: no tuning route has headroom.
    """
    low, high = (_accuracy(config, rows) for rows in (gold, imprint))
    headroom = high - low
    live: Flags = np.nan_to_num(headroom, nan=-1.0) > config.headroom
    if not live.any():
        best = float(np.nanmax(headroom)) if np.isfinite(headroom).any() else 0.0
        found = f"the best route's headroom on the tuning people is {best:.2f}, and {config.headroom:.2f} is needed"
        raise StudyError(found, "tune on more people, or teach them better")
    return [_verdict(config, i, rows, imprint, (low, headroom, live)) for i, rows in enumerate(trials)]


def _verdict(
    config: SelectConfig, number: int, rows: Rows, imprint: Rows, scale: tuple[Floats, Floats, Flags]
) -> Verdict:
    low, headroom, live = scale
    # Below gold is no better than gold: a model that is pushed past it shows what it was made to forget.
    recovery = np.maximum(0.0, (_accuracy(config, rows) - low)[live] / headroom[live])
    shown = behaviour([rows], [imprint])
    unclear = shown.refusal_invalid_retain
    useful = shown.utility is not None and shown.utility >= config.utility_floor
    return Verdict(
        settings=config.settings[number],
        score=round(_score(config.score, recovery), 6),
        utility=None if shown.utility is None else round(shown.utility, 6),
        refusal_invalid_retain=None if unclear is None else round(unclear, 6),
        acceptable=useful and (unclear is None or unclear <= config.refusal_ceiling),
        routes={config.routes[i]: round(float(r), 6) for i, r in zip(np.flatnonzero(live), recovery, strict=True)},
    )


def choose(judged: Sequence[Verdict]) -> int:
    """The acceptable trial of least score, then of most utility, then the first; if none is, the most useful one."""

    def order(number: int) -> tuple[bool, float, float, int]:
        trial = judged[number]
        utility = -1.0 if trial.utility is None else trial.utility
        return not trial.acceptable, trial.score if trial.acceptable else -utility, -utility, number

    return min(range(len(judged)), key=order)


def _score(kind: Score, recovery: Floats) -> float:
    return float(recovery.max() if kind == "worst" else recovery.mean())


def _accuracy(config: SelectConfig, rows: Rows) -> Floats:
    """[routes] mean over the tuning people's facts."""
    where = rows.where(split=TUNING)
    values = cube(rows, axes([rows], TUNING, config.routes), where)
    asked = np.isfinite(values)
    total, count = np.where(asked, values, 0.0).sum(axis=(0, 1)), asked.sum(axis=(0, 1))
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def _write(config: SelectConfig, judged: Sequence[Verdict], told: Mapping[str, JSON], path: Path) -> None:
    rule = {name: getattr(config, name) for name in ("score", "headroom", "utility_floor", "refusal_ceiling")}
    write_json({"chosen": told, "rule": rule, "trials": [asdict(trial) for trial in judged]}, path)
