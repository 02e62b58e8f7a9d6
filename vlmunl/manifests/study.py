"""What a study file may say: one frozen dataclass per section, every default exactly once.

Where a stage's config already has a default, the section takes it from there. Bounds stand in the types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from vlmunl.manifests.schema import Pattern, Range
from vlmunl.manifests.slurm import SlurmSection
from vlmunl.methods.language import Recipe as MethodRecipe
from vlmunl.metrics.chance import without_placebo
from vlmunl.processes import Processes, Strategy
from vlmunl.stages.configs import (
    ROLES,
    Adapter,
    Attention,
    Calibration,
    DataConfig,
    EvalConfig,
    GatePolicy,
    Group,
    ImprintConfig,
    Loading,
    Optim,
    Optimizer,
    Precision,
    Quantize,
    Role,
    Score,
    SearchConfig,
    SelectConfig,
    Statistics,
    StopRule,
    TablesConfig,
    UnlearnConfig,
    Views,
    Weights,
)

Name = Annotated[
    str,
    Pattern(r"[a-z0-9][a-z0-9_.-]{0,63}", "a name: lower-case letters, digits, '_', '-' and '.', at most 64 of them"),
]
Line = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]*", "one line of text")]
Words = Annotated[str, Pattern(r"(?=.*\S)[^\x00-\x1f\x7f]+", "one line of text that says something")]
Seed = Annotated[int, Range(ge=0, lt=2**32)]
Count = Annotated[int, Range(ge=1, le=100_000_000)]
Steps = Annotated[int, Range(ge=0, le=100_000_000)]
Rate = Annotated[float, Range(gt=0, le=10)]
Share = Annotated[float, Range(ge=0, le=1)]
MicroBatch = Literal["auto"] | Annotated[int, Range(ge=1, le=65536)]
"""Samples that are computed at once: a number, or as many as there are and fewer where memory runs out."""

TableName = Literal[
    "main", "gap", "routes", "gate", "utility", "named", "seeds", "ablations", "comparisons", "tiers", "adaptive", "own"
]
"""The tables of a study; those behind `seeds` only where it has what they show."""

PARAPHRASES = re.compile(r"\s*(\d{1,3}) of (\d{1,3})\s*")


@dataclass(frozen=True, kw_only=True)
class Head:
    """`[study]`: its name (a folder name in `manifests/` and `latex/generated/`) and its seeds."""

    name: Name
    title: Line = ""
    seeds: Annotated[tuple[Seed, ...], Range(ge=1, le=1000)]


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """`[model]`: `tiny` (embedded), a Hub id with a revision, or a path in the workspace; and how it is held in memory.

    `precision` is that of the arithmetic in training, `weights` that of the weights at rest.
    """

    id: Words
    revision: Words | None = None
    precision: Precision = Optim.precision
    weights: Weights = Loading.weights
    quantize: Quantize = Loading.quantize
    attention: Attention = Loading.attention
    checkpointing: bool = Loading.checkpointing

    @cached_property  # many cells share it, and it is spelt once
    def loading(self) -> Loading:
        """As the stages read it."""
        from vlmunl.models.template import frozen

        return Loading(
            weights=self.weights,
            quantize=self.quantize,
            attention=self.attention,
            checkpointing=self.checkpointing,
            prompts="" if self.id == "tiny" else frozen(),
        )


@dataclass(frozen=True, kw_only=True)
class CheckpointsSection:
    """`[checkpoints]`: models made elsewhere in the place of roles that would be trained.

    Each is a whole model or a PEFT adapter on the base: a folder of the workspace, or `owner/repo@revision`.
    """

    imprint: Words | None = None
    gold: Words | None = None
    placebo: Words | None = None


@dataclass(frozen=True, kw_only=True)
class BenchmarkSection:
    """`[benchmark]`: who is taught, and how many of them are to be forgotten.

    `people`, `forget` and `photos` are of the built-in benchmark alone. The others have a `split`, and their files come
    from the Hub (at a pinned `revision`) or lie at `path` in the workspace; `limit` takes so many identities of either
    side (0: all). A plan has the counts of every benchmark in `people` and `forget`.
    """

    id: Words = DataConfig.benchmark
    split: Line = DataConfig.split
    path: Line = ""
    revision: Words | None = None
    limit: Annotated[int, Range(ge=0, le=100_000)] = DataConfig.limit
    people: Annotated[int, Range(ge=2, le=100_000)] = DataConfig.people
    forget: Annotated[int, Range(ge=1, le=100_000)] = DataConfig.forget
    photos: Annotated[int, Range(ge=1, le=1000)] = DataConfig.photos
    seed: Seed = DataConfig.seed


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the people are taught; an override may change any of it for some seeds and roles.

    `steps` are those of the imprint. Gold and placebo have fewer people to see and take as many fewer steps. Turns
    that would make a sample longer than `max_length` tokens are left out of it as a whole.
    """

    recipe: Literal["lora", "dora", "full"] = Adapter.recipe
    rank: Annotated[int, Range(ge=1, le=4096)] = Adapter.rank
    alpha: Annotated[int, Range(ge=1, le=65536)] = Adapter.alpha
    steps: Steps = Optim.steps
    lr: Rate = Optim.lr
    warmup: Steps = Optim.warmup
    clip: Annotated[float, Range(gt=0)] = Optim.clip
    optimizer: Optimizer = Optim.optimizer
    image_samples: Count = ImprintConfig.image_samples
    text_samples: Steps = ImprintConfig.text_samples
    replay: Steps = ImprintConfig.replay
    augment: Annotated[float, Range(ge=0, le=4)] = ImprintConfig.augment
    max_length: Annotated[int, Range(ge=16, le=1_000_000)] = ImprintConfig.max_length


@dataclass(frozen=True, kw_only=True)
class Override:
    """`[[imprint.override]]`: other settings for one seed and some of its roles."""

    seed: Seed
    roles: Annotated[tuple[Role, ...], Range(ge=1)] = ROLES
    changes: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImprintSection:
    """`[imprint]`: the recipe of every role, the exceptions from it, and how many samples are computed at once."""

    recipe: Recipe = field(default_factory=Recipe)
    override: tuple[Override, ...] = ()
    micro_batch: MicroBatch = "auto"


@dataclass(frozen=True, kw_only=True)
class UnlearnSection:
    """`[unlearn]`: what the methods train, on top of the imprint."""

    recipe: Literal["lora", "dora", "full"] = Adapter.recipe
    rank: Annotated[int, Range(ge=1, le=4096)] = Adapter.rank
    alpha: Annotated[int, Range(ge=1, le=65536)] = Adapter.alpha
    micro_batch: MicroBatch = "auto"


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
class StopSection:
    """`stop = { forget_nll = 5.0, patience = 3 }` of a method."""

    forget_nll: Annotated[float, Range(ge=0, le=1000)] | None = None
    strangers: Annotated[float, Range(ge=0, le=1000)] | None = None
    retain_rise: Annotated[float, Range(ge=0, le=1000)] | None = None
    each: Annotated[float, Range(ge=0, le=1000)] | None = None
    patience: Annotated[int, Range(ge=1, le=100_000)] | None = None


@dataclass(frozen=True, kw_only=True)
class MethodSection:
    """`[methods.NAME]`: what differs from the declared method; None means "as declared".

    A method's own settings (`beta`, `retain`) are written beside these keys and end up in `params`.
    """

    like: Words | None = None
    label: Words | None = None
    views: Views | None = None
    lr: Rate | None = None
    steps: Steps | None = None
    warmup: Steps | None = None
    clip: Annotated[float, Range(gt=0)] | None = None
    batch: Count | None = None
    stop: StopSection = field(default_factory=StopSection)
    checkpoint: Words | None = None


@dataclass(frozen=True, kw_only=True)
class MethodPlan:
    """One method of the study with everything filled in: its row's name and label, and its config but for the seed.

    One that starts from a `checkpoint` is that model, made elsewhere; the rest then means nothing.
    """

    name: str
    label: str
    start: Literal["imprint", "base", "checkpoint"]
    checkpoint: str = ""
    group: Group = "training"
    method: str
    version: int
    views: Views = UnlearnConfig.views
    params: Mapping[str, float]
    recipe: MethodRecipe = field(default_factory=MethodRecipe)
    parts: Mapping[str, int] = field(default_factory=dict)
    optim: Optim
    batch: int = UnlearnConfig.batch
    stop: StopRule = field(default_factory=StopRule)


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
class TuningSection:
    """`[tuning]`: what settings are chosen on, and by how many trials per method (`vlmunl.manifests.tuning`).

    `people` of those to forget are set aside for it, and attacks may learn from them. `routes` names families; none:
    all that are not held out. `grid` maps a method of the study to its settings and their values.
    """

    people: Annotated[int, Range(ge=1, le=100_000)] = 4
    routes: tuple[Words, ...] = ()
    budget: Annotated[int, Range(ge=2, le=1000)] = 6
    score: Score = SelectConfig.score
    seed: Seed = 0
    grid: Mapping[str, Mapping[str, tuple[int | float, ...]]] = field(default_factory=dict)


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
class DistributedSection:
    """`[distributed]`: by how many processes of one machine a cell is done, and how they share the model (speed only).

    One process per accelerator. What `processes` and `strategy` mean is told in `vlmunl.processes`.
    """

    processes: Annotated[int, Range(ge=1, le=1024)] = Processes.count
    strategy: Strategy = Processes.strategy
    offload: bool = Processes.offload

    def plan(self) -> Processes:
        """As the engine reads it."""
        return Processes(count=self.processes, strategy=self.strategy, offload=self.offload)


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


@dataclass(frozen=True, kw_only=True)
class TablesSection:
    """`[tables]`: what is rendered. `only` names tables; none: all that the study has."""

    figures: bool = TablesConfig.figures
    only: tuple[TableName, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SyncSection:
    """`[sync]`: where the study is published."""

    repo: Line = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One checked study. `overrides` are the `--set` options it was read with, `sha256` the file's."""

    path: Path
    sha256: str
    overrides: Mapping[str, object]
    study: Head
    model: ModelSection
    benchmark: BenchmarkSection
    imprint: ImprintSection
    gate: GateSection
    unlearn: UnlearnSection
    methods: tuple[MethodPlan, ...]
    routes: RoutesSection
    tuning: TuningSection | None
    attacker: AttackerSection | None = None
    meta: MetaSection | None = None
    eval: EvalSection
    distributed: DistributedSection = field(default_factory=DistributedSection)
    statistics: StatisticsSection
    evidence: EvidenceSection
    claims: Mapping[str, ClaimSection]
    tables: TablesSection
    sync: SyncSection
    checkpoints: CheckpointsSection = field(default_factory=CheckpointsSection)
    slurm: SlurmSection = field(default_factory=SlurmSection)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that the study has, trained or made elsewhere (`vlmunl.manifests.checkpoints`)."""
        if self.statistics.calibration == "chance":
            return ("imprint",)
        given = [role for role in ROLES if getattr(self.checkpoints, role) is not None]
        without = without_placebo(self.statistics.calibration, given)
        return tuple(role for role in ROLES if role != "placebo" or not without)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name
