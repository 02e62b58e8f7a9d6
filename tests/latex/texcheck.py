"""A small reader of generated LaTeX: enough to find unescaped characters, open groups and wrong column counts."""

from __future__ import annotations

import re

_ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+\*?)\}")
_COLUMN = re.compile(r"@\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[lrc]")


def problems(text: str) -> list[str]:
    """What TeX would stumble over; empty for a good file."""
    found, stack, depth = [], [], 0
    for number, line in enumerate(text.split("\n"), 1):
        code = _without_comment(line)
        bare = re.sub(r"\\.", "", code)
        depth += bare.count("{") - bare.count("}")
        if depth < 0:
            found.append(f"line {number}: a brace closes nothing")
        if bad := re.search(r"[#_^~\"`<>|]", re.sub(r"\$[^$]*\$", "", re.sub(r"\{#1\}|\[1\]\{#1\}", "", bare))):
            found.append(f"line {number}: bare {bad[0]!r} in {line!r}")
        if bare.count("$") % 2:
            found.append(f"line {number}: odd number of dollars")
        if bad := re.search(r"[^\x20-\u017f\u2013-\u2026]", code):
            found.append(f"line {number}: {bad[0]!r} cannot be set")
        for kind, name in _ENVIRONMENT.findall(code):
            if kind == "begin":
                stack.append(name)
            elif not stack or stack.pop() != name:
                found.append(f"line {number}: end of {name} does not match")
    return found + ([f"{depth} braces stay open"] if depth else []) + [f"{name} stays open" for name in stack]


def _without_comment(line: str) -> str:
    return re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", line)


def widths(text: str) -> tuple[int, set[int]]:
    """Columns that the `tabular` declares, and the widths of its rows, counting multicolumns."""
    start = text.index(r"\begin{tabular}{") + len(r"\begin{tabular}{")
    spec = text[start : text.index("\n", start)].removesuffix("}")
    declared = sum(part in "lrc" for part in _COLUMN.findall(spec))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    body = re.sub(r"\\shortstack\[\w\]\{(?:[^{}]|\{[^{}]*\})*\}", "", body)
    rows = [row for row in re.split(r"\\\\\s*\n", re.sub(r"\\(top|mid)rule\n?", "", body)) if row.strip()]
    return declared, {_width(row) for row in rows}


def _width(row: str) -> int:
    spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row))
    return len(re.findall(r"(?<!\\)&", row)) + 1 + spans
