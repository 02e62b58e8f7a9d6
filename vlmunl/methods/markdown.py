"""`docs/methods.md`: every method from its declaration, for a reader or a paper's appendix. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vlmunl.methods import costs, explain
from vlmunl.methods.specs import FAMILIES, Method

HEAD = """# Unlearning methods

What `vlmunl methods --markdown` makes of the declarations in `vlmunl/methods/declared/`; not edited by hand. F is what
is to be forgotten, R what is to be kept; m is the mean NLL of the answer tokens, S the sum of each answer.
"""


def page(methods: Sequence[Method]) -> str:
    """One table for each kind of method, then each method by itself."""
    lines = [HEAD, costs.ASSUMED, ""]
    ordered = {kind: _of(kind, methods) for kind in explain.KINDS}
    for kind, mine in ordered.items():
        if mine:
            lines += [f"## {explain.KINDS[kind]}", "", *_table(mine), ""]
    for mine in ordered.values():
        for method in mine:
            lines += [f"### {method.name}", "", *_section(method), ""]
    return "\n".join(lines)


def _of(kind: explain.Kind, methods: Sequence[Method]) -> list[Method]:
    return sorted((m for m in methods if explain.kind_of(m) == kind), key=lambda m: FAMILIES.index(m.family))


def _table(methods: Sequence[Method]) -> Iterator[str]:
    yield "| method | family | cost | needs | what it minimises |"
    yield "|---|---|---|---|---|"
    for m in methods:
        cells = (m.family, str(costs.cost(m)), explain.needs_in_short(m), m.objective)
        yield f"| [{m.name}](#{re.sub('[^a-z0-9_-]', '', m.name)}) | {' | '.join(map(escaped, cells))} |"


def _section(method: Method) -> Iterator[str]:
    for title, text in explain.rows(method):
        first, *rest = text.split("\n")
        yield f"- **{title}**: {escaped(first)}" + "".join(f"  \n  {escaped(line)}" for line in rest)


def escaped(text: str) -> str:
    """Text in which Markdown finds nothing to do."""
    return re.sub(r"([\\*_|`<>\[\]~])", r"\\\1", text)
