"""How a route's reply is drawn, or what of the model's probabilities is scored instead. Read without torch.

Written `greedy`, `sample:DRAWS:TEMPERATURE`, `beam:WIDTH`, or a statistic of the right answer: `rank`, `probability`,
`loss`, `zlib`, `min_k:PERCENT`, `min_k_pp:PERCENT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from vlmunl.errors import StudyError

Kind = Literal["greedy", "sample", "beam", "rank", "probability", "loss", "zlib", "min_k", "min_k_pp"]
MEMBERSHIP: frozenset[Kind] = frozenset({"loss", "zlib", "min_k", "min_k_pp"})
"""Statistics that mean something only beside those of people whom no model was ever taught."""
STATISTICS: frozenset[Kind] = MEMBERSHIP | {"rank", "probability"}

_ARGUMENTS: dict[Kind, int] = {
    "greedy": 0,
    "sample": 2,
    "beam": 1,
    "rank": 0,
    "probability": 0,
    "loss": 0,
    "zlib": 0,
    "min_k": 1,
    "min_k_pp": 1,
}


@dataclass(frozen=True)
class Decoding:
    """A decoding taken apart: `draws` replies (0 for statistics) at a `temperature`, or the lowest `percent` tokens."""

    kind: Kind
    draws: int = 0
    temperature: float = 1.0
    percent: int = 100


@cache
def decoding(text: str) -> Decoding:
    """Read a route's `decoding`.

    Raises:
        StudyError: it is none of the forms above, or a number is out of range.
    """
    name, *arguments = text.split(":")
    kind = next((k for k in _ARGUMENTS if k == name), None)
    try:
        if kind is None or len(arguments) != _ARGUMENTS[kind]:
            raise ValueError
        found = _made(kind, arguments)
        if found.draws < 0 or found.temperature <= 0 or not 0 < found.percent <= 100:
            raise ValueError
        if kind in ("sample", "beam") and found.draws < 1:
            raise ValueError
    except ValueError:
        raise StudyError(
            f"decoding {text!r} cannot be read", "write for example sample:8:1.0, beam:4 or rank"
        ) from None
    return found


def _made(kind: Kind, arguments: list[str]) -> Decoding:
    if kind == "sample":
        return Decoding(kind, int(arguments[0]), float(arguments[1]))
    if kind in ("beam", "greedy"):
        return Decoding(kind, int(arguments[0]) if arguments else 1)
    return Decoding(kind, percent=int(arguments[0]) if arguments else 100)
