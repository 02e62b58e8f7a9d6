"""`[attacker]`: who searches for the worst composition of routes, with which parts, and the cells that this takes.

A cell `scout/seed0` asks imprint and gold every part on the tuning people, and for each method a cell
`search/npo/seed0` searches there and reports the route that it found on all the other people to forget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlmunl.manifests.cells import Cell, CellOutput
from vlmunl.manifests.known import Known, RouteLike
from vlmunl.manifests.schema import Problem, cut, join, read, unknown
from vlmunl.manifests.sections_measuring import AttackerSection
from vlmunl.manifests.study import Study
from vlmunl.stage_types import External, Stage
from vlmunl.stages import configs as c

TIER = "T0"
"""An attacker composes what anybody can do who may ask the model."""


def read_attacker(table: object) -> AttackerSection | None:
    """The section; None if there is none. Raises `Problem`."""
    return None if table is None else read(AttackerSection, table, "attacker")


def parts(study: Study, chosen: tuple[RouteLike, ...]) -> tuple[RouteLike, ...]:
    """The study's routes that may be composed: those of T0, of the families that `[attacker]` names."""
    assert study.attacker is not None, "only asked of studies with an attacker"
    named = study.attacker.families
    return tuple(r for r in chosen if r.tier == TIER and not r.attack and (not named or r.family in named))


def check_attacker(study: Study, names: Known, chosen: tuple[RouteLike, ...]) -> None:
    """Is there somebody to search on, and something to search with? Raises `Problem`."""
    if study.attacker is None:
        return
    if study.tuning is None:
        wanted = "an attacker searches on people who are in no figure; set some aside: [tuning] people = 4"
        raise Problem("attacker", wanted)
    usable = {r.family for r in chosen if r.tier == TIER and not r.attack}
    for i, family in enumerate(study.attacker.families):
        at = join("attacker.families", i)
        if family not in names.families:
            raise Problem(at, unknown(f"route family {cut(family)!r}", family, names.families))
        if family not in usable:
            raise Problem(at, f"{family!r} has no {TIER} route among the chosen ones; drop it or include it")
        if family in study.attacker.families[:i]:
            raise Problem(at, f"{family!r} is listed twice; list it once")
    if not parts(study, chosen):
        raise Problem("attacker", f"the study has no route of {TIER} to compose")


def scout_config(
    study: Study, names: Known, chosen: tuple[RouteLike, ...], scoring: c.EvalConfig
) -> c.ScoutConfig | None:
    """What every search of a study starts from; None without an attacker. `scoring` is how the study asks."""
    if study.attacker is None:
        return None
    mine = parts(study, chosen)
    return c.ScoutConfig(
        routes=tuple(route.id for route in mine),
        catalogue=names.catalogue_hash(mine),
        tuning=scoring.tuning,
        max_new_tokens=scoring.max_new_tokens,
        batch_size=scoring.batch_size,
        asking=scoring.asking,
        loading=scoring.loading,
    )


def cell_names(study: Study, seed: int) -> list[str]:
    """The cells of an attacker at one seed."""
    if study.attacker is None:
        return []
    return [f"scout/seed{seed}", *(f"search/{method.name}/seed{seed}" for method in study.methods)]


@dataclass(frozen=True, kw_only=True)
class Searches:
    """Makes the cells. `shared` are the inputs base and benchmark."""

    study: Study
    stages: Mapping[str, Stage]
    config: c.ScoutConfig
    shared: Mapping[str, CellOutput | External]

    def scout(self, seed: int, trained: Mapping[str, CellOutput]) -> Cell:
        """What imprint and gold say to every part."""
        given = {role: trained[role] for role in ("imprint", "gold")}
        return Cell(
            name=f"scout/seed{seed}",
            stage=self.stages["scout"],
            config=self.config,
            inputs={**self.shared, **given},
            seed=seed,
            after_gate=f"gate/seed{seed}",
        )

    def search(
        self, row: str, seed: int, trained: Mapping[str, CellOutput], adapters: Mapping[str, CellOutput]
    ) -> Cell:
        """The search against one method's model, and its report."""
        attacker, scout = self.study.attacker, self.config
        assert attacker is not None, "only made for studies with an attacker"
        config = c.SearchConfig(
            routes=scout.routes,
            catalogue=scout.catalogue,
            tuning=scout.tuning,
            budget=attacker.budget,
            beam=attacker.beam,
            floor=self.study.statistics.floor,
            seed=attacker.seed,
            max_new_tokens=scout.max_new_tokens,
            batch_size=scout.batch_size,
            asking=scout.asking,
            loading=scout.loading,
        )
        seen = {"scout": CellOutput(cell=f"scout/seed{seed}", output="rows")}
        return Cell(
            name=f"search/{row}/seed{seed}",
            stage=self.stages["search"],
            config=config,
            inputs={**self.shared, **trained, **seen, **adapters},
            seed=seed,
            row=row,
            after_gate=f"gate/seed{seed}",
            reported=True,
        )
