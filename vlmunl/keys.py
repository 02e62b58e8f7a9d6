"""Run keys and digests: canonical bytes of what was asked, and hashes of what came out.

A run key never depends on a JSON library's taste: `canonical` fixes every byte and refuses whatever has
more than one spelling. Golden vectors in the tests pin its output.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import operator
import os
import types
import typing
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import xxhash

if TYPE_CHECKING:
    from vlmunl.store.ref import Ref

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

KEY_FORMAT = 1
CHUNK = 1 << 20
_DEEPEST = 60
_UNSET: Any = object()
_LEAVES = frozenset({str, int, float, bool, type(None)})
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


# ---------------------------------------------------------------------------------------- canonical


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, NFC text in UTF-8, floats by `repr`.

    `1`, `1.0` and `True` have three different spellings. Only None, bool, int, float, str, list and dict
    (not their subclasses) are accepted.

    Raises:
        ValueError: the value cannot be spelled in one way (NaN, infinity, a tuple, a key that is not text);
            the message gives the path to the offending part.
    """
    return compact(_checked(value, "$", 0))


def compact(value: object) -> bytes:
    """`canonical` without its checks, for values that have just been read from JSON of our own making."""
    return _ENCODER.encode(value).encode()


def jsonable(value: object) -> Any:
    """Copy of `value` with tuples as lists and any mapping as a dict; everything else is left for `canonical`."""
    kind = type(value)
    if kind in _LEAVES:  # most of a document, and asking for a mapping is slow
        return value
    if kind is dict or isinstance(value, Mapping):
        return {name: jsonable(part) for name, part in typing.cast("Mapping[Any, object]", value).items()}
    if isinstance(value, tuple | list):
        return [jsonable(part) for part in value]
    return value


def _checked(value: object, path: str, depth: int) -> object:
    if depth > _DEEPEST:
        raise ValueError(f"{path}: nested deeper than {_DEEPEST} levels")
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        if not math.isfinite(typing.cast(float, value)):
            raise ValueError(f"{path}: {value} has no canonical form")
        return value
    if kind is str:
        return _text(typing.cast(str, value), path)
    if kind is list:
        items = typing.cast("list[object]", value)
        return [_checked(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(items)]
    if kind is dict:
        return _checked_dict(typing.cast("dict[object, object]", value), path, depth)
    raise ValueError(f"{path}: {kind.__name__} has no canonical form; use None, bool, int, float, str, list or dict")


def _checked_dict(value: dict[object, object], path: str, depth: int) -> dict[str, object]:
    out: dict[str, object] = {}
    for name, part in value.items():
        if type(name) is not str:
            raise ValueError(f"{path}: key {name!r} is {type(name).__name__}, not str")
        normal = _text(name, path)
        if normal in out:
            raise ValueError(f"{path}: two keys are both {normal!r} after Unicode normalisation")
        out[normal] = _checked(part, f"{path}.{normal}", depth + 1)
    return out


def _text(text: str, path: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: {text!r} is not valid Unicode text") from None
    return unicodedata.normalize("NFC", text)


# ------------------------------------------------------------------------------- fields of a config


def keyed(default: Any = MISSING, *, default_factory: Any = MISSING, since_default: Any = _UNSET) -> Any:
    """A dataclass field whose value can change the result, and so enters the run key.

    `since_default` is for a field added later: while the field has that value it stays out of the key, so
    that the keys of runs from before the field existed still hold.
    """
    metadata: dict[str, object] = {"keyed": True}
    if since_default is not _UNSET:
        metadata["since_default"] = since_default
    return dataclasses.field(default=default, default_factory=default_factory, metadata=metadata)


def unkeyed(default: Any = MISSING, *, default_factory: Any = MISSING) -> Any:
    """A dataclass field that can only change how long the work takes (batch sizes, workers, devices)."""
    return dataclasses.field(default=default, default_factory=default_factory, metadata={"keyed": False})


def key_params(config: object) -> dict[str, JSON]:
    """The keyed fields of a config dataclass as plain JSON, defaults filled in, nested configs included.

    An int in a field declared `float` counts as that float, so that `lr = 1` and `lr = 1.0` are one run.

    Raises:
        TypeError: a field is declared neither `keyed` nor `unkeyed`; the message names class and field.
        ValueError: a value has no canonical form.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"a config must be a dataclass instance, got {type(config).__name__}")
    params = _params(config)
    _checked(params, type(config).__name__, 0)
    return params


def spelt_params(config: object, known: dict[tuple[int, int], bytes] | None = None) -> bytes:
    """`canonical(key_params(config))`.

    `known` remembers the spelling of parts by identity, for a caller that asks for many configs which share parts,
    and that keeps all of them alive meanwhile.
    """
    known = {} if known is None else known
    spelt = []
    try:
        for name, hint, since in sorted(_fields_of(config), key=operator.itemgetter(0)):
            part = _spelt_part(getattr(config, name), hint, known)
            if since is _UNSET or part != canonical(_param(since, hint)):
                spelt.append(b"%b:%b" % (_spelt_leaf(name), part))
    except ValueError:
        key_params(config)  # says of which field
        raise
    return b"{" + b",".join(spelt) + b"}"


def _spelt_part(value: object, hint: Any, known: dict[tuple[int, int], bytes]) -> bytes:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return _spelt_leaf(value)
    if kind is int or kind is float:
        number = _param(value, hint)
        return repr(number).encode() if math.isfinite(number) else canonical(number)
    if (id(value), id(hint)) not in known:
        known[id(value), id(hint)] = canonical(_param(value, hint))
    return known[id(value), id(hint)]


_spelt_leaf = functools.lru_cache(maxsize=4096, typed=True)(canonical)


def _params(config: object) -> dict[str, JSON]:
    params: dict[str, JSON] = {}
    for name, hint, since in _fields_of(config):
        value = _param(getattr(config, name), hint)
        if since is _UNSET or canonical(value) != canonical(_param(since, hint)):
            params[name] = value
    return params


def _fields_of(config: object) -> tuple[tuple[str, Any, Any], ...]:
    kind: Any = type(config)
    return _keyed_fields(kind)


@functools.cache
def _keyed_fields(config: Any) -> tuple[tuple[str, Any, Any], ...]:
    """(name, type hint, `since_default`) of each keyed field of a config class."""
    try:
        hints = typing.get_type_hints(config)
    except NameError:  # a type that only a type checker imports: its field is taken as it is
        hints = {}
    found = []
    for field in dataclasses.fields(config):
        is_keyed = field.metadata.get("keyed")
        if is_keyed is None:
            raise TypeError(f"{config.__name__}.{field.name} is declared neither keyed() nor unkeyed()")
        if is_keyed:
            found.append((field.name, hints.get(field.name), field.metadata.get("since_default", _UNSET)))
    return tuple(found)


def _param(value: object, hint: Any) -> Any:
    kind = type(value)
    if kind in _LEAVES:  # most fields
        return float(typing.cast(int, value)) if kind is int and _one_type(hint) is float else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _params(value)
    members = typing.get_args(_one_type(hint))
    if isinstance(value, Mapping):
        inner = members[1] if len(members) == 2 else None
        return {name: _param(part, inner) for name, part in value.items()}
    if isinstance(value, tuple | list):
        inner = members[0] if members and (len(members) == 1 or members[-1] is Ellipsis) else None
        return [_param(part, inner) for part in value]
    return value


@functools.cache
def _one_type(hint: Any) -> Any:
    """What `T | None` stands for; None for a union of several types."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    others = [m for m in typing.get_args(hint) if m is not type(None)]
    return _one_type(others[0]) if len(others) == 1 else None


def run_key(stage: str, version: int, params: Mapping[str, JSON], inputs: Mapping[str, Ref]) -> str:
    """32 hex digits that name everything which determines a cell's result, known before it runs.

    Inputs count by content (sha256), so equal bytes upstream give an equal key whatever made them.
    """
    return run_key_of_spelt(stage, version, canonical(jsonable(params)), inputs)


def run_key_of_spelt(stage: str, version: int, params: bytes, inputs: Mapping[str, Ref]) -> str:
    """`run_key`, its params spelt by `canonical` already: many cells share them."""
    parts = _spelt_inputs(inputs), KEY_FORMAT, params, _spelt_leaf(stage), canonical(version)
    return xxhash.xxh3_128_hexdigest(b'{"inputs":%b,"k":%d,"params":%b,"stage":%b,"stage_version":%b}' % parts)


def _spelt_inputs(inputs: Mapping[str, Ref]) -> bytes:
    """Names and hashes as `canonical` spells them, which is known without asking for the usual names."""
    if all(name.isascii() and name.isidentifier() for name in inputs):
        return ("{" + ",".join(f'"{name}":"{inputs[name].sha256}"' for name in sorted(inputs)) + "}").encode()
    return canonical({name: ref.sha256 for name, ref in inputs.items()})


# ------------------------------------------------------------------------------------------ digests


@dataclass(frozen=True, kw_only=True)
class Digest:
    """Hashes of some bytes: xxh3-128 for identity and quick checks, sha256 for trust; both lower-case hex."""

    xxh3: str
    sha256: str
    size: int


def digest_bytes(data: bytes) -> Digest:
    """Both hashes and the size of `data`."""
    return digest_chunks([data])


def digest_file(path: str | os.PathLike[str]) -> Digest:
    """Both hashes and the size of a file, read once.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return digest_chunks(read_chunks(path))


def digest_chunks(chunks: Iterable[bytes | memoryview]) -> Digest:
    """Both hashes and the total size of consecutive chunks, each used before the next is asked for."""
    fast, strong, size = xxhash.xxh3_128(), hashlib.sha256(), 0
    for chunk in chunks:
        fast.update(chunk)
        strong.update(chunk)
        size += len(chunk)
    return Digest(xxh3=fast.hexdigest(), sha256=strong.hexdigest(), size=size)


def address_of(chunks: Iterable[bytes | memoryview]) -> str:
    """xxh3-128 alone: ten times quicker than both hashes, enough to find damage."""
    fast = xxhash.xxh3_128()
    for chunk in chunks:
        fast.update(chunk)
    return fast.hexdigest()


def read_chunks(path: str | os.PathLike[str]) -> Iterator[memoryview]:
    """The bytes of a file in views of one reused buffer: use each before asking for the next."""
    buffer = memoryview(bytearray(CHUNK))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            yield buffer[:count]
