"""Records: what one finished cell read, did and wrote. One immutable file each.

The file's name holds key, outcome and an address of the result, so that listing names says what is done. The file
itself ends with a seal, a hash of all its fields, since the name knows nothing of those that tell where and when.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NoReturn

import orjson
import xxhash

from vlmunl.errors import StoreDamaged
from vlmunl.keys import JSON, canonical, compact, jsonable, run_key
from vlmunl.store.ref import Ref

Outcome = Literal["ok", "error"]

SCHEMA = 1
LARGEST = 16 << 20
SEAL = "seal"
_NAME = re.compile(r"([0-9a-f]{32})\.(ok|error)\.([0-9a-f]{16})\.json")
_RESULT = ("key", "outcome", "outputs", "metrics", "error")
_TYPES: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "key": (str,),
    "cell": (str,),
    "stage": (str,),
    "stage_version": (int,),
    "params": (dict,),
    "inputs": (dict,),
    "outcome": (str,),
    "outputs": (dict,),
    "metrics": (dict,),
    "error": (str, type(None)),
    "env": (dict,),
}


class RecordName(NamedTuple):
    """What a record's file name says. `address` is 16 hex digits of the result's hash."""

    key: str
    outcome: Outcome
    address: str

    @property
    def file(self) -> str:
        """The file name."""
        return f"{self.key}.{self.outcome}.{self.address}.json"

    @classmethod
    def parse(cls, file: str) -> RecordName | None:
        """Read a file name; None if it is not a record's."""
        match = _NAME.fullmatch(file)
        if match is None:
            return None
        return cls(match[1], "ok" if match[2] == "ok" else "error", match[3])


@dataclass(frozen=True, kw_only=True)
class Record:
    """One attempt at a cell that ended.

    `key`, `outcome`, `outputs`, `metrics` and `error` are the result and make the record's address; `cell`
    is a label, and `env` tells where and when (versions, host, time, memory, traceback of an error).
    """

    key: str
    cell: str
    stage: str
    stage_version: int
    params: Mapping[str, JSON]
    inputs: Mapping[str, Ref]
    outcome: Outcome
    outputs: Mapping[str, Ref] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    env: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @functools.cached_property
    def name(self) -> RecordName:
        """The record's name, which depends on its result and not on where or when it was made."""
        result: dict[str, Any] = {name: getattr(self, name) for name in _RESULT} | {"outputs": _refs(self.outputs)}
        try:
            spelt = compact(result)
        except TypeError:  # a mapping of another kind, in a record that was not read from a file
            spelt = compact(jsonable(result))
        return RecordName(self.key, self.outcome, xxhash.xxh3_64_hexdigest(spelt))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, read back by `from_json`."""
        plain = {name: jsonable(getattr(self, name)) for name in _TYPES}
        return plain | {"inputs": _refs(self.inputs), "outputs": _refs(self.outputs)}

    @classmethod
    def from_json(cls, value: object, *, check: bool = True) -> Record:
        """Read a record from untrusted JSON.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type, or (if that is to be checked) the key does
                not follow from stage, version, params and inputs.
        """
        if not isinstance(value, dict) or value.keys() != _TYPES.keys():
            raise ValueError(f"a record has exactly the fields {', '.join(_TYPES)}")
        for name, types in _TYPES.items():
            if type(value[name]) not in types:
                raise ValueError(f"field {name!r} is {type(value[name]).__name__}")
        if value["schema"] != SCHEMA or value["outcome"] not in ("ok", "error"):
            raise ValueError(f"schema {value['schema']} or outcome {value['outcome'][:40]!r} is not known")
        refs = {n: {k: Ref.from_json(v) for k, v in value[n].items()} for n in ("inputs", "outputs")}
        record = object.__new__(cls)
        record.__dict__.update(value | refs)  # as the constructor would, which takes as long as all of the above
        if check:
            record.check_key()
        return record

    def check_key(self) -> None:
        """Raise ValueError unless the key follows from stage, version, params and inputs."""
        expected = run_key(self.stage, self.stage_version, self.params, self.inputs)
        if self.key != expected:
            raise ValueError(f"key {self.key[:40]} does not follow from the record's own fields ({expected})")


def _refs(refs: Mapping[str, Ref]) -> dict[str, Any]:
    return {name: ref.to_json() for name, ref in refs.items()}


def dump(record: Record) -> tuple[RecordName, bytes]:
    """The name and the bytes of a record's file: sorted, indented JSON.

    Raises:
        ValueError: a value cannot be recorded (NaN, a key that is not text, too large), or the record's key
            does not follow from its fields.
    """
    document = json.loads(canonical(record.to_json()))  # refuses what has no one spelling, normalises text
    name = Record.from_json(document).name
    document[SEAL] = _seal(document)
    data = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"
    if len(data) > LARGEST:
        raise ValueError(f"a record of {len(data)} bytes is too large; write big results as an output")
    return name, data


def parse(data: bytes, name: RecordName, where: str, *, quick: bool = False) -> Record:
    """Read a record's file and hold it against its name.

    With `quick`, one whose seal holds is not asked again whether its key and its address follow from its fields:
    `dump` has asked.

    Raises:
        StoreDamaged: it is torn, altered, or not the record that its name promises; the message names `where`.
    """
    try:
        document = _read_json(data)
        fields = _unsealed(document)
        trusted = quick and fields is not document
        record = Record.from_json(fields, check=not trusted)
        if record.key != name.key or record.outcome != name.outcome:
            raise ValueError("its content does not match its name")
        if not trusted and not _hashed(_result(fields), name.address):
            raise ValueError("its result does not match its name")
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StoreDamaged(f"record {where} is damaged: {reason}", "delete the file; its cell will run again") from None
    record.__dict__["name"] = name  # as the cached property would find it
    return record


def _read_json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # it takes no integer of more than 64 bits, and its messages say less
        return json.loads(data, parse_constant=_refuse)


def _result(fields: Any) -> dict[str, Any]:
    return {name: fields[name] for name in _RESULT}


def _seal(document: object) -> str:
    return xxhash.xxh3_64_hexdigest(compact(document))


def _hashed(value: object, expected: str) -> bool:
    """Is this the hash of `compact(value)`? orjson, twenty times as fast, spells some floats in another way."""
    try:
        if xxhash.xxh3_64_hexdigest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)) == expected:
            return True
    except orjson.JSONEncodeError:
        pass
    return _seal(value) == expected


def _unsealed(value: object) -> object:
    """The fields without the seal; ValueError if it does not hold. (Records from before there were seals have none.)"""
    if not isinstance(value, dict) or SEAL not in value:
        return value
    fields = {name: part for name, part in value.items() if name != SEAL}
    if not _hashed(fields, value[SEAL]):
        raise ValueError("its seal does not hold: some byte of it was altered")
    return fields


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
