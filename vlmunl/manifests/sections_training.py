"""What a study file says of training: how people are taught, by which methods they are unlearned, and how tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from vlmunl.manifests.schema import Range
from vlmunl.manifests.values import Count, MicroBatch, Rate, Seed, Steps, Words
from vlmunl.methods.language import Recipe as MethodRecipe
from vlmunl.stages.configs import (
    ROLES,
    Adapter,
    Group,
    ImprintConfig,
    Optim,
    Optimizer,
    Role,
    Score,
    SelectConfig,
    StopRule,
    UnlearnConfig,
    Views,
)


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
