"""What a study file says of itself: its name, model, people, processes, tables and place on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from vlmunl.manifests.schema import Range
from vlmunl.manifests.values import Line, Name, Seed, TableName, Words
from vlmunl.processes import Processes, Strategy
from vlmunl.stages.configs import Attention, DataConfig, Loading, Optim, Precision, Quantize, TablesConfig, Weights


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
class SyncSection:
    """`[sync]`: where the study is published."""

    repo: Line = ""


@dataclass(frozen=True, kw_only=True)
class TablesSection:
    """`[tables]`: what is rendered. `only` names tables; none: all that the study has."""

    figures: bool = TablesConfig.figures
    only: tuple[TableName, ...] = ()
