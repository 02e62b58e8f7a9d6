"""How small a recovery this study could have seen: the minimum detectable effect of its own people, items and routes.

A model that leaks is imagined as one that answers a share `d` of the items of one route as the imprint does and all
others as the placebo does. The expected recovery of that route and its standard error follow from the answers that were
given; the test calls it recovery when the studentised estimate is above the max-T quantile `c`. It does so with power
1 - b where

    recovery(d) = c SE(d) + z(1 - b) s SE(d)

with `s` the standard deviation of the route's studentised draws (1 but for what seeds add). The route's minimum is
the recovery at the smallest such `d` (Bloom 1995, minimum detectable effects, with a simultaneous critical value).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from vlmunl.metrics.block import Block
from vlmunl.metrics.build import SeedCubes, kept_items
from vlmunl.metrics.frame import Frame
from vlmunl.metrics.panel import TINY, Flags, Floats
from vlmunl.metrics.resample import Bootstrap

POWER = 0.8
_STEPS = 201

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One seed: scores of placebo, gold and imprint [people, items, routes], the items that count, their headroom.

    `kept` has the cubes' shape; `headroom` is [people, routes].
    """

    placebo: Floats
    gold: Floats
    imprint: Floats
    kept: Flags
    headroom: Floats


def detectable(frame: Frame, placebo: Block | None) -> Json | None:
    """The least recovery on one live route that `lower > 0` would have shown with 80 % power: median, least and most.

    `unseen` counts live routes on which not even all of the knowledge would be seen. None without a placebo.
    """
    if placebo is None:
        return None
    routes = _usable(frame, placebo)
    if not routes.any():
        return None
    answers = _all_answers(frame, placebo)
    found = least_recovery(answers, placebo.boot, placebo.panel.grain, routes, frame.resampler.level)[routes]
    seen = found[np.isfinite(found)]
    ends = {"recovery": float(np.median(found)), "least": None, "most": None}
    if len(seen):
        ends |= {"least": float(seen.min()), "most": float(seen.max())}
    return {"power": POWER, **ends, "routes": int(routes.sum()), "unseen": len(found) - len(seen)}


def power_curve(frame: Frame, placebo: Block | None, people: Sequence[int]) -> Json | None:
    """The same for studies of other sizes: least recovery (median over live routes) by number of people.

    A study of n people has the answers of this one, and errors that are sqrt(n0 / n) times as large; the critical
    value is this study's. `recovery` is None where not even all of the knowledge would be seen on most routes.
    """
    if placebo is None or not (found := _usable(frame, placebo)).any():
        return None
    answers, here = _all_answers(frame, placebo), len(frame.forget.people)
    curve = []
    for n in people:
        least = least_recovery(
            answers,
            placebo.boot,
            placebo.panel.grain,
            found,
            frame.resampler.level,
            errors=float(np.sqrt(here / n)),
        )[found]
        low, middle, high = (float(np.quantile(least, q, method="inverted_cdf")) for q in (0.1, 0.5, 0.9))
        parts = {"low": low, "recovery": middle, "high": high}
        curve.append({"people": n} | {name: v if np.isfinite(v) else None for name, v in parts.items()})
    return {"power": POWER, "people": here, "routes": int(found.sum()), "curve": curve}


def _usable(frame: Frame, placebo: Block) -> Flags:
    usable: Flags = frame.eligible[placebo.tier.routes] & placebo.panel.defined()
    return usable


def _all_answers(frame: Frame, placebo: Block) -> list[Answers]:
    tier = placebo.tier.routes
    formats = [frame.formats[i] for i in tier]
    return [
        _answers(cubes, frame.seeds[seed].take(tier), formats, placebo.panel.den[i])
        for i, (seed, cubes) in enumerate(zip(placebo.seeds, placebo.cubes, strict=True))
    ]


def _answers(cubes: Floats, seed: SeedCubes, formats: Sequence[str], headroom: Floats) -> Answers:
    kept = kept_items(seed.gate, formats, (cubes.shape[0], cubes.shape[1]))
    kept = kept & np.isfinite(cubes) & np.isfinite(seed.gold) & np.isfinite(seed.imprint)
    parts = (np.where(kept, part, 0.0) for part in (cubes, seed.gold, seed.imprint))
    placebo, gold, imprint = parts
    return Answers(placebo=placebo, gold=gold, imprint=imprint, kept=kept, headroom=headroom)


def least_recovery(
    answers: Sequence[Answers], boot: Bootstrap, grain: Floats, routes: Flags, level: float, errors: float = 1.0
) -> Floats:
    """[routes] minimum detectable recovery; infinity where even all of the knowledge would not be seen.

    Args:
        boot: the placebo's bootstrap, whose draws give the critical value over `routes` and the spread over seeds.
        errors: how many times as large as here the standard errors are.
    """
    deviations = boot.deviations[:, routes]
    critical = float(np.quantile(deviations.max(axis=1), level, method="inverted_cdf"))
    spread = np.full(len(routes), np.nan)
    spread[routes] = np.maximum(1.0, deviations.std(axis=0))
    need = critical + NormalDist().inv_cdf(POWER) * spread
    shares = np.linspace(0.0, 1.0, _STEPS)
    need = errors * need
    seen = np.stack([recovery - need * error for recovery, error in (_leak(answers, s, grain) for s in shares)])
    reached = np.nan_to_num(seen, nan=-np.inf) >= 0
    at = np.where(reached.any(axis=0), reached.argmax(axis=0), 0)
    whole, _ = _leak(answers, 1.0, grain)
    out: Floats = np.where(reached.any(axis=0), shares[at] * whole, np.inf)
    return out


def _leak(answers: Sequence[Answers], share: float, grain: Floats) -> tuple[Floats, Floats]:
    """[routes] the recovery of a model that leaks this share of a route, without the placebo's own, and its error."""
    num, den, mixing, leaked = (np.zeros(answers[0].headroom.shape) for _ in range(4))
    for a in answers:
        count = np.maximum(a.kept.sum(axis=1), 1)
        apart = a.imprint - a.placebo
        num += (a.placebo + share * apart - a.gold).sum(axis=1) / count
        den += a.headroom
        mixing += share * (1 - share) * np.square(apart).sum(axis=1) / count**2
        leaked += share * (a.imprint - a.gold).sum(axis=1) / count
    below = np.maximum(den.sum(axis=0), TINY)
    n = np.maximum(((num != 0) | (den != 0)).sum(axis=0), 2)
    squares = np.square(num - num.sum(axis=0) / below * den).sum(axis=0) + mixing.sum(axis=0)
    error = np.sqrt(np.maximum(squares * n / (n - 1), grain**2)) / below
    return leaked.sum(axis=0) / below, error
