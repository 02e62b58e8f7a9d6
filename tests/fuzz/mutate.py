"""Seeded mutations of study files and of JSON documents: torn bytes, wrong types, hostile values.

The number of cases is that of an ordinary run; with VLMUNL_SOAK=N it is N times that of a soak.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**63), 2**64, 10**30, 10**400, -(10**5000)),
    *(0.0, -0.0, 0.5, 1e-320, 1e308, -1.5, math.inf, -math.inf, math.nan),
    *("", " ", "x", "x" * 100_000, "\x00", "a\nb", "a\r\n\tb", "\x1b[31mred\x1b[0m", "\u202eright to left", "\u2028"),
    *(
        "e\u0301",
        "\ufeff",
        "\U0001f600",
        "\uffff",
        "../../etc/passwd",
        "/etc/passwd",
        "~",
        "a/b",
        "%s%n",
        "{x}",
        "${HOME}",
    ),
    *("true", "1", "nan", "1e400", "3 of 4", "0 of 0", "999 of 999", "imprint", "base", "ga", "__class__", "[" * 50),
    *([], [[]], [None], [1, "a", [2.5]], [{}], ["a"] * 2000, [[[[[[[[[[1]]]]]]]]]], list(range(300))),
    *({}, {"a": 1}, {"": ""}, {"a": {"b": {"c": []}}}, {"cell": "data"}, {"x" * 5000: 1}, {"\x1b[2J": 2}),
    *(dt.date(2026, 1, 2), dt.time(3, 4), dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)),
)
CHUNKS = (
    b"[",
    b"]",
    b"=",
    b'"',
    b"'''",
    b"\n",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[[",
    b"{",
    b"}",
    b"#",
    b"." * 99,
)
NAMES = (
    "",
    "x",
    "lr",
    "seeds",
    "like",
    "override",
    "a b",
    "a.b",
    "é",
    "\x1b[0m",
    "\x00",
    "k" * 3000,
    "name ",
    "LR",
    "..",
)


class Case(NamedTuple):
    """One mutated document, and what tells it from others when it fails."""

    label: str
    data: bytes


def cases(usual: int, soak: int) -> int:
    """How many cases to try: the usual number, or that of a soak times VLMUNL_SOAK."""
    text = os.environ.get("VLMUNL_SOAK", "")
    factor = int(text) if text.isdecimal() else int(bool(text))
    return usual if factor == 0 else soak * factor


def torn(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four accidents with bytes: cut off, flipped, lost, repeated, inserted, swapped lines, another file's."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        to = min(to, at + 200)
        match rng.randrange(7):
            case 0:
                data = data[:at]
            case 1 if data:
                place = rng.randrange(len(data))
                data = data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
            case 2:
                data = data[:at] + data[to:]
            case 3:
                data = data[:to] + data[at:]
            case 4:
                data = data[:at] + rng.choice(CHUNKS) * rng.choice((1, 1, 2, 3000)) + data[at:]
            case 5:
                lines = data.splitlines(keepends=True)
                rng.shuffle(lines)
                data = b"".join(lines)
            case _:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                data = data[:at] + other[start : start + rng.randrange(1, 300)] + data[at:]
    return data


Place = tuple[Any, Any]
"""A container and a key or index in it."""


def places(value: Any) -> Iterator[Place]:
    """Every part of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield value, key
        yield from places(part)


def twisted(rng: random.Random, document: Any) -> tuple[Any, str]:
    """A deep copy with one to three parts replaced, removed, renamed, added or exchanged; and what was done."""
    document, done = copy.deepcopy(document), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = list(places(document))
        if not found:
            break
        inside, key = rng.choice(found)
        done.append(_twist(rng, inside, key, found))
    return document, "; ".join(done)


def _twist(rng: random.Random, inside: Any, key: Any, found: list[Place]) -> str:
    what = rng.randrange(6)
    if what == 0:
        del inside[key]
        return f"removed {str(key)[:40]!r}"
    if what == 1 and isinstance(inside, dict):
        name = rng.choice((*NAMES, f"{key}s", str(key)[:-1], str(key).upper()))
        inside[name] = inside.pop(key)
        return f"renamed {str(key)[:40]!r} to {name[:40]!r}"
    if what == 2:
        name, value = rng.choice(NAMES), copy.deepcopy(rng.choice(HOSTILE))
        inside.__setitem__(name, value) if isinstance(inside, dict) else inside.append(value)
        return f"added {name[:40]!r}"
    if what == 3:
        other, at = rng.choice(found)
        if (isinstance(other, dict) and at in other) or (isinstance(other, list) and at < len(other)):
            inside[key] = copy.deepcopy(other[at])
        return f"put {str(at)[:40]!r} into {str(key)[:40]!r}"
    inside[key] = copy.deepcopy(rng.choice(HOSTILE))
    return f"set {str(key)[:40]!r} to {repr_(inside[key])}"


def repr_(value: Any) -> str:
    """A short text of any value; Python refuses to print integers of thousands of digits."""
    try:
        return repr(value)[:60]
    except ValueError:
        return f"an integer of {value.bit_length()} bits"


def json_bytes(value: Any) -> bytes:
    """JSON as a careless program writes it: NaN and lone surrogates allowed, dates as text."""
    try:
        return json.dumps(value, default=str).encode()
    except ValueError:  # thousands of digits
        return (
            json.dumps(value, default=str, skipkeys=True).encode()
            if not _huge(value)
            else b'{"n": ' + b"9" * 6000 + b"}"
        )


def _huge(value: Any) -> bool:
    return any(isinstance(c[k], int) and abs(c[k]) > 10**4000 for c, k in places([value]))


def json_cases(document: Any, count: int, seed: int, write: Callable[[Any], bytes] = json_bytes) -> Iterator[Case]:
    """Mutations of a JSON document, torn and twisted in turn."""
    sound = write(document)
    deep = [b"[" * 100_000, b'{"a":' * 100_000, sound[:-2] + b"," + b"[" * 5000]
    for i, data in enumerate((b"", b"null", b"[]", b"{}", b'"x"', b"1", b"NaN", b"\xff", sound + sound, *deep)):
        yield Case(f"fixed {i}", data)
    for i in range(count):
        rng = random.Random(f"{seed}/{i}")
        if i % 3 == 0:
            yield Case(f"{seed}/{i} torn", torn(rng, sound, (sound,)))
        else:
            twist, done = twisted(rng, document)
            yield Case(f"{seed}/{i} {done}", write(twist))
