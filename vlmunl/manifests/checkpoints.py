"""`[checkpoints]` and `[methods.NAME] checkpoint`: models made elsewhere, and what a study lacks without a gold.

A role that is given is not trained: its cell keeps its name and imports the checkpoint, and everything after it is as
always. Where chance stands for gold there is no gold and no placebo; where imprint and gold were both made elsewhere
and no placebo was, there is no placebo, since one of the study's own recipe would be no second draw of that gold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vlmunl.manifests.schema import Problem, cut, join
from vlmunl.methods.parts import needs_of
from vlmunl.stages import configs as c

if TYPE_CHECKING:
    from vlmunl.manifests.known import RouteLike
    from vlmunl.manifests.sections_training import MethodPlan
    from vlmunl.manifests.study import Study
    from vlmunl.stage_types import External

SECTION = "checkpoints"


def imported_roles(study: Study) -> dict[c.Role, str]:
    """Role -> the checkpoint that takes its place, as the study writes it."""
    given: dict[c.Role, str | None] = {
        "imprint": study.checkpoints.imprint,
        "gold": study.checkpoints.gold,
        "placebo": study.checkpoints.placebo,
    }
    return {role: text for role, text in given.items() if text is not None}


def imported(study: Study) -> dict[str, str]:
    """Role or method -> the checkpoint that it is, as the study writes it: a folder, or `owner/repo@revision`."""
    methods = {method.name: method.checkpoint for method in study.methods if method.checkpoint}
    return {str(role): text for role, text in imported_roles(study).items()} | methods


def key_of(study: Study, name: str) -> str:
    """The key of the study under which a role's or a method's checkpoint stands."""
    roles: Iterable[str] = imported_roles(study)
    return join(SECTION, name) if name in roles else join(join("methods", name), "checkpoint")


def checkpoint_config(name: str, source: External, roles: Iterable[str]) -> c.CheckpointConfig:
    """How the checkpoint of a role or method is read, by the files that it has."""
    role: c.ImportedRole = "method"
    for known in c.ROLES:
        if name == known and name in roles:
            role = known
    form: c.CheckpointForm = "peft" if (source.path / "adapter_config.json").is_file() else "full"
    return c.CheckpointConfig(role=role, form=form)


# ------------------------------------------------------------------------------------------- checks


def check_checkpoints(study: Study, chosen: Iterable[RouteLike]) -> None:
    """Does what was made elsewhere, and what is missing for it, fit the rest of the study? Raises `Problem`."""
    chosen = tuple(chosen)
    _seeds(study, chosen)
    if study.statistics.calibration == "chance":
        _chance(study, chosen)
    if "placebo" not in study.roles:
        _without_placebo(study)
    if "gold" not in study.roles:
        for method in study.methods:
            _no_oracle(method)


def _seeds(study: Study, chosen: tuple[RouteLike, ...]) -> None:
    """Several seeds of a study in which nothing depends on a seed would look like evidence and be none."""
    trained = set(study.roles) - set(imported_roles(study)) or any(m.start != "checkpoint" for m in study.methods)
    draws = study.meta is not None or any(route.attack for route in chosen)
    if len(study.study.seeds) > 1 and not trained and not draws:
        why = "every model of this study was made elsewhere, so its seeds would only repeat each other"
        raise Problem("study.seeds", f"{why}; use one, for example seeds = [{study.study.seeds[0]}]")


def _chance(study: Study, chosen: tuple[RouteLike, ...]) -> None:
    path = "statistics.calibration"
    given: Mapping[str, str] = {str(role): text for role, text in imported_roles(study).items()}
    for role in ("gold", "placebo"):
        if role in given:
            raise Problem(join(SECTION, role), f'has no effect with {path} = "chance"; leave one of the two out')
    sections = {"tuning": study.tuning, "attacker": study.attacker, "meta": study.meta}
    for name, section in sections.items():
        if section is not None:
            raise Problem(name, f'measures against a gold model, and {path} = "chance" has none; leave it out')
    for route in chosen:
        if route.attack:
            why = "attacks the model and is measured against an attacked gold"
            raise Problem("routes", f'route {cut(route.id)!r} {why}, which {path} = "chance" has not; leave it out')
        if route.decoding.partition(":")[0] == "probability":
            why = "scores a probability, of which no chance level is known"
            raise Problem("routes", f'route {cut(route.id)!r} {why}; exclude it, or leave out {path} = "chance"')


def _without_placebo(study: Study) -> None:
    for name, section in {"attacker": study.attacker, "meta": study.meta}.items():
        if section is not None:
            why = "compares with a placebo, and the study has none: imprint and gold were made elsewhere"
            raise Problem(name, f'{why}; give one too: [checkpoints] placebo = "..."')


def _no_oracle(method: MethodPlan) -> None:
    if "oracle logits" in needs_of(method.recipe):
        why = 'learns from the gold model, and with statistics.calibration = "chance" there is none'
        raise Problem(join("methods", method.name), f"{why}; leave the method out")
