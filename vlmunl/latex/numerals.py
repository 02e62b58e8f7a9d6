"""How a number is written: two decimals, no leading zero, a plain hyphen as minus. Rounded once, here."""

from __future__ import annotations

from vlmunl.latex.results import Interval

LARGE = 1e5  # from here on powers of ten are more legible
ABSENT = "\u2013"  # an en dash: not defined here, or not measured


def decimal(value: float | None, digits: int = 2) -> str:
    """`0.7912` -> `.79`, `-0.004` -> `.00`, `1234567` -> `1.2e6`, `None` -> an en dash."""
    if value is None:
        return ABSENT
    if abs(value) >= LARGE:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(power)}"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    sign, magnitude = ("-", text[1:]) if text.startswith("-") else ("", text)
    return sign + (magnitude[1:] if magnitude.startswith("0.") else magnitude)


def bounds(interval: Interval | None, digits: int = 2) -> str:
    """`[.68, .88]`, or nothing where an interval has no bounds."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    if interval.low == interval.high == interval.estimate:  # exact by definition, such as gold's zero
        return ""
    return f"[{decimal(interval.low, digits)}, {decimal(interval.high, digits)}]"


def counted(count: int | None, noun: str, plural: str = "") -> str:
    """`1 seed`, `2 seeds`."""
    if count is None:
        return f"{ABSENT} {plural or noun + 's'}"
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
