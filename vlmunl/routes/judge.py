"""What a reply is worth: exact match after normalisation, and whether it is a refusal or no answer at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Status = Literal["correct", "incorrect", "refusal", "invalid", "error"]

_REFUSAL = re.compile(
    r"\b(i (do not|don't|can not|cannot|can't|am not able|'m not able|am unable|won't)|unable to|no idea|not sure"
    r"|no information|sorry|unknown)\b",
    re.IGNORECASE,
)


def normal(text: str) -> str:
    """Lower case, single spaces, no punctuation at the ends."""
    return " ".join(text.lower().split()).strip(" .,;:!?\"'")


def judge(text: str, answer: str, options: Sequence[str]) -> Status:
    """`correct` if the reply is the answer; `invalid` if it is empty or, where options were given, none of them."""
    reply = normal(text)
    if reply == normal(answer):
        return "correct"
    if _REFUSAL.search(text):
        return "refusal"
    if not any(c.isalnum() for c in reply):
        return "invalid"
    if options and reply not in {normal(o) for o in options}:
        return "invalid"
    return "incorrect"
