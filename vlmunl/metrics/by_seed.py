"""What a paper's supplement shows and the verified results do not hold: every seed by itself, and what more people
would show. From the same rows, by the same code, at one seed at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vlmunl.metrics.evidence import Evidence
from vlmunl.metrics.frame import Frame, build_frame
from vlmunl.metrics.power import power_curve
from vlmunl.metrics.results import placebo_block, tidy
from vlmunl.metrics.row import Row, result_row
from vlmunl.metrics.rows import Rows
from vlmunl.metrics.tiers import RouteInfo
from vlmunl.stages.configs import AggregateConfig

Json = dict[str, Any]
PEOPLE = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""The sizes of the power curve."""
_SHOWN = ("canonical", "wcr", "wcr_held_out", "retain_did", "accuracy", "utility", "refusal", "invalid", "verdict")


def supplement(
    config: AggregateConfig,
    evidence: Evidence,
    routes: Sequence[RouteInfo],
    tables: Mapping[str, Rows],
    *,
    several: bool = True,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> Json:
    """`seeds`: row -> seed -> its figures at this seed alone; `power`: see `vlmunl.metrics.power.power_curve`.

    Live routes are those of the whole study, so that every seed's maximum runs over the same. Arguments as for
    `vlmunl.metrics.results.results`; `said` is told how many of the rows are done. Without
    `several` seeds there is nothing to tell apart, and `seeds` is empty.
    """
    frame = build_frame(config, evidence, tuple(routes), tables)
    found: Json = {
        "seeds": _by_seed(frame, said) if several else {},
        "power": power_curve(frame, placebo_block(frame), PEOPLE),
    }
    tidied: Json = tidy(found)
    return tidied


def _by_seed(frame: Frame, said: Callable[[int, int], None]) -> Json:
    out: Json = {}
    pairs = [(seed, spec) for seed in frame.seeds for spec in frame.config.rows if seed in frame.seeds_of(spec.name)]
    alone = {seed: _at(frame, seed) for seed in frame.seeds}
    for done, (seed, spec) in enumerate(pairs):
        said(done, len(pairs))
        figures = result_row(alone[seed], Row(spec, (seed,)), None).figures
        out.setdefault(spec.name, {})[str(seed)] = {name: figures[name] for name in _SHOWN}
    return out


def _at(frame: Frame, seed: int) -> Frame:
    """The same at one seed, with the live routes of all."""
    tiers = {name: replace(tier, seeds=tuple(s for s in tier.seeds if s == seed)) for name, tier in frame.tiers.items()}
    return replace(frame, seeds={seed: frame.seeds[seed]}, tiers=tiers, _known={})
