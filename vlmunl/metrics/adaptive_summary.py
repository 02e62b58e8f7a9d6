"""The adaptive attacker in the summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]
_HEAD = ("method", "canonical", "WCR (cross-fit)", "adaptive", "placebo there", "found route", "tried")


def adaptive_section(
    document: Json, interval: Callable[[Json | None], str], plain: Callable[[str], str]
) -> tuple[str, ...]:
    """A heading and a table of what was found; nothing for a study without an attacker.

    Args:
        interval: writes an estimate with its bounds, or that there is none.
        plain: makes a text safe inside a table.
    """
    rows = [row for row in document["rows"] if "adaptive" in row]
    if not rows:
        return ()
    lines = ["| " + " | ".join(_HEAD) + " |", "|---|" + "---:|" * 4 + "---|---:|"]
    lines += ["| " + " | ".join(_line(row, interval, plain)) + " |" for row in rows]
    return ("## Adaptive attacker", "\n".join(lines), _NOTE)


_NOTE = (
    "For each method and seed, compositions of routes were searched on people who are in no figure, and the one found "
    "was put to the people reported here, who had no say in the choice: an ordinary interval, with no maximum in it. "
    "Placebo there: the placebo by the same routes, which should cover 0."
)


def _line(row: Json, interval: Callable[[Json | None], str], plain: Callable[[str], str]) -> list[str]:
    found = row["adaptive"]
    known = [plain(row["label"]), interval(row["canonical"]), interval((row["wcr"] or {}).get("cross_fit"))]
    if found is None:
        return [*known, *["-"] * 4]
    several = len(found["routes"]) > 1
    names = ", ".join(f"`{r['route']}`" + (f" (seed {r['seed']})" if several else "") for r in found["routes"])
    tried = ", ".join(str(r["tried"]) for r in found["routes"])
    figures = [None if part["estimate"] is None else part for part in (found, found["placebo"])]
    return [*known, *map(interval, figures), names, tried]
