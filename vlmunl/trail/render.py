"""A trace as a tree for the terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from vlmunl.stage_explain import flat_params
from vlmunl.store import Record
from vlmunl.trail.records import Held, Node, Read
from vlmunl.trail.rows import Asked
from vlmunl.trail.sources import Part
from vlmunl.trail.trace import Trace

_WIDTH = 150
_LIST = 6
_FIGURES = 60
_PARTS: dict[Part, str] = {
    "rows": "its rows enter",
    "verdict": "its verdict lets the seed count",
    "verified": "must be verified, or the seed does not count",
    "steps": "its training steps",
    "status": "its status",
}


def render(trace: Trace) -> Tree:
    """The whole trace; a record that was shown before is only named again."""
    top = Tree(_headline(trace))
    _figures(top, trace)
    _results(top, trace)
    _questions(top, trace)
    _records(top, trace)
    _left_out(top, trace)
    for problem in trace.problems:
        top.add(Text(problem, style="red"))
    return top


def _headline(trace: Trace) -> Text:
    t = trace.target
    head = Text.assemble((t.name, "bold"), "  ")
    if not t.is_group:
        head.append(_shown(t.value), style="bold cyan" if t.value is not None else "yellow")
    if t.low is not None and t.high is not None:
        level = trace.origin.parsed.level
        head.append(f"  [{t.low:g}, {t.high:g}] {level} %")
    return head


def _figures(top: Tree, trace: Trace) -> None:
    t = trace.target
    if also := [name for name in t.also if not name.startswith("rows.")]:
        top.add(Text(_cut(f"also: {', '.join(also)}"), style="dim"))
    if trace.claimed:
        top.add(Text(f"{trace.claimed['text']}"))
        branch = top.add(Text(f"when {trace.claimed['when']}" + _because(trace.claimed["reason"])))
        for name, value in trace.claimed["figures"].items():
            branch.add(Text(f"{name} = {_shown(value)}"))
    if t.is_group:
        branch = top.add(Text("figures", style="bold"))
        leaves = [(".".join(path[len(t.path) :]), value) for path, value in trace.origin.document.leaves(t.path)]
        leaves = [(name, value) for name, value in leaves if not name.startswith("routes.")] or leaves
        for name, value in leaves[:_FIGURES]:
            branch.add(Text(_cut(f"{name} = {_shown(value)}")))
        _more(branch, len(leaves) - _FIGURES)


def _results(top: Tree, trace: Trace) -> None:
    made_by, file = trace.origin.made_by, trace.file
    branch = top.add(Text.assemble(("results", "bold"), f"  {_place(trace.results_path)}"))
    for part in trace.evidence:
        _object(branch, part)
    branch.add(Text(f"aggregate (version {made_by.stage_version})  {made_by.name.file}"))
    branch.add(Text(_params(made_by, trace.policy()), style="dim"))
    overrides = f", with --set {_line(file.overrides)}" if file.overrides else ""
    style = "" if file.state == "unchanged" else "yellow"
    branch.add(Text(f"study file {_place(file.path)}  sha256 {file.sha256[:16]}  {file.state}{overrides}", style=style))
    branch.add(Text(f"seeds {', '.join(map(str, trace.seeds)) or 'none'}"))
    for code in trace.code():
        cells = code["cells"]
        some = ", ".join(cells[:3]) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")
        commit = f"commit {code.get('git', 'unknown')[:12]}  files {code.get('code', 'unknown')[:12]}"
        branch.add(Text(f"code vlmunl {code.get('vlmunl', '?')}  {commit}  ({some})"))


def _questions(top: Tree, trace: Trace) -> None:
    for asked in trace.asked:
        counts = ", ".join(f"{number} {status}" for status, number in asked.statuses.items())
        which = ", ".join(f"{name} {' or '.join(values)}" for name, values in asked.where.items())
        line = (
            f"  {asked.cell}, {which}: {asked.rows} rows ({counts}), {asked.prompts} prompts, {asked.images} pictures"
        )
        branch = top.add(Text.assemble(("questions", "bold"), line))
        for row in asked.sample:
            _row(branch, row, asked)


def _row(branch: Tree, row: Any, asked: Asked) -> None:
    said = " / ".join(row["question"]) if row["question"] else "(its text cannot be made again here)"
    style = {"correct": "green", "error": "red"}.get(row["status"], "")
    leaf = branch.add(Text.assemble(f"{said}  -> {row['text']!r}  ", (row["status"], style)))
    where = f"{row['identity']} {row['attribute']} {row['route']}#{row['variant']}"
    digests = f"prompt {row.get('prompt_digest')}  picture {row.get('image_digest') or 'none'}"
    leaf.add(Text(f"{where}  log-prob. {row['logp']:.2f}  {digests}", style="dim"))


def _records(top: Tree, trace: Trace) -> None:
    shown: set[str] = set()
    for part in _PARTS:
        cells = [cell for cell, use in trace.uses.items() if use == part]
        if not cells:
            continue
        branch = top.add(Text.assemble(("records", "bold"), f"  {_PARTS[part]}"))
        for cell in cells:
            if part == "status":
                node = trace.nodes[cell]
                branch.add(Text(f"{cell}  {node.status}{_because(node.reason)}"))
            else:
                _node(branch, cell, trace, shown, "")
    if not trace.uses:
        top.add(Text("no record: the study file and the catalogue alone say it", style="dim"))


def _node(branch: Tree, cell: str, trace: Trace, shown: set[str], role: str) -> None:
    """A record with its parameters and objects, then the records that it was made from."""
    node = trace.nodes[cell]
    lead = f"{role} from " if role else ""
    if cell in shown:
        branch.add(Text.assemble(lead, (cell, "bold"), ("  (above)", "dim")))
        return
    shown.add(cell)
    leaf = branch.add(_title(node, lead))
    if node.record is None:
        return
    leaf.add(Text(_params(node.record), style="dim"))
    for output in node.outputs:
        _object(leaf, output)
    for read in node.inputs:
        if read.cell is not None and read.cell in trace.nodes:
            _node(leaf, read.cell, trace, shown, read.name)
        else:
            leaf.add(_input(read))


def _title(node: Node, lead: str) -> Text:
    if node.record is None:
        why = node.problem or f"{node.status}{_because(node.reason)}"
        return Text.assemble(lead, (node.cell, "bold"), "  ", (why, "red" if node.problem else "yellow"))
    r = node.record
    when = str(r.env.get("ended", ""))[:16].replace("T", " ")
    return Text.assemble(
        lead, (node.cell, "bold"), f"  {r.stage} (version {r.stage_version})  {r.name.file}", (f"  {when}", "dim")
    )


def _params(record: Record, only: Iterable[str] = ()) -> str:
    """`with seed = 0, optim.lr = 0.002, ...` on as many lines as it takes; long lists are only counted."""
    chosen = tuple(only)
    values = {
        name: json.loads(value)
        for name, value in flat_params(record.params).items()
        if not chosen or name.partition(".")[0] in chosen
    }
    long = {name for name, value in values.items() if isinstance(value, list) and len(value) > _LIST}
    plain = {name: "none" if value is None else _shown(value) for name, value in values.items()}
    shown = [f"{name} = {f'{len(values[name])} values' if name in long else plain[name]}" for name in values]
    text = f"with {', '.join(shown)}"
    return textwrap.fill(text, _WIDTH - 30, subsequent_indent="     ", break_long_words=False, break_on_hyphens=False)


def _object(branch: Tree, part: Held) -> None:
    """An object and where it lies; the files of a tree below it."""
    where = f"  {_place(part.files[0][1])}" if part.ref.kind == "blob" and part.files else ""
    text = Text(f"{part.name}  {part.ref.kind} {part.ref.xxh3}  {size(part.bytes)}{where}")
    if part.missing:
        text.append("  MISSING", style="red")
    leaf = branch.add(text)
    for name, path, count in part.files if part.ref.kind == "tree" else ():
        leaf.add(Text(f"{name}  {size(count)}  {_place(path)}"))


def _place(path: Path) -> str:
    """Relative to the current directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _input(read: Read) -> Text:
    place = read.cell or "no cell of this run manifest"
    if read.external is not None:  # a published record does not say where
        place = f"outside the store, {read.external}".removesuffix(", ")
    return Text(f"{read.name}  {read.ref.kind} {read.ref.xxh3}  from {place}")


def _left_out(top: Tree, trace: Trace) -> None:
    if not trace.left_out:
        return
    branch = top.add(Text("not evidence for it", style="yellow"))
    for cell, why in trace.left_out.items():
        branch.add(Text(f"{cell}  {why}"))


# ------------------------------------------------------------------------------------------ pieces


def size(count: int) -> str:
    """`812 bytes`, `3.0 MB`."""
    if count < 10_000:
        return f"{count} bytes"
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the loop ends with the last unit")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _shown(value: Any) -> str:
    if value is None:
        return "no evidence"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(values: Any) -> str:
    return ", ".join(f"{name} {_shown(part)}" for name, part in values.items())


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _more(branch: Tree, count: int) -> None:
    if count > 0:
        branch.add(Text(f"... {count} more (--json shows all)", style="dim"))
