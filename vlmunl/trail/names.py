"""From what a reader types to the figure that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.errors import UsageError
from vlmunl.trail.document import Document, Path
from vlmunl.trail.spellings import Name

_WRAPPED = re.compile(r"\\?vlmunl(?:\[[^]]*\])?\{(.*)\}")
_LINE = re.compile(r"summary(?:\.md)?:(\d+)")
_NEAREST = 5
_WCRS = (("rows", ("wcr",)), ("rows", ("wcr_held_out",)))


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure, or a named group of them. `low` and `high` are its interval where it has one."""

    asked: str
    path: Path
    value: Any
    low: float | None = None
    high: float | None = None
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its place in the verified results; a row's figures as claims name them."""
        return ".".join(self.path[1:] if self.path[0] == "rows" and len(self.path) > 1 else self.path)

    @property
    def is_group(self) -> bool:
        """Several figures?"""
        return isinstance(self.value, Mapping)


def index_of(names: Iterable[Name]) -> dict[str, Path]:
    """Name -> the figure that is meant: the first of that name."""
    index: dict[str, Path] = {}
    for name, path in names:
        index.setdefault(name, path)
    return index


def resolve(asked: str, document: Document, index: Mapping[str, Path], summary: str) -> Target:
    """The figure that `asked` names.

    Raises:
        UsageError: there is none; the hint gives the nearest names.
    """
    text = asked.strip()
    if line := _LINE.fullmatch(text):
        path = _of_summary(int(line[1]), summary, document)
    else:
        found = next((index[spelt] for spelt in _spelt(text) if spelt in index), None)
        if found is None:
            raise _unknown(text, document, index)
        path = found
    return _target(asked, _headline(path, document), document, index)


def _spelt(text: str) -> tuple[str, ...]:
    """`\\vlmunl{npo.wcr}` and `\\vlmunl[quick]{npo.wcr}` name what `npo.wcr` names."""
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1].strip()
    return text, text.replace("\\_", "_")


def _headline(path: Path, document: Document) -> Path:
    """A WCR is its cross-fit estimate, an interval its estimate, a route's score its rho, a claim its verdict."""
    if (path[0], path[2:]) in _WCRS or (path[0], path[3:]) == ("by_seed", ("wcr",)):
        path = (*path, "cross_fit")
    node = _value(path, document)
    for key in ("estimate", "rho", "supported"):
        if isinstance(node, Mapping) and key in node:
            return (*path, key)
    intervals = ("cross_fit", "canonical", "item_wcr", "identity_wcr", "retain_did")
    missing = node is None and path[0] in ("rows", "by_seed") and (path[-1] in intervals or path[2:3] == ("named",))
    return (*path, "estimate") if missing or (node is None and path[-1] == "headroom") else path


def _target(asked: str, path: Path, document: Document, index: Mapping[str, Path]) -> Target:
    bounds = _value(path[:-1], document) if path[-1] in ("estimate", "rho") else None
    low, high = ((bounds or {}).get(end) for end in ("low", "high"))
    value = _value(path, document)
    target = Target(asked=asked, path=path, value=value, low=low, high=high)
    also = tuple(name for name, where in index.items() if where == path and name != target.name)
    return Target(asked=asked, path=path, value=value, low=low, high=high, also=also)


def _value(path: Path, document: Document) -> Any:
    try:
        return document.node(path)
    except KeyError:  # a macro of a figure that this version of the results does not have
        return None


# ----------------------------------------------------------------------------------- summary lines


def _of_summary(number: int, summary: str, document: Document) -> Path:
    """The figures of one line of `summary.md`, as `grep -n` counts them.

    Raises:
        UsageError: there is no such line, or it holds no figure.
    """
    lines = summary.splitlines()
    if not 1 <= number <= len(lines):
        raise UsageError(f"the summary has {len(lines)} lines, none of number {number}")
    section = next((line[3:] for line in reversed(lines[:number]) if line.startswith("## ")), "")
    path = _of_line(section, lines, number - 1, document)
    if path is None:
        raise UsageError(
            f"line {number} of the summary holds no figure: {lines[number - 1][:60]!r}",
            "name a line of a table or list",
        )
    return path


def _of_line(section: str, lines: list[str], at: int, document: Document) -> Path | None:
    line = lines[at]
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
    if not line or line.startswith("#"):
        return None
    if section == "" and cells:  # two lines of heading, then the rows in their order
        place = sum(other.startswith("|") for other in lines[:at]) - 2
        return ("rows", list(document.rows)[place]) if 0 <= place < len(document.rows) else None
    if section == "Named metrics" and cells:
        place = sum(other.startswith("|") for other in lines[lines.index("## Named metrics") : at]) - 2
        return ("rows", list(document.rows)[place], "named") if 0 <= place < len(document.rows) else None
    if section == "Adaptive attacker" and cells:
        place = sum(other.startswith("|") for other in lines[lines.index("## Adaptive attacker") : at]) - 2
        searched = [name for name, row in document.rows.items() if "adaptive" in row]
        return ("rows", searched[place], "adaptive") if 0 <= place < len(searched) else None
    if section == "Tiers" and cells:
        place = sum(other.startswith("|") for other in lines[lines.index("## Tiers") : at]) - 2
        return ("rows", list(document.rows)[place], "tiers") if 0 <= place < len(document.rows) else None
    if section == "Gate" and len(cells) > 2 and cells[0] in document.tree["seeds"]:
        seed = document.tree["seeds"][cells[0]]
        return ("seeds", cells[0], "gate", cells[2]) if cells[2] in seed["gate"] else ("seeds", cells[0])
    if section == "Claims" and line.startswith("- "):
        place = sum(other.startswith("- ") for other in lines[lines.index("## Claims") : at])
        claims = list(document.tree["claims"])
        return ("claims", claims[place]) if place < len(claims) else None
    whole: dict[str, Path] = {
        "": ("n",),
        "Tuning": ("policy", "tuning"),
        "Named metrics": ("n",),
        "Differences": ("best",),
        "Tiers": ("catalogue", "by_tier"),
        "Routes": ("routes",),
        "Evidence": ("cells",),
        "What is not evidence": ("pending",),
    }
    return None if cells else whole.get(section)


# -------------------------------------------------------------------------------------- not found


def _unknown(text: str, document: Document, index: Mapping[str, Path]) -> UsageError:
    """Name the nearest: of the same kind of spelling first, for a figure of a row among that row's."""
    from difflib import get_close_matches

    head = text.partition(".")[0]
    kinds = [
        [name for name in index if name.startswith(f"{head}.")] if "." in text else [],
        [name for name in index if ("/" in name) == ("/" in text)],
        list(index),
    ]
    for known in kinds:
        near = get_close_matches(_spelt(text)[0], known, n=_NEAREST, cutoff=0.6)
        if near:
            return UsageError(f"these results have no figure {text!r}", f"did you mean {', '.join(near)}?")
    rows = ", ".join(document.rows)
    return UsageError(
        f"these results have no figure {text!r}",
        "name one as claims do (npo.wcr.lower), as a macro (\\vlmunl{npo.wcr}), as a table's cell (main/npo/wcr_lower) "
        f"or as a line of the summary (summary:9); rows: {rows}",
    )
