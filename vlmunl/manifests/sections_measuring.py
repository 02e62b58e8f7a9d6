"""What a study file says of measuring: gate, routes, attacker, statistics, evidence and claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from vlmunl.manifests.schema import Pattern, Range
from vlmunl.manifests.values import PARAPHRASES, Seed, Share, Words
from vlmunl.stages.configs import Calibration, EvalConfig, GatePolicy, SearchConfig, Statistics


@dataclass(frozen=True, kw_only=True)
class GateSection:
    """`[gate]`: when an imprint counts."""

    paraphrases: Annotated[str, Pattern(PARAPHRASES.pattern, "of the form '3 of 4'")] = (
        f"{GatePolicy.need} of {GatePolicy.of}"
    )
    headroom: Share = GatePolicy.headroom
    min_identities: Annotated[int, Range(ge=2, le=100_000)] = GatePolicy.min_identities

    def policy(self) -> GatePolicy:
        """The thresholds as the stages read them."""
        match = PARAPHRASES.fullmatch(self.paraphrases)
        assert match is not None, "the loader has checked the pattern"
        need, of = int(match[1]), int(match[2])
        return GatePolicy(need=need, of=of, headroom=self.headroom, min_identities=self.min_identities)


@dataclass(frozen=True, kw_only=True)
class RoutesSection:
    """`[routes]`: which recovery routes are tried; `held_out` families are never trained on.

    `set`: of the chosen tiers the catalogue's core routes, or all that there are.
    """

    set: Literal["core", "full"] = "core"
    tiers: Annotated[tuple[Literal["T0", "T1", "T2", "T3", "T4", "T5"], ...], Range(ge=1)] = ("T0",)
    include: tuple[Words, ...] = ()
    exclude: tuple[Words, ...] = ()
    held_out: tuple[Words, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AttackerSection:
    """`[attacker]`: search compositions of the study's T0 routes on the tuning people (`vlmunl.manifests.attacker`).

    `budget` routes are tried on each method at each seed; `families` names the families whose routes may be composed,
    held-out ones included; none: all.
    """

    budget: Annotated[int, Range(ge=2, le=10_000)] = SearchConfig.budget
    beam: Annotated[int, Range(ge=1, le=1000)] = SearchConfig.beam
    families: tuple[Words, ...] = ()
    seed: Seed = SearchConfig.seed


@dataclass(frozen=True, kw_only=True)
class MetaSection:
    """`[meta]`: judge the measures by models of which it is known whether they hold the knowledge.

    `stops` are imprints taught for these shares of the imprint's steps; from `known_from` on they count as taught.
    `only` are imprints taught the same facts by name alone, or with photos alone.
    """

    stops: Annotated[tuple[Annotated[float, Range(gt=0, lt=1)], ...], Range(le=99)] = (0.25, 0.5, 0.75)
    known_from: Share = 0.5
    only: Annotated[tuple[Literal["name", "photo"], ...], Range(le=2)] = ()


@dataclass(frozen=True, kw_only=True)
class EvalSection:
    """`[eval]`: how long an answer may get, and how many questions are scored at once (speed only)."""

    max_new_tokens: Annotated[int, Range(ge=1, le=4096)] = EvalConfig.max_new_tokens
    batch_size: Annotated[int, Range(ge=1, le=65536)] = EvalConfig.batch_size


@dataclass(frozen=True, kw_only=True)
class StatisticsSection:
    """`[statistics]`: resampling, the thresholds of WCR, and what recovery is measured from.

    `calibration`: a gold model, or (only where none can be had) chance: 0 for answers in words, one over the number of
    options where there are options, a half for true or false.
    """

    draws: Annotated[int, Range(ge=100, le=10_000_000)] = Statistics.draws
    splits: Annotated[int, Range(ge=2, le=1_000_000)] = Statistics.splits
    floor: Share = Statistics.floor
    tolerance: Share = Statistics.tolerance
    seed: Seed = Statistics.seed
    calibration: Calibration = "gold"


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """One cell that does not count, and why."""

    cell: Words
    reason: Words


@dataclass(frozen=True, kw_only=True)
class EvidenceSection:
    """`[evidence]`: what may feed a number."""

    utility_floor: Share = Statistics.utility_floor
    refusal_ceiling: Share = Statistics.refusal_ceiling
    exclude: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClaimSection:
    """`[claims.NAME]`: a sentence of the paper, and the condition under which the data support it."""

    text: Words
    when: Words
