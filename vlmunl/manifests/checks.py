"""What no single key can get wrong: rules between the sections of a study. Each raises `Problem`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vlmunl.attacks.known import needs_of
from vlmunl.benchmarks.known import FICTITIOUS, KINDS
from vlmunl.errors import StudyError
from vlmunl.manifests import attacker, meta
from vlmunl.manifests.checkpoints import check_checkpoints
from vlmunl.manifests.claims import check_claims
from vlmunl.manifests.distributed import check_distributed
from vlmunl.manifests.known import Known, RouteLike
from vlmunl.manifests.probes import probe_cells
from vlmunl.manifests.schema import Problem, cut, join, unknown
from vlmunl.manifests.sections import BenchmarkSection
from vlmunl.manifests.sections_measuring import GateSection, RoutesSection
from vlmunl.manifests.sections_training import ImprintSection, MethodPlan
from vlmunl.manifests.slurm import check_slurm
from vlmunl.manifests.study import Study
from vlmunl.manifests.tuning import check_sizes, check_tuning
from vlmunl.methods.parts import families, probes_of
from vlmunl.metrics.own.declared import OWN
from vlmunl.metrics.own.declared import names as own_names


def check(study: Study, names: Known) -> None:
    """All rules, in the order of the file."""
    _distinct("study.seeds", study.study.seeds)
    _benchmark(study.benchmark, names)
    _imprint(study.imprint, study.study.seeds)
    _gate(study.gate)
    if is_built_in(study.benchmark):  # the counts of the others are known when the study is planned
        check_counts(study)
    if not study.methods:
        raise Problem("methods", "no method is named; add for example [methods.ga]")
    chosen = select(study.routes, names)
    check_checkpoints(study, chosen)
    check_tuning(study, names, chosen)
    _attacks(study, chosen)
    _quantised(study, chosen)
    check_distributed(study)
    check_slurm(study.slurm)
    attacker.check_attacker(study, names, chosen)
    meta.check_meta(study)
    for method in study.methods:
        _trains_apart(method, study.routes.held_out)
    exclusions = [e.cell for e in study.evidence.exclude]
    _distinct("evidence.exclude", exclusions)
    for i, cell in enumerate(exclusions):
        if cell not in (cells := cell_names(study, attacks_of(chosen))):
            raise Problem(join("evidence.exclude", i) + ".cell", _near("cell", cell, cells))
    further = _further(study.routes, chosen)
    own = own_names(study.benchmark.id)
    check_claims(study.claims, study.methods, chosen, names, _parts(study, further), further, own, study.roles)


def _further(section: RoutesSection, chosen: Sequence[RouteLike]) -> tuple[str, ...]:
    """The study's tiers that have routes, beside that of the headline (`vlmunl.metrics.tiers.headline`)."""
    asked = sorted({route.tier for route in chosen} & set(section.tiers))
    return tuple(asked[1:])


def _parts(study: Study, further: Sequence[str]) -> tuple[str, ...]:
    """What the study's rows have beyond what every study's have."""
    own = study.benchmark.id in OWN
    more = {"versus": True, "tiers": bool(further), "adaptive": study.attacker is not None, "own": own}
    return tuple(name for name, there in more.items() if there)


def select(routes: RoutesSection, names: Known) -> tuple[RouteLike, ...]:
    """The chosen routes in the catalogue's order: those of the set and the tiers, plus `include`, minus `exclude`.

    `include` and `exclude` name routes or whole families. A plug-in's route is among them only where it is included.
    """
    own = names.own_routes
    named = {*routes.include, *routes.exclude, *routes.held_out}
    pool = own if named <= {*own, *(r.family for r in own.values())} else names.routes
    families = {r.family for r in pool.values()}
    for key in ("include", "exclude"):
        for i, name in enumerate(getattr(routes, key)):
            if name not in pool and name not in families:
                path = join(f"routes.{key}", i)
                raise Problem(path, _near("route or family", name, {*pool, *families}))
    for i, family in enumerate(routes.held_out):
        if family not in families:
            raise Problem(join("routes.held_out", i), unknown(f"route family {cut(family)!r}", family, families))
    _distinct("routes.held_out", routes.held_out)
    meant = frozenset(own) if routes.set == "full" else names.core
    chosen = tuple(r for r in pool.values() if _chosen(r, routes, meant))
    if not chosen:
        raise Problem("routes", f"no route is left of tiers {', '.join(routes.tiers)}; exclude fewer")
    for family in routes.held_out:
        if family not in {r.family for r in chosen}:
            raise Problem("routes.held_out", f"{family!r} has no route among the chosen ones; drop it or include it")
    return chosen


def attacks_of(routes: Iterable[RouteLike]) -> tuple[str, ...]:
    """The distinct attacks of these routes; each is a cell of its own for every model that is attacked."""
    return tuple(dict.fromkeys(route.attack for route in routes if route.attack))


def _attacks(study: Study, chosen: Iterable[RouteLike]) -> None:
    """Is every attack known and its arguments in range, and is there what it learns from?"""
    for route in chosen:
        if not route.attack:
            continue
        try:
            needs = needs_of(route.attack)
        except StudyError as error:
            raise Problem("routes", f"route {cut(route.id)!r}: {error}; {error.hint}") from None
        if "people" in needs and study.tuning is None:
            why = f"route {cut(route.id)!r} (attack {route.attack}) learns from people to forget who are set aside"
            raise Problem("routes", f"{why}, and none are; write [tuning] with people = 4, or exclude {route.family!r}")


def attack_cell(row: str, seed: int, attack: str) -> str:
    """The name of the cell that attacks a row's model and asks it then."""
    return f"attack/{row}/seed{seed}/{told_as(attack)}"


def told_as(attack: str) -> str:
    """How an attack is written in the name of a cell."""
    return attack.replace(":", "-")


def cell_names(study: Study, attacks: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of all cells that feed evidence."""
    names = ["data", "eval/base", *(["eval/chance"] if study.statistics.calibration == "chance" else [])]
    for seed in study.study.seeds:
        names += [f"imprint/{role}/seed{seed}" for role in study.roles]
        names += [f"gate/seed{seed}"]
        if study.tuning is not None and study.tuning.grid:
            names += [f"eval/{role}/seed{seed}/tuning" for role in ("imprint", "gold")]
        names += probe_cells(study, seed)
        names += [name for m in study.methods for name in _made(study, m, seed)]
        for name in (*study.roles, *(m.name for m in study.methods)):
            names += [f"eval/{name}/seed{seed}", *(attack_cell(name, seed, attack) for attack in attacks)]
        names += attacker.cell_names(study, seed)
    return (*names, *meta.cell_names(study, [told_as(attack) for attack in attacks]))


def _made(study: Study, method: MethodPlan, seed: int) -> list[str]:
    """The cells that make a method's model: one training, or trials, their scores and the choice among them."""
    row = f"{method.name}/seed{seed}"
    if study.tuning is None or method.name not in study.tuning.grid:
        return [f"unlearn/{row}"]
    tried = [f"{stage}/{row}/trial{k}" for k in range(study.tuning.budget) for stage in ("unlearn", "eval")]
    return [*tried, f"select/{row}"]


def _trains_apart(method: MethodPlan, held_out: Sequence[str]) -> None:
    """A method whose own views prepare for a route family cannot be in a study that holds it out."""
    for view, family in families(method.recipe).items():
        if family in held_out:
            what = f"trains on {view!r}, of the route family {family!r}, which routes.held_out keeps from training"
            raise Problem(join("methods", method.name), f"{what}; leave the method out, or do not hold that family out")


def _chosen(route: RouteLike, routes: RoutesSection, meant: frozenset[str]) -> bool:
    named = {route.id, route.family}
    if named & set(routes.exclude):
        return False
    return (route.tier in routes.tiers and route.id in meant) or bool(named & set(routes.include))


def _near(what: str, name: str, known: Iterable[str]) -> str:
    """Like `unknown`, for lists that are too long to print."""
    from difflib import get_close_matches

    near = get_close_matches(cut(name), sorted(known), n=3, cutoff=0.5)
    return f"unknown {what} {cut(name)!r}" + (f"; did you mean {', '.join(repr(n) for n in near)}?" if near else "")


def _distinct(path: str, values: Sequence[object]) -> None:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise Problem(path, f"{cut(repr(value))} is listed twice; list it once")


def is_built_in(section: BenchmarkSection) -> bool:
    """Is it the benchmark that is made from a seed?"""
    return section.id == FICTITIOUS.id


def check_given(table: object) -> None:
    """Are only keys given that the benchmark has? `table` is `[benchmark]` as it stands in the file."""
    given = table if isinstance(table, Mapping) else {}
    name = str(given.get("id", FICTITIOUS.id))
    built_in = name == FICTITIOUS.id
    for key in _OF_OTHERS if built_in else _OF_BUILT_IN:
        if key in given:
            what = "is made from a seed and has no files" if built_in else "comes with its own people"
            keys = ", ".join(_OF_BUILT_IN if built_in else _OF_OTHERS)
            raise Problem(join("benchmark", key), f"{cut(name)!r} {what}; drop the key (it takes: {keys}, seed)")


_OF_BUILT_IN, _OF_OTHERS = ("people", "forget", "photos"), ("split", "path", "revision", "limit")


def check_counts(study: Study) -> None:
    """Are there enough people, to forget and to keep, for what the study asks?"""
    section, policy = study.benchmark, study.gate.policy()
    if section.forget >= section.people:
        found = f"{section.forget} of {section.people} people are to be forgotten"
        raise Problem("benchmark.forget", f"{found}; leave some to retain: use a number below {section.people}")
    if policy.min_identities > section.forget:
        asked = f"{policy.min_identities} people are required, but only {section.forget} are to be forgotten"
        raise Problem("gate.min_identities", f"{asked}; use a number up to {section.forget}")
    check_sizes(study)


def _benchmark(section: BenchmarkSection, names: Known) -> None:
    if section.id not in names.benchmarks:
        raise Problem("benchmark.id", unknown(f"benchmark {cut(section.id)!r}", section.id, names.benchmarks))
    kind = KINDS.get(section.id)
    if kind is None or not section.split:
        return
    try:
        kind.split(section.split)
    except KeyError:
        known = {*kind.splits, *kind.aliases}
        raise Problem("benchmark.split", unknown(f"split {cut(section.split)!r}", section.split, known)) from None


def _imprint(section: ImprintSection, seeds: tuple[int, ...]) -> None:
    claimed: dict[tuple[int, str], int] = {}
    for i, override in enumerate(section.override):
        path = join("imprint.override", i)
        if override.seed not in seeds:
            listed = ", ".join(map(str, seeds))
            raise Problem(join(path, "seed"), f"seed {override.seed} is not in study.seeds ({listed})")
        _distinct(join(path, "roles"), override.roles)
        for role in override.roles:
            other = claimed.setdefault((override.seed, role), i)
            if other != i:
                raise Problem(path, f"seed {override.seed}, role {role!r} is overridden already by override[{other}]")


_ROUNDED = ("quantize", "prune", "merge_base")
"""Attacks that put other weights in the place of the model's own."""


def _quantised(study: Study, chosen: Sequence[RouteLike]) -> None:
    """Weights held in 8 or 4 bit cannot be changed, nor their gradients measured: adapters alone are trained."""
    how = study.model.quantize
    if how == "none":
        return
    told = f"of a model that is held in {how} cannot be changed"
    for section, recipes in (("imprint", _recipes(study.imprint)), ("unlearn", {"": study.unlearn.recipe})):
        for key, recipe in recipes.items():
            if recipe == "full":
                raise Problem(
                    f"{section}{key}.recipe", f'the weights {told}; use "lora" or "dora", or model.quantize = "none"'
                )
    for method in study.methods:
        path = join("methods", method.name)
        if method.recipe.before or method.recipe.after:
            raise Problem(path, f"it edits weights, and those {told}; leave it out, or use model.quantize = 'none'")
        if probes_of(method.recipe, method.params):
            raise Problem(path, f"it chooses by scores of weights that it trains, and those {told}; leave it out")
    for attack in attacks_of(chosen):
        if attack.partition(":")[0] in _ROUNDED:
            raise Problem("routes", f"the attack {attack!r} changes weights, and those {told}; exclude its routes")


def _recipes(section: ImprintSection) -> dict[str, object]:
    found: dict[str, object] = {"": section.recipe.recipe}
    return found | {f".override[{i}]": o.changes.get("recipe") for i, o in enumerate(section.override)}


def _gate(section: GateSection) -> None:
    policy = section.policy()
    if not 1 <= policy.need <= policy.of:
        wanted = f"{policy.need} of {policy.of}"
        raise Problem("gate.paraphrases", f"{wanted!r} cannot be met; ask for 1 to {policy.of} of {policy.of}")
