"""For every key of the study schema: another value of it, and the cells that it reaches directly.

Whatever reads their results follows from the plan. A new key of the schema needs a line here.
"""

from __future__ import annotations

import dataclasses

from vlmunl.manifests import adhoc
from vlmunl.manifests.load import _SECTIONS
from vlmunl.manifests.sections_measuring import AttackerSection, ClaimSection, Exclusion, MetaSection
from vlmunl.manifests.sections_training import MethodSection, Override, Recipe, StopSection, TuningSection
from vlmunl.methods.language import Dual, Edit, Rule, Term, Where, Wrapper

STUDY = """
[study]
name = "s"
title = "t"
seeds = [0, 1]
[model]
id = "base"
[[imprint.override]]
seed = 1
roles = ["placebo"]
steps = 3
[methods.ga]
[methods.npo_wide]
like = "npo"
views = "wide"
[methods.retrain]
[methods.tuned]
like = "graddiff"
[tuning]
budget = 2
[tuning.grid.tuned]
lr = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
[attacker]
budget = 5
[meta]
stops = [0.25, 0.5]
only = ["name"]
[methods.mine]
settings = { anchor = 2.0 }
terms = [{ loss = "npo", beta = 0.2 }, { loss = "kl_ref", view = "retain", weight = "anchor" }]
[routes]
exclude = ["flip"]
held_out = ["few_shot"]
[evidence]
exclude = [{ cell = "eval/retrain/seed1", reason = "why not" }]
[claims.one]
text = "it is so"
when = "ga.wcr.lower > 0"
"""

RESULTS = "aggregate"
SEARCHED = ("scout/*", "search/*")
JUDGED = "meta"
STOPPED, ONE_WAY = "imprint/stop*", "imprint/only_*"
TRAINED = ("imprint/*", "unlearn/*")
LOADED = (*TRAINED, "gate/*", "eval/*", "scout/*", "search/*")
TAUGHT = (
    "imprint/imprint/*",
    STOPPED,
    ONE_WAY,
    "imprint/gold/*",
    "imprint/placebo/*",
    "unlearn/retrain/*",
)  # follow [imprint]
UNLEARNED = ("unlearn/ga/*", "unlearn/npo_wide/*", "unlearn/mine/*", "unlearn/tuned/*")  # start from the imprint
GA, WIDE, MINE, SCORED = "unlearn/ga/*", "unlearn/npo_wide/*", "unlearn/mine/*", "eval/*"
CHOSEN = "select/*"
_NOT_OVERRIDDEN = ("imprint/*/seed0", "imprint/imprint/*", STOPPED, ONE_WAY, "imprint/gold/*", "unlearn/retrain/*")

_TEACHING = {
    "recipe": '"dora"',
    "rank": "3",
    "alpha": "5",
    "steps": "9",
    "lr": "0.5",
    "warmup": "2",
    "clip": "0.25",
    "image_samples": "3",
    "text_samples": "4",
    "replay": "5",
    "augment": "0.75",
    "max_length": "96",
    "optimizer": '"muon"',
}
_OVERRIDE = 'imprint.override=[{{ seed = 1, roles = ["placebo"], {} }}]'
_EXCLUSION = 'evidence.exclude=[{{ cell = "{}", reason = "{}" }}]'
_MINE = 'methods.mine.{}=[{{ {} }}, {{ loss = "ce", view = "retain", weight = "anchor" }}]'
_DUAL = 'loss = "ga", dual = {{ start = {}, slack = {}, rate = {}, warmup = {} }}'


def _mine(key: str, more: str) -> tuple[str, tuple[str, ...]]:
    return f"methods.mine.{key}={more}", (MINE,)


def _term(more: str) -> tuple[str, tuple[str, ...]]:
    return _MINE.format("terms", more), (MINE,)


RECIPES = {
    "methods.settings": _mine("settings", "{ anchor = 3.0 }"),
    "methods.terms.loss": _term('loss = "ga"'),
    "methods.terms.view": _term('loss = "npo", view = "unseen"'),
    "methods.terms.weight": _term('loss = "npo", weight = 0.5'),
    "methods.terms.other": _term('loss = "probe_pair", other = "forget.probe"'),
    "methods.terms.args": _term('loss = "npo", beta = 0.3'),
    "methods.terms.constraint": _term('loss = "npo", constraint = true'),
    "methods.terms.dual.start": _term(_DUAL.format(2, 1, 1, 0)),
    "methods.terms.dual.slack": _term(_DUAL.format(1, 2, 1, 0)),
    "methods.terms.dual.rate": _term(_DUAL.format(1, 1, 2, 0)),
    "methods.terms.dual.warmup": _term(_DUAL.format(1, 1, 1, 2)),
    "methods.add": _mine("add", '[{ loss = "ce", view = "general" }]'),
    **{
        f"methods.{key}.{name}": _mine(key, f'[{{ {name} = "probe" }}]')
        for key, name in (("rules", "rule"), ("before", "edit"), ("after", "edit"))
    },
    **{
        f"methods.{key}.args": _mine(key, f'[{{ {name} = "probe", strength = 2.0 }}]')
        for key, name in (("rules", "rule"), ("before", "edit"), ("after", "edit"))
    },
    "methods.add_rules": _mine("add_rules", '[{ rule = "probe" }]'),
    "methods.schedule": _mine("schedule", '"epochwise"'),
    "methods.every": ('methods.mine={ like = "graddiff", schedule = "alternate", every = 2 }', (MINE,)),
    "methods.where.parts": _mine("where", '{ parts = ["vision"] }'),
    "methods.where.modules": _mine("where", '{ modules = ["down"] }'),
    "methods.where.depth": _mine("where", "{ depth = 0.5 }"),
    "methods.where.last": _mine("where", "{ depth = 0.5, last = 1 }"),
    "methods.infer.wrapper": _mine("infer", '{ wrapper = "probe" }'),
    "methods.infer.args": _mine("infer", '{ wrapper = "probe", strength = 2.0 }'),
}
"""The keys of recipes; `probe` is whatever part of that kind the test has registered."""

_GRID = "tuning.grid={{ tuned = {{ lr = [{}] }} }}"
_JUDGED = ("eval/*/tuning", "eval/tuned/*/trial?")  # scored on the tuning people and routes
TUNING = {
    "people": ("tuning.people=3", ("gate/*", SCORED, *SEARCHED, RESULTS)),
    "routes": ('tuning.routes=["geometry"]', (*_JUDGED, RESULTS)),
    "budget": ("tuning.budget=3", ("unlearn/tuned/*/trial[12]", RESULTS)),  # one point in common
    "score": ('tuning.score="mean"', (CHOSEN, RESULTS)),
    "seed": ("tuning.seed=1", ("unlearn/tuned/*", CHOSEN)),
    "grid": (_GRID.format("0.1, 0.2, 0.3, 0.4, 0.5, 0.6"), ("unlearn/tuned/*", CHOSEN)),
}

SLURM = {
    "partition": '"gpu"',
    "account": '"ours"',
    "qos": '"long"',
    "constraint": '"a100|h100"',
    "gpus": "2",
    "cpus": "8",
    "memory": '"64G"',
    "time": '"2-00:00:00"',
    "extra": '["--exclude=node7"]',
    "setup": '["module load cuda"]',
    "parallel": "3",
    "warning": "300",
}
SLURM_STAGES = (
    "data",
    "imprint",
    "gate",
    "probe",
    "unlearn",
    "eval",
    "attack",
    "select",
    "meta",
    "aggregate",
    "tables",
    "sync",
)


REACH: dict[str, tuple[str, tuple[str, ...]]] = {
    "study.name": ('study.name="other"', (RESULTS, JUDGED)),
    "study.title": ('study.title="other"', (RESULTS, JUDGED)),
    "study.seeds": ("study.seeds=[0, 1, 2]", ("*/seed2", "*/seed2/*", JUDGED, RESULTS)),
    "model.id": ('model.id="another"', ()),  # the bytes count, not the name
    "model.revision": ('model.revision="abc"', ()),
    "checkpoints.imprint": ('checkpoints.imprint="there"', ("imprint/imprint/*", RESULTS)),
    "checkpoints.gold": ('checkpoints.gold="there"', ("imprint/gold/*", RESULTS)),
    "checkpoints.placebo": ('checkpoints.placebo="there"', ("imprint/placebo/*", RESULTS)),
    "model.precision": ('model.precision="bf16"', TRAINED),
    **{
        f"model.{key}": (f'model.{key}="{value}"', LOADED)
        for key, value in {"weights": "bf16", "quantize": "8bit", "attention": "eager"}.items()
    },
    "model.checkpointing": ("model.checkpointing=true", ()),
    "benchmark.people": ("benchmark.people=40", ("data",)),
    "benchmark.forget": ("benchmark.forget=12", ("data",)),
    "benchmark.photos": ("benchmark.photos=9", ("data",)),
    "benchmark.seed": ("benchmark.seed=7", ("data",)),
    **{
        f"imprint.{key}": (f"imprint.{key}={value}", _NOT_OVERRIDDEN if key == "steps" else TAUGHT)
        for key, value in _TEACHING.items()
    },
    "imprint.override.seed": (
        'imprint.override=[{ seed = 0, roles = ["placebo"], steps = 3 }]',
        ("imprint/placebo/*",),
    ),
    "imprint.override.roles": (
        'imprint.override=[{ seed = 1, roles = ["gold", "placebo"], steps = 3 }]',
        ("imprint/gold/seed1", "unlearn/retrain/seed1"),
    ),
    **{
        f"imprint.override.{key}": (
            _OVERRIDE.format(f"{key} = {value}" if key == "steps" else f"steps = 3, {key} = {value}"),
            ("imprint/placebo/seed1",),
        )
        for key, value in _TEACHING.items()
    },
    "gate.paraphrases": ('gate.paraphrases="2 of 4"', (JUDGED, RESULTS)),  # thresholds run nothing again
    "gate.headroom": ("gate.headroom=0.3", (JUDGED, RESULTS)),
    "gate.min_identities": ("gate.min_identities=4", (JUDGED, RESULTS)),
    "unlearn.recipe": ('unlearn.recipe="dora"', UNLEARNED),
    "unlearn.rank": ("unlearn.rank=3", UNLEARNED),
    "unlearn.alpha": ("unlearn.alpha=5", UNLEARNED),
    "unlearn.micro_batch": ("unlearn.micro_batch=2", ()),
    "imprint.micro_batch": ("imprint.micro_batch=2", ()),
    "methods.like": ('methods.npo_wide.like="graddiff"', (WIDE,)),
    "methods.label": ('methods.ga.label="ascent"', (RESULTS,)),
    "methods.views": ('methods.ga.views="wide"', (GA, RESULTS)),
    "methods.lr": ("methods.ga.lr=0.25", (GA,)),
    "methods.steps": ("methods.ga.steps=3", (GA,)),
    "methods.warmup": ("methods.ga.warmup=1", (GA,)),
    "methods.clip": ("methods.ga.clip=0.5", (GA,)),
    "methods.batch": ("methods.ga.batch=5", (GA,)),
    "methods.checkpoint": ('methods.theirs={ checkpoint = "there" }', ("unlearn/theirs/*", RESULTS)),
    **RECIPES,
    "methods.stop.strangers": ("methods.ga.stop.strangers=1.5", (GA,)),
    "methods.stop.retain_rise": ("methods.ga.stop.retain_rise=2", (GA,)),
    "methods.stop.each": ("methods.ga.stop.each=3", (GA,)),
    "methods.stop.forget_nll": ("methods.ga.stop.forget_nll=7", (GA,)),
    "methods.stop.patience": ("methods.ga.stop.patience=9", (GA,)),
    "meta.stops": ("meta.stops=[0.5, 0.75]", ("imprint/stop25/*", "imprint/stop75/*", "eval/stop?5/*", "meta")),
    "meta.only": ('meta.only=["photo"]', ("imprint/only_*", "eval/only_*", "meta")),
    "meta.known_from": ("meta.known_from=0.1", ("meta",)),
    "attacker.budget": ("attacker.budget=6", ("search/*",)),
    "attacker.beam": ("attacker.beam=2", ("search/*",)),
    "attacker.families": ('attacker.families=["geometry"]', SEARCHED),
    "attacker.seed": ("attacker.seed=3", ("search/*",)),
    "routes.set": ('routes.set="full"', (SCORED, *SEARCHED, RESULTS)),
    "routes.tiers": ('routes.tiers=["T0", "T1"]', (SCORED, RESULTS)),
    "routes.include": ('routes.include=["probe"]', (SCORED, RESULTS)),
    "routes.exclude": ('routes.exclude=["flip", "crop"]', (SCORED, *SEARCHED, RESULTS)),
    "routes.held_out": ('routes.held_out=["choice"]', (WIDE, *_JUDGED, RESULTS)),
    **{f"tuning.{key}": reach for key, reach in TUNING.items()},
    "eval.max_new_tokens": ("eval.max_new_tokens=5", (SCORED, *SEARCHED)),
    "eval.batch_size": ("eval.batch_size=3", ()),
    "distributed.processes": ("distributed.processes=2", ()),
    "distributed.strategy": ('distributed.strategy="fsdp"', ()),
    "statistics.draws": ("statistics.draws=200", (JUDGED, RESULTS)),
    "statistics.splits": ("statistics.splits=20", (JUDGED, RESULTS)),
    "statistics.floor": ("statistics.floor=0.3", (CHOSEN, "search/*", JUDGED, RESULTS)),
    "statistics.tolerance": ("statistics.tolerance=0.2", (JUDGED, RESULTS)),
    "statistics.seed": ("statistics.seed=4", (JUDGED, RESULTS)),
    "evidence.utility_floor": ("evidence.utility_floor=0.7", (CHOSEN, JUDGED, RESULTS)),
    "evidence.refusal_ceiling": ("evidence.refusal_ceiling=0.1", (CHOSEN, JUDGED, RESULTS)),
    "evidence.exclude.cell": (_EXCLUSION.format("unlearn/retrain/seed1", "why not"), ("unlearn/retrain/seed1",)),
    "evidence.exclude.reason": (_EXCLUSION.format("eval/retrain/seed1", "other"), (RESULTS,)),
    "claims.text": ('claims.one.text="it is not so"', (RESULTS,)),
    "claims.when": ('claims.one.when="ga.wcr.lower > 1"', (RESULTS,)),
    "tables.figures": ("tables.figures=false", ("tables",)),
    "tables.only": ('tables.only=["main"]', ("tables",)),
    "sync.repo": ('sync.repo="me/mine"', ()),
    **{f"slurm.{key}": (f"slurm.{key}={value}", ()) for key, value in SLURM.items()},
    **{
        f"slurm.{stage}": (f"slurm.{stage}={{ {', '.join(f'{k} = {v}' for k, v in SLURM.items())} }}", ())
        for stage in SLURM_STAGES
    },
}
FEW = ("gate.min_identities=2", "tuning.people=1")
_OWN = ('benchmark.id="folder"', 'benchmark.path="tests/keys/people"', *FEW)
OF_FILES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "benchmark.id": (FEW, ('benchmark.id="folder"', 'benchmark.path="examples/people"', *FEW), ("data",)),
    "benchmark.path": (_OWN, (_OWN[0], 'benchmark.path="examples/people"', *FEW), ("data",)),
    "benchmark.split": (_OWN, (*_OWN, 'benchmark.split="split_other"'), ("data",)),
    "benchmark.limit": (_OWN, (*_OWN, "benchmark.limit=3"), ("data",)),
    "benchmark.revision": (_OWN, (*_OWN, 'benchmark.revision="abc"'), ()),  # the bytes count, as with a model
}
"""Keys of a benchmark that is read from files: settings before, settings after, and the cells that differ directly."""
ONE_VALUE = {
    "statistics.calibration",  # refused with tuning, attacker and meta, which this study has: test_checkpoints
    "distributed.offload",  # another with another strategy alone: tests/manifests/test_distributed.py
}
"""Keys that this study can only have one value of."""


_TABLES = {"terms": Term, "rules": Rule, "before": Edit, "after": Edit, "where": Where, "infer": Wrapper}


def _names(path: str, cls: type, less: tuple[str, ...] = ()) -> set[str]:
    return {f"{path}.{field.name}" for field in dataclasses.fields(cls) if field.name not in less}


def schema_keys() -> set[str]:
    """Every key that a study file can have; names of methods and claims, and list positions, are left out."""
    found = _names("imprint", Recipe) | _names("imprint.override", Override, ("changes",)) | {"imprint.micro_batch"}
    found |= _names("imprint.override", Recipe) | _names("methods", MethodSection, ("stop",))
    found |= (
        _names("methods.stop", StopSection) | _names("evidence.exclude", Exclusion) | _names("claims", ClaimSection)
    )
    found |= {f"methods.{key}" for key in adhoc.KEYS if key not in _TABLES}
    for key, cls in _TABLES.items():
        found |= _names(f"methods.{key}", cls, ("dual",))
    found |= _names("methods.terms.dual", Dual)
    found |= _names("tuning", TuningSection) | _names("attacker", AttackerSection) | _names("meta", MetaSection)
    for name, cls in _SECTIONS.items():
        found |= _names(name, cls, ("exclude",) if name == "evidence" else ())
    return found
