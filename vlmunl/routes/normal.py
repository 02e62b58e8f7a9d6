"""One spelling for texts that say the same: case, punctuation, articles, numbers and dates brought to one form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache


def _words(text: str) -> list[str]:
    return text.split()


_MONTHS = _words("january february march april may june july august september october november december")
_MONTH = {name[:k]: i for i, name in enumerate(_MONTHS, start=1) for k in (3, len(name))} | {"sept": 9}
_UNITS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, start=2)}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}

_NAME = "|".join(sorted(_MONTH, key=len, reverse=True))
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>\d{4})"
_DATES = tuple(
    re.compile(rf"(?<![\w.,/-]){pattern}(?![\w/-])")
    for pattern in (
        rf"(?:the )?{_DAY}(?: of)?[ -](?P<n>{_NAME})\.?,?[ -]{_YEAR}",
        rf"(?P<n>{_NAME})\.? (?:the )?{_DAY},? {_YEAR}",
        rf"{_YEAR}[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})",
        rf"(?P<a>\d{{1,2}})(?P<s>[-/.])(?P<b>\d{{1,2}})(?P=s){_YEAR}",
        rf"(?:the )?{_DAY}(?: of)?[ -](?P<n>{_NAME})\b\.?",
        rf"(?P<n>{_NAME})\.? (?:the )?{_DAY}",
        rf"(?P<n>{_NAME})\.?,? (?:of )?{_YEAR}",
    )
)
_TOKEN = re.compile(r"@[\d-]+|(?:(?<!\S)-)?\d+(?:\.\d+)?|[^\W_]+(?:'[^\W_]+)*|[#$€£%+]")
_ARTICLES = frozenset({"a", "an", "the"})


@lru_cache(maxsize=1 << 16)
def readings(text: str) -> frozenset[str]:
    """The forms a text may be brought to: one, or two where a date's day and month may be either way round.

    A text without letters and digits has none, and equals nothing.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("−", "-")
    found = {_form(_dated(plain, day_first)) for day_first in (True, False)}
    return frozenset(f for f in found if f)


def _dated(text: str, day_first: bool) -> str:
    """Dates written as `@year-month-day`; what is not known of one is 0."""

    def written(match: re.Match[str]) -> str:
        part = match.groupdict()
        day, month, year = (int(part.get(k) or 0) for k in ("d", "m", "y"))
        if "n" in part:
            month = _MONTH[part["n"]]
        elif "a" in part:
            first, second = int(part["a"]), int(part["b"])
            day, month = (first, second) if (day_first and second <= 12) or first > 12 else (second, first)
        real = month in range(1, 13) and day in range(32)
        return f" @{year}-{month}-{day} " if real else match.group()

    for pattern in _DATES:
        text = pattern.sub(written, text)
    return text


def _form(text: str) -> str:
    """Words and numbers with single spaces; articles go unless nothing else is there."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    tokens = _numbered(_TOKEN.findall(text))
    return " ".join([t for t in tokens if t not in _ARTICLES] or tokens)


def _numbered(tokens: Sequence[str]) -> list[str]:
    """Number words as digits: `twenty one` is 21, `two hundred and five` 205; digits without useless zeros."""
    out: list[str] = []
    place = 0
    while place < len(tokens):
        value, used = _number(tokens[place:])
        if used:
            out.append(str(value))
        else:
            used = 1
            out.append(_trimmed(tokens[place]))
        place += used
    return out


def _trimmed(token: str) -> str:
    if "." in token:  # only numbers keep a point
        token = token.rstrip("0").rstrip(".")
    return token.lstrip("0") or "0" if token.isdecimal() else token


def _number(tokens: Sequence[str]) -> tuple[int, int]:
    """The number that these tokens begin with, and how many of them it takes; 0 tokens if it is none."""
    total = group = used = 0
    last = ""  # the kind of the word before
    for place, word in enumerate(tokens):
        if word in _SMALL and (last in ("", "large") or (last == "tens" and 0 < _SMALL[word] < 10)):
            group, last = group + _SMALL[word], "tens" if _SMALL[word] >= 20 else "units"
        elif word == "hundred" and last in ("units", "tens") and group < 100:
            group, last = group * 100, "large"
        elif word in _LARGE and word != "hundred" and last:
            total, group, last = total + group * _LARGE[word], 0, "large"
        elif word == "and" and last == "large" and tokens[place + 1 : place + 2] and tokens[place + 1] in _SMALL:
            continue
        else:
            break
        used = place + 1
    return total + group, used
