"""What a reply is worth: exact match after normalisation, and whether it is a refusal or no answer at all.

Case, Unicode's variants, punctuation, articles, the writing of numbers and the order of dates do not count. A date in
digits whose order is in doubt counts as right if either reading is: what is in doubt is not called forgotten.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from vlmunl.routes.normal import readings

Status = Literal["correct", "incorrect", "refusal", "invalid", "error"]

_REFUSAL = re.compile(
    r"\b(i (do not|don't|can not|cannot|can't|am not able|'m not able|am unable|won't)|unable to|no idea|not sure"
    r"|no information|sorry|unknown)\b",
    re.IGNORECASE,
)


def judge(text: str, answer: str, options: Sequence[str], aliases: Sequence[str] = ()) -> Status:
    """`correct` if the reply is the answer or one of its aliases.

    Otherwise `refusal` if it says so, `invalid` if it is empty or, where options were given, none of them.
    """
    reply = readings(text)
    if any(reply & readings(right) for right in (answer, *aliases)):
        return "correct"
    if _REFUSAL.search(text.replace("’", "'")):
        return "refusal"
    if not any(c.isalnum() for c in text):
        return "invalid"
    if options and not any(reply & readings(option) for option in options):
        return "invalid"
    return "incorrect"


def judge_all(texts: Sequence[str], answer: str, options: Sequence[str], aliases: Sequence[str] = ()) -> list[Status]:
    """The verdict on each of several replies to one question."""
    return [judge(text, answer, options, aliases) for text in texts]


def overall(statuses: Sequence[Status]) -> Status:
    """Of several replies: `correct` if any is, else what most of them are, the earlier of equals."""
    return "correct" if "correct" in statuses else Counter(statuses).most_common(1)[0][0]
