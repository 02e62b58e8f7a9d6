"""The verified results as typed, frozen values: every number that a table, figure or macro may show.

`null` means that there is no evidence (yet); it becomes `None` here and is never replaced by a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlmunl.metrics.chance import without_placebo
from vlmunl.metrics.claims_state import ClaimState

SCHEMA = 1
DEFAULT_LEVEL = 0.95  # of every interval, where the document does not say
FORMATS = ("open", "cloze", "mcq", "truefalse")  # in order of reading
ROLES = ("base", "imprint", "gold", "placebo")
COUNTS = ("identities", "items", "retain_identities", "unseen_identities", "seeds")
THRESHOLDS = ("level", "tolerance", "floor", "utility_floor", "refusal_ceiling")
RESAMPLING = ("draws", "splits")
NAMED = (
    *("forget_perplexity", "forget_ratio", "forget_gold_ratio", "forget_efficacy"),
    *("retain_perplexity", "retain_ratio", "retain_gold_ratio", "retain_performance"),
    *("mia_auc", "mia_auc_gap", "mia_resistance", "mia_gold_gap"),
)
INFERENCE = "inference"
AT_INFERENCE = "methods at inference only: the weights still hold the knowledge"
UTILITY_PARTS = ("retain", "visual", "context", "neighbour")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its interval; a bound is `None` where it was not computed."""

    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        return (self.low is not None and self.low > 0) or (self.high is not None and self.high < 0)


@dataclass(frozen=True, kw_only=True)
class Wcr:
    """Worst-case recovery over live routes: three estimates, the route that wins, the gap to canonical."""

    plug_in: float | None
    cross_fit: Interval | None
    lower: float | None
    upper: float | None
    worst_route: str
    n_routes: int | None
    gap: float | None


@dataclass(frozen=True, kw_only=True)
class TierWcr:
    """A row's worst case in a further tier; `wcr` is `None`, and `reason` says why, where an attack is missing."""

    tier: str
    wcr: Wcr | None
    status: str
    reason: str
    upper_bound: bool


@dataclass(frozen=True, kw_only=True)
class Difference:
    """WCR of one model minus another's, cross-fit, with the plain and the Holm-adjusted p-value."""

    interval: Interval
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, kw_only=True)
class Best:
    """The assessable method with the least WCR, those that cannot be told apart from it, and how many can."""

    method: str
    alike: tuple[str, ...]
    apart: int | None


@dataclass(frozen=True, kw_only=True)
class Detectable:
    """The smallest recovery on one route that the study would have seen with this power: median, least, most."""

    power: float | None
    recovery: float | None
    least: float | None
    most: float | None


@dataclass(frozen=True, kw_only=True)
class RouteScore:
    """One model on one route: calibrated recovery with its interval, and the raw accuracy."""

    rho: float | None
    low: float | None
    high: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """What an adaptive attacker recovers from one method by the routes that he found elsewhere, one for each seed.

    `placebo` is the placebo's recovery by the same routes, `headroom` that of the imprint over gold on them.
    """

    recovery: Interval | None
    placebo: Interval | None
    headroom: Interval | None
    retain_did: Interval | None
    routes: tuple[str, ...]
    tried: tuple[int, ...]
    budget: int | None


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One role or method. `n_seeds == 0` means that nothing about it is verified yet.

    `trials` counts the settings that were tried, `tried` says which were chosen; both empty for a role.
    """

    name: str
    label: str
    kind: str
    views: str
    group: str
    trials: int | None
    tried: tuple[str, ...]
    seeds: tuple[int, ...]
    verdict: str
    reason: str
    canonical: Interval | None
    wcr: Wcr | None
    wcr_held_out: Wcr | None
    item_wcr: Interval | None
    identity_wcr: Interval | None
    retain_did: Interval | None
    accuracy: float | None
    utility: float | None
    utility_parts: Mapping[str, float | None]
    named: Mapping[str, Interval | None]
    refusal: float | None
    invalid: float | None
    refusal_invalid_retain: float | None
    logp: float | None
    routes: Mapping[str, RouteScore]
    tiers: Mapping[str, TierWcr]
    versus: Mapping[str, Difference | None]  # from the best assessable method, and from the placebo
    steps: int | None
    searched: bool = False  # does the study have an attacker?
    adaptive: Adaptive | None = None
    own: Mapping[str, Interval | None] = field(default_factory=dict)  # the benchmark's own metrics

    @property
    def n_seeds(self) -> int:
        return len(self.seeds)

    @property
    def is_pending(self) -> bool:
        return not self.seeds or (self.canonical is None and self.wcr is None)

    @property
    def worst_routes(self) -> frozenset[str]:
        """The worst route of each tier."""
        wcrs = (self.wcr, *(part.wcr for part in self.tiers.values()))
        return frozenset(wcr.worst_route for wcr in wcrs if wcr is not None and wcr.worst_route)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One entry of the catalogue; dead routes cannot carry the knowledge and never enter a maximum.

    `not_asked` and `unjudged` say why there is nothing to tell of a route, which then is neither live nor dead.
    """

    id: str
    family: str
    format: str
    tier: str
    live: bool
    held_out: bool
    headroom: Interval | None
    not_asked: str = ""
    unjudged: str = ""


@dataclass(frozen=True, kw_only=True)
class GateFormat:
    """The gate's figures for one answer format of one seed."""

    format: str
    headroom: Interval | None
    items: int | None
    identities: int | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One seed, its status, why, and its gate if the gate was measured."""

    seed: int
    status: str
    reason: str
    gate: tuple[GateFormat, ...]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper; `supported` is `None` while its evidence is incomplete.

    `state` tells a claim that the data contradict from one that they leave open; `figures` are those of its condition.
    """

    name: str
    text: str
    when: str
    supported: bool | None
    reason: str
    state: ClaimState = "undecided"
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PendingCell:
    """A cell that is not evidence (yet), and why."""

    cell: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How settings were chosen: on people who are in no figure, by the routes of these families."""

    people: int
    families: tuple[str, ...]
    budget: int | None
    score: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """One study's verified results."""

    study: str
    title: str
    catalogue: str
    tiers: tuple[str, ...]
    headline: str
    n: Mapping[str, int | None]
    thresholds: Mapping[str, float | None]
    resampling: Mapping[str, int | None]
    held_out: tuple[str, ...]
    tuning: Tuning | None
    seeds: tuple[Seed, ...]
    routes: tuple[Route, ...]
    rows: tuple[ModelRow, ...]
    best: Best | None
    detectable: Detectable | None
    claims: tuple[Claim, ...]
    pending: tuple[PendingCell, ...]
    evidence: str  # sha256 of the run manifest
    cells: Mapping[str, int | None]
    own: str = ""  # the benchmark, if it has metrics of its own
    calibration: str = "gold"  # or chance
    gate_minimum: float | None = None  # what the lower bound of a headroom must exceed
    checkpoints: Mapping[str, str] = field(default_factory=dict)  # rows that were made elsewhere, and where
    pairs: Mapping[tuple[str, str], Difference] = field(default_factory=dict)  # first minus second, each pair once

    @property
    def without_placebo(self) -> bool:
        """Is there no placebo, and never will be?"""
        return without_placebo(self.calibration, self.checkpoints)

    @property
    def level(self) -> int:
        """The coverage of every interval, in per cent."""
        return round(100 * (self.thresholds.get("level") or DEFAULT_LEVEL))

    @property
    def seedless(self) -> str:
        """Empty if some seed is verified; else the status they share, or `pending`."""
        statuses = {seed.status for seed in self.seeds}
        if "verified" in statuses:
            return ""
        return statuses.pop() if len(statuses) == 1 else "pending"

    @property
    def further(self) -> tuple[str, ...]:
        """The tiers beside the headline's of which there are figures."""
        named = dict.fromkeys(tier for row in self.rows for tier in row.tiers)
        return tuple(tier for tier in self.tiers if tier in named)

    @property
    def live_routes(self) -> int:
        return sum(route.live for route in self.routes)

    def row(self, name: str) -> ModelRow | None:
        """The row of that name, if there is one."""
        return next((row for row in self.rows if row.name == name), None)

    def difference(self, first: str, second: str) -> Difference | None:
        """WCR of one row minus another's, whichever way round it was computed."""
        if (known := self.pairs.get((first, second))) is not None:
            return known
        other = self.pairs.get((second, first))
        if other is None:
            return None
        i = other.interval
        low, high = (None if end is None else -end for end in (i.high, i.low))
        return Difference(interval=Interval(estimate=-i.estimate, low=low, high=high), p=other.p, p_holm=other.p_holm)

    @property
    def roles(self) -> tuple[ModelRow, ...]:
        return tuple(row for name in ROLES if (row := self.row(name)) is not None)

    @property
    def methods(self) -> tuple[ModelRow, ...]:
        """All methods, those that work at inference only behind the others."""
        rows = (row for row in self.rows if row.name not in ROLES)
        return tuple(sorted(rows, key=lambda row: row.group == INFERENCE))

    @property
    def groups(self) -> tuple[tuple[str, tuple[ModelRow, ...]], ...]:
        """Titles and methods of the groups that stand apart in every table; a group may be empty."""
        inside = tuple(row for row in self.methods if row.group == INFERENCE)
        return (("methods", tuple(row for row in self.methods if row not in inside)), (AT_INFERENCE, inside))
