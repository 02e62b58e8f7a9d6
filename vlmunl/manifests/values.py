"""Types of single values in a study file, with their bounds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from vlmunl.manifests.schema import Pattern, Range

Name = Annotated[
    str,
    Pattern(r"[a-z0-9][a-z0-9_.-]{0,63}", "a name: lower-case letters, digits, '_', '-' and '.', at most 64 of them"),
]
Line = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]*", "one line of text")]
Words = Annotated[str, Pattern(r"(?=.*\S)[^\x00-\x1f\x7f]+", "one line of text that says something")]
Seed = Annotated[int, Range(ge=0, lt=2**32)]
Count = Annotated[int, Range(ge=1, le=100_000_000)]
Steps = Annotated[int, Range(ge=0, le=100_000_000)]
Rate = Annotated[float, Range(gt=0, le=10)]
Share = Annotated[float, Range(ge=0, le=1)]
MicroBatch = Literal["auto"] | Annotated[int, Range(ge=1, le=65536)]
"""Samples that are computed at once: a number, or as many as there are and fewer where memory runs out."""

TableName = Literal[
    "main", "gap", "routes", "gate", "utility", "named", "seeds", "ablations", "comparisons", "tiers", "adaptive", "own"
]
"""The tables of a study; those behind `seeds` only where it has what they show."""

PARAPHRASES = re.compile(r"\s*(\d{1,3}) of (\d{1,3})\s*")
