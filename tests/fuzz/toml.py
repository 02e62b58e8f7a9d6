"""Writes TOML, hostile values included: the standard library only reads it."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any


def dump(document: dict[str, Any]) -> str:
    """A document with every table inline but the first level, so that any value can stand anywhere."""
    lines = []
    for name, value in document.items():
        if isinstance(value, dict) and value:
            lines.append(f"[{_key(name)}]")
            lines += [f"{_key(k)} = {spelt(v)}" for k, v in value.items()]
    bare = [f"{_key(k)} = {spelt(v)}" for k, v in document.items() if not isinstance(v, dict) or not v]
    return "\n".join([*bare, *lines]) + "\n"


def _key(name: Any) -> str:
    return _text(str(name))


def _text(text: str) -> str:
    """A basic string; JSON's escapes are TOML's, but for the delete character and pairs of surrogates."""
    out = []
    for character in text:
        code = ord(character)
        plain = code >= 32 and code != 127 and character not in '"\\'
        out.append(character if plain else f"\\u{code:04X}")
    return f'"{"".join(out)}"'


def spelt(value: Any) -> str:
    """One value."""
    if value is None:
        return "none"  # not TOML: has to be refused as such
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**4000 else "9" * 5000
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(spelt, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(k)} = {spelt(v)}' for k, v in value.items())} }}"
    assert isinstance(value, dt.date | dt.time)
    return value.isoformat()
