"""Every field of every stage's config: another value of a keyed one is another run, of an unkeyed one never."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from vlmunl.keys import digest_bytes
from vlmunl.methods import language
from vlmunl.methods.known import METHODS
from vlmunl.stage import Ref, cell_key
from vlmunl.stages import configs as c
from vlmunl.stages.declared import STAGES

RECIPE = language.Recipe(
    terms=(
        language.on(
            language.FORGET, "npo", other="forget.idk", beta=0.1, dual=language.Dual(start=1.0, slack=1.0, rate=1.0)
        ),
        language.on(language.RETAIN, "ce", "retain"),
    ),
    rules=(language.Rule(rule="r", args={"strength": 1.0}),),
    before=(language.Edit(edit="b", args={"share": 0.5}),),
    after=(language.Edit(edit="a"),),
    where=language.Where(depth=0.5),
    infer=language.Wrapper(wrapper="w", args={"scale": 1.0}),
)
TOGETHER = c.AggregateConfig(
    study="s",
    routes=("canonical",),
    catalogue="0",
    rows=(c.RowSpec(name="ga", label="ga", kind="method", views="narrow"),),
    claims=(c.ClaimSpec(name="c", text="t", when="w"),),
    checkpoints={"imprint": "there"},
)
CONFIGS: dict[str, Any] = {
    "data": c.DataConfig(),
    "checkpoint": c.CheckpointConfig(role="gold"),
    "chance": c.ChanceConfig(routes=("canonical",), catalogue="0"),
    "imprint": c.ImprintConfig(role="gold", seed=0),
    "gate": c.GateConfig(seed=0),
    "probe": c.ProbeConfig(
        score="fisher",
        version=1,
        views=("forget.text",),
        parts={"view text": 1},
        where=language.Where(depth=0.5),
        seed=0,
    ),
    "unlearn": c.UnlearnConfig(
        method="npo",
        version=1,
        params=dict(METHODS["npo"].params),
        recipe=RECIPE,
        parts={"loss npo": 1},
        seed=0,
        lesson=c.ImprintConfig(role="gold", seed=0),
    ),
    "eval": c.EvalConfig(routes=("canonical",), catalogue="0"),
    "aggregate": TOGETHER,
    "attack": c.AttackConfig(attack="prune:10", routes=("canonical",), catalogue="x", seed=0),
    "select": c.SelectConfig(settings=("lr=1",), routes=("canonical",)),
    "tables": c.TablesConfig(only=("main",), variants=(c.Variant(name="a", family="b"),), together=TOGETHER),
    "meta": c.MetaConfig(
        study="s",
        seeds=(0, 1),
        models=(c.MetaModel(cell="eval/base", row="base", yardstick=0, knows=True),),
        routes=("canonical",),
        catalogue="0",
        attacks=("quantize-8",),
        methods=("ga",),
    ),
    "scout": c.ScoutConfig(routes=("canonical",), catalogue="0", tuning=1),
    "search": c.SearchConfig(routes=("canonical",), catalogue="0", tuning=1),
}
LANGUAGE = {
    language.Recipe,
    language.Term,
    language.Rule,
    language.Edit,
    language.Wrapper,
    language.Where,
    language.Dual,
}
UNKEYED = {
    "gate.batch_size": "how many questions are scored at once",
    "eval.batch_size": "how many questions are scored at once",
    "scout.batch_size": "how many questions are scored at once",
    "search.batch_size": "how many questions are scored at once",
    "attack.batch_size": "how many questions are scored at once",
    **{
        f"{config}.micro_batch": "how many samples are computed at once"
        for config in ("imprint", "unlearn", "unlearn.lesson")
    },
    **{
        f"{config}.loading.checkpointing": "whether activations are kept or computed again"
        for config in ("imprint", "gate", "probe", "unlearn", "unlearn.lesson", "eval", "attack", "scout", "search")
    },
}
"""The fields that may differ between equal runs, and what they do. A new one belongs here by decision only."""


def fields_of(config: Any, path: str) -> dict[str, Any]:
    """Dotted path -> a copy of the config in which that field, at any depth, has another value."""
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        name, value = f"{path}.{field.name}", getattr(config, field.name)
        for inner, other in others(value, hints[field.name], name).items():
            found[inner] = replace(config, **{field.name: other})
    return found


def others(value: Any, hint: Any, path: str) -> dict[str, Any]:
    """Dotted path -> another value of the declared type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    if value is None:  # a view, or a part of a method's language that is not used
        absent = {language.Dual: language.Dual(start=2.0, slack=1.0, rate=1.0), str: "another", float: 0.25}
        return {path: absent[hint]}
    if dataclasses.is_dataclass(value):
        return fields_of(value, path)
    if isinstance(value, tuple) and value:
        inner = others(value[0], typing.get_args(hint)[0], path)
        return {p: (other, *value[1:]) for p, other in inner.items()} | {f"{path}+": (*value, value[0])}
    if isinstance(value, tuple):
        return {path: (*value, "another")}
    if isinstance(value, Mapping) and all(isinstance(part, str) for part in value.values()) and value:
        return {f"{path}.{n}": {**value, n: v + "x"} for n, v in value.items()} | {f"{path}+": {**value, "more": "x"}}
    if isinstance(value, Mapping):
        return {f"{path}.{n}": {**value, n: v + 1} for n, v in value.items()} | {f"{path}+": {**value, "more": 1.0}}
    if typing.get_origin(hint) is Literal:
        return {path: next(a for a in typing.get_args(hint) if a != value)}
    if isinstance(value, bool):
        return {path: not value}
    if isinstance(value, int | float):
        return {path: value + 1}
    assert isinstance(value, str), f"{path}: say here what another {type(value).__name__} is"
    return {path: value + "x"}


CHANGES = {path: (stage, other) for stage, base in CONFIGS.items() for path, other in fields_of(base, stage).items()}


def key_of(stage: str, config: Any) -> str:
    declared = STAGES[stage]
    ref = Ref.of(digest_bytes(b"x"))
    return cell_key(declared, config, {name: ref for name in declared.inputs if name[-1] not in "?*"})


def test_every_stage_and_every_config_class_is_walked():
    assert set(CONFIGS) == set(STAGES)
    assert {name: type(config) for name, config in CONFIGS.items()} == {n: s.config for n, s in STAGES.items()}
    classes = {v for v in vars(c).values() if isinstance(v, type) and dataclasses.is_dataclass(v)} | LANGUAGE
    seen: set[type] = set()

    def walk(value: Any) -> None:
        if dataclasses.is_dataclass(value):
            seen.add(type(value))
            for field in dataclasses.fields(value):
                walk(getattr(value, field.name))
        elif isinstance(value, tuple):
            for part in value:
                walk(part)

    for config in CONFIGS.values():
        walk(config)
    assert seen == classes, "a config class that no stage's example holds is not tested"


def test_every_field_is_declared_keyed_or_not():
    declared = {}
    shared = {c.Optim, c.Adapter, c.StopRule, c.Loading}
    for cls in {type(config) for config in CONFIGS.values()} | shared | LANGUAGE:
        for field in dataclasses.fields(cls):
            declared[f"{cls.__name__}.{field.name}"] = field.metadata.get("keyed")
    assert None not in declared.values()
    inner = ("loading.", "lesson.")  # of classes that several configs hold: each counts once
    listed = {path for path in UNKEYED if path.partition(".")[2].partition(".")[0] + "." not in inner}
    listed |= {"loading.checkpointing"}
    assert sum(value is False for value in declared.values()) == len(listed)


@pytest.mark.parametrize("path", CHANGES)
def test_another_value_is_another_run_unless_the_field_is_listed_as_unkeyed(path):
    stage, other = CHANGES[path]
    same = key_of(stage, other) == key_of(stage, CONFIGS[stage])
    assert same is (path in UNKEYED), f"{path}: {UNKEYED.get(path, 'changes the result, so it must be keyed')}"


def test_two_changes_never_meet_in_one_key():
    keys = {path: key_of(stage, other) for path, (stage, other) in CHANGES.items() if path not in UNKEYED}
    assert len(set(keys.values())) == len(keys)


def test_each_input_is_in_the_key_by_content_and_by_name():
    one, two = (Ref.of(digest_bytes(b)) for b in (b"1", b"2"))
    for stage in STAGES.values():
        names = [name.rstrip("?").replace("*", "a/seed0") for name in stage.inputs]
        given = dict.fromkeys(names, one)
        keys = [key_of_inputs(stage, given)] + [key_of_inputs(stage, {**given, name: two}) for name in names]
        optional = [name.rstrip("?").replace("*", "a/seed0") for name in stage.inputs if name[-1] in "?*"]
        keys += [key_of_inputs(stage, {n: ref for n, ref in given.items() if n != name}) for name in optional]
        assert len(set(keys)) == len(keys), stage.name


def key_of_inputs(stage: Any, given: dict[str, Ref]) -> str:
    return cell_key(stage, CONFIGS[stage.name], given)
