"""A wrapper on disk: `wrapper.json`, and `wrapper.safetensors` where it has tensors.

The JSON names the wrapper, its arguments, plain facts, and the digest of the tensors. Equal wrappers give equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from vlmunl.errors import MissingInput
from vlmunl.keys import canonical

FORMAT = 1
DESCRIPTION, TENSORS = "wrapper.json", "wrapper.safetensors"


@dataclass(frozen=True)
class Stored:
    """All that a wrapper needs beside the model: `args` as it was declared, `facts` as JSON, and tensors by name."""

    wrapper: str
    version: int
    args: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def is_in(folder: Path) -> bool:
    """Does this adapter folder hold a wrapper?"""
    return (folder / DESCRIPTION).is_file()


def save(stored: Stored, folder: Path) -> None:
    """Write the wrapper into a folder, beside what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(stored.tensors.items())}
    data = save_tensors(plain, metadata={"format": "pt"}) if plain else b""
    if plain:
        (folder / TENSORS).write_bytes(data)
    described = {
        "format": FORMAT,
        "wrapper": stored.wrapper,
        "version": stored.version,
        "args": dict(stored.args),
        "facts": dict(stored.facts),
        "tensors": hashlib.sha256(data).hexdigest() if plain else "",
    }
    (folder / DESCRIPTION).write_bytes(canonical(described) + b"\n")


def load(folder: Path) -> Stored:
    """Read a wrapper.

    Raises:
        MissingInput: a file is damaged or missing, or of another format.
    """
    try:
        found = orjson.loads((folder / DESCRIPTION).read_bytes())
        if found["format"] != FORMAT:
            raise MissingInput(f"{DESCRIPTION} has format {found['format']}, this version reads {FORMAT}")
        stored = Stored(found["wrapper"], found["version"], found["args"], found["facts"])
        if not found["tensors"]:
            return stored
        data = (folder / TENSORS).read_bytes()
        if hashlib.sha256(data).hexdigest() != found["tensors"]:
            raise MissingInput(f"the wrapper is damaged: {TENSORS} is not the one that {DESCRIPTION} names", _AGAIN)
        return replace(stored, tensors=load_tensors(data))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise MissingInput(f"the wrapper is damaged: {DESCRIPTION}: {_reason(error)}", _AGAIN) from error


def damaged(stored: Stored, error: Exception) -> MissingInput:
    """The error for a wrapper whose content its code cannot use."""
    return MissingInput(f"the wrapper {stored.wrapper!r} does not fit the model: {_reason(error)}", _AGAIN)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_AGAIN = "run the unlearn cell again with --force"
