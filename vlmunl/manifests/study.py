"""What a study file may say: one frozen dataclass per section (`sections*.py`), every default exactly once.

Where a stage's config already has a default, the section takes it from there. Bounds stand in the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlmunl.manifests.sections import (
    BenchmarkSection,
    CheckpointsSection,
    DistributedSection,
    Head,
    ModelSection,
    SyncSection,
    TablesSection,
)
from vlmunl.manifests.sections_measuring import (
    AttackerSection,
    ClaimSection,
    EvalSection,
    EvidenceSection,
    GateSection,
    MetaSection,
    RoutesSection,
    StatisticsSection,
)
from vlmunl.manifests.sections_training import ImprintSection, MethodPlan, TuningSection, UnlearnSection
from vlmunl.manifests.slurm import SlurmSection
from vlmunl.metrics.chance import without_placebo
from vlmunl.stages.configs import ROLES, Role


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
