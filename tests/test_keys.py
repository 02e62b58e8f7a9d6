"""Canonical bytes, declared fields and run keys. The literal values must never change: records rest on them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmunl import keys
from vlmunl.keys import (
    canonical,
    digest_bytes,
    digest_chunks,
    digest_file,
    jsonable,
    key_params,
    keyed,
    run_key,
    unkeyed,
)
from vlmunl.stages import configs
from vlmunl.stages.declared import STAGES
from vlmunl.store import Ref

GOLDEN = [
    (None, b"null", "dc32537e27486e2c652e7b35ccc22eda"),
    (True, b"true", "f41296b9e2d38ac855a9a1372b7155c1"),
    (1, b"1", "df3ce784d856334d65cd25028f98f158"),
    (1.0, b"1.0", "2630a41b503a9f4bed84d7031aa12bce"),
    (-0.0, b"-0.0", "913bd907887eb28e57d7ca0a5d84ccb0"),
    (1e-5, b"1e-05", "d72811a8d7642d899d92148835d7417d"),
    (1e16, b"1e+16", "075abafc1c7ac171fc5913a92d06ae02"),
    ("\u00e9", b'"\xc3\xa9"', "3981f82697d25b1d1c464bb91520ba3d"),
    ("e\u0301", b'"\xc3\xa9"', "3981f82697d25b1d1c464bb91520ba3d"),
    ([], b"[]", "39347ff402b6c53d831154110e30ac6a"),
    ({}, b"{}", "dc7048f8f8747f561349cde127705c16"),
    (
        {"b": 1, "a": [1, 2.5, None, False, 'x\n"\\/\u2028\U0001f600']},
        b'{"a":[1,2.5,null,false,"x\\n\\"\\\\/\xe2\x80\xa8\xf0\x9f\x98\x80"],"b":1}',
        "133fa2f2da9bb27a6383864af693941f",
    ),
    ({"z": {"y": {"x": []}}}, b'{"z":{"y":{"x":[]}}}', "f2e160eb7873bf68ed4be7bd13cefb12"),
]


@pytest.mark.parametrize(("value", "spelling", "xxh3"), GOLDEN)
def test_canonical_golden_vectors(value: object, spelling: bytes, xxh3: str) -> None:
    assert canonical(value) == spelling
    assert digest_bytes(spelling).xxh3 == xxh3


class Text(str):
    """A subclass, as enums and NumPy strings are."""


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, r"\$: nan"),
        ({"a": [0.0, math.inf]}, r"\$\.a\[1\]: inf"),
        ((1, 2), "tuple"),
        ({1, 2}, "set"),
        (b"bytes", "bytes"),
        ({1: "a"}, "key 1 is int"),
        ({None: "a"}, "NoneType, not str"),
        (Text("a"), "Text"),
        (OrderedDict(a=1), "OrderedDict"),
        (Path("a"), "Path"),
        ("\ud800", "not valid Unicode"),
        ({"\u00e9": 1, "e\u0301": 2}, "after Unicode normalisation"),
        (1 + 2j, "complex"),
    ],
)
def test_canonical_refuses_what_has_no_one_spelling(value: object, path: str) -> None:
    with pytest.raises(ValueError, match=path):
        canonical(value)


def test_canonical_refuses_numpy_numbers() -> None:
    np = pytest.importorskip("numpy")
    for value in (np.float64(1.0), np.float32(1.0), np.int64(1), np.bool_(True)):
        with pytest.raises(ValueError, match="no canonical form"):
            canonical({"loss": value})


def test_canonical_refuses_endless_nesting() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested deeper"):
        canonical(loop)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ_é", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_canonical_round_trip_is_a_fixed_point(value: object) -> None:
    spelled = canonical(value)
    assert canonical(json.loads(spelled)) == spelled
    assert keys.compact(json.loads(spelled)) == spelled


@given(st.dictionaries(st.text("abcdef", max_size=3), st.integers(), max_size=6), st.randoms())
@settings(max_examples=50, deadline=None)
def test_canonical_ignores_the_order_of_keys(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


@given(VALUES, VALUES)
@settings(max_examples=100, deadline=None)
def test_canonical_tells_different_values_apart(one: object, other: object) -> None:
    if canonical(one) == canonical(other):
        assert json.loads(canonical(one)) == json.loads(canonical(other))


def test_jsonable_turns_tuples_and_mappings_into_plain_json() -> None:
    value = MappingProxyType({"a": (1, (2.0, "x")), "b": MappingProxyType({})})
    assert jsonable(value) == {"a": [1, [2.0, "x"]], "b": {}}


# ------------------------------------------------------------------------------- fields of a config


@dataclass(frozen=True)
class Inner:
    depth: int = keyed(default=1)
    workers: int = unkeyed(default=4)


@dataclass(frozen=True)
class Outer:
    lr: float = keyed(default=1e-3)
    limit: float | None = keyed(default=None)
    flag: bool = keyed(default=False)
    weights: Mapping[str, float] = keyed(default_factory=dict)
    sizes: tuple[float, ...] = keyed(default=())
    inner: Inner = keyed(default_factory=Inner)
    inners: tuple[Inner, ...] = keyed(default=())
    late: str = keyed(default="old way", since_default="old way")
    batch: int = unkeyed(default=8)


@dataclass(frozen=True)
class Undeclared:
    lr: float = keyed(default=1e-3)
    oops: int = field(default=1)


@dataclass(frozen=True)
class Wraps:
    inner: Undeclared = keyed(default_factory=Undeclared)


def test_key_params_fills_defaults_and_leaves_out_what_is_not_keyed() -> None:
    assert key_params(Outer()) == {
        "lr": 1e-3,
        "limit": None,
        "flag": False,
        "weights": {},
        "sizes": [],
        "inner": {"depth": 1},
        "inners": [],
    }


def test_an_int_in_a_float_field_is_that_float() -> None:
    ints = Outer(lr=1, limit=2, weights={"a": 3}, sizes=(4,))
    floats = Outer(lr=1.0, limit=2.0, weights={"a": 3.0}, sizes=(4.0,))
    assert canonical(key_params(ints)) == canonical(key_params(floats))


def test_a_later_field_enters_the_key_only_away_from_its_first_default() -> None:
    assert "late" not in key_params(Outer())
    assert key_params(Outer(late="new way"))["late"] == "new way"


@pytest.mark.parametrize("config", [Undeclared(), Wraps()])
def test_an_undeclared_field_fails(config: object) -> None:
    with pytest.raises(TypeError, match=r"Undeclared\.oops is declared neither"):
        key_params(config)


def test_key_params_refuses_what_is_no_config() -> None:
    for value in (Outer, {"lr": 1}, None):
        with pytest.raises(TypeError, match="dataclass instance"):
            key_params(value)
    with pytest.raises(ValueError, match=r"Outer\.lr: nan"):
        key_params(Outer(lr=math.nan))


CONFIGS = [c for c in vars(configs).values() if isinstance(c, type) and dataclasses.is_dataclass(c)]


def sample(hint: Any, config: type, name: str) -> Any:
    """Some value of a field's type."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint))
    if origin is Literal:
        return members[0]
    if origin is tuple:
        return (sample(members[0], config, name),)
    if origin is Mapping:
        return {"a": 1.0}
    if hint in (int, float, str, bool):
        return hint(1)
    if members:  # X | None
        return sample(members[0], config, name)
    raise AssertionError(f"no sample for {config.__name__}.{name}: {hint}")


def build(config: type) -> Any:
    hints = typing.get_type_hints(config)
    return config(**{f.name: sample(hints[f.name], config, f.name) for f in dataclasses.fields(config)})


def other(value: Any) -> Any:
    """A value of the same type that differs."""
    if dataclasses.is_dataclass(value):
        first = next(f for f in dataclasses.fields(value) if f.metadata["keyed"])
        return dataclasses.replace(value, **{first.name: other(getattr(value, first.name))})
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return {**value, "b": 2.0} if isinstance(value, Mapping) else (*value, *value)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.__name__)
def test_every_config_field_is_declared_and_moves_the_key_if_keyed(config: type) -> None:
    undeclared = [f.name for f in dataclasses.fields(config) if not isinstance(f.metadata.get("keyed"), bool)]
    assert undeclared == []
    value = build(config)
    key = run_key("s", 1, key_params(value), {})
    for declared in dataclasses.fields(config):
        changed = dataclasses.replace(value, **{declared.name: other(getattr(value, declared.name))})
        moved = run_key("s", 1, key_params(changed), {}) != key
        assert moved == declared.metadata["keyed"], f"{config.__name__}.{declared.name}"


def test_every_stage_takes_a_declared_config() -> None:
    assert {stage.config for stage in STAGES.values()} <= set(CONFIGS)
    for stage in STAGES.values():
        assert getattr(stage.config, "__dataclass_params__").frozen, stage.name  # noqa: B009


# ------------------------------------------------------------------------------------------ run key

HELLO = Ref.of(digest_bytes(b"hello"))
PARAMS = {"lr": 0.004, "steps": 150, "role": "gold"}


def test_run_key_golden_vectors() -> None:
    assert run_key("s", 1, {}, {}) == "e3d683e5ea82ac638745002f94f7cca4"
    assert run_key("imprint", 1, PARAMS, {"base": HELLO}) == "ccd8c6dc71eceb72d1d02ef349ca02ba"
    assert run_key("imprint", 2, PARAMS, {"base": HELLO}) == "86a2a3723e2e728130bda3eef33a0695"


def test_run_key_moves_with_each_part_and_with_nothing_else() -> None:
    key = run_key("imprint", 1, PARAMS, {"base": HELLO})
    world = Ref.of(digest_bytes(b"world"))
    changed = [
        run_key("gate", 1, PARAMS, {"base": HELLO}),
        run_key("imprint", 2, PARAMS, {"base": HELLO}),
        run_key("imprint", 1, PARAMS | {"lr": 0.005}, {"base": HELLO}),
        run_key("imprint", 1, PARAMS | {"steps": 150.0}, {"base": HELLO}),
        run_key("imprint", 1, PARAMS, {"base": world}),
        run_key("imprint", 1, PARAMS, {"other": HELLO}),
        run_key("imprint", 1, PARAMS, {"base": HELLO, "more": world}),
    ]
    assert len({key, *changed}) == len(changed) + 1
    assert run_key("imprint", 1, dict(reversed(PARAMS.items())), {"base": HELLO}) == key
    assert run_key("imprint", 1, MappingProxyType(PARAMS), {"base": HELLO}) == key


# ------------------------------------------------------------------------------------------ digests


def test_digest_golden_vector() -> None:
    digest = digest_bytes(b"hello")
    assert digest.xxh3 == "b5e9c1ad071b3e7fc779cfaa5e523818"
    assert digest.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert digest.size == 5


@given(st.lists(st.binary(max_size=50), max_size=5))
@settings(max_examples=40, deadline=None)
def test_digests_do_not_depend_on_chunks(chunks: list[bytes]) -> None:
    assert digest_chunks(chunks) == digest_bytes(b"".join(chunks))


def test_digest_of_a_file_longer_than_the_buffer(tmp_path: Path) -> None:
    data = bytes(range(256)) * (keys.CHUNK // 256) + b"rest"
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == digest_bytes(data)
    with pytest.raises(FileNotFoundError):
        digest_file(tmp_path / "none")
