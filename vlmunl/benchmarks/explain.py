"""A benchmark in words: rows of what it is, and the page of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vlmunl.benchmarks.known import Checked, Kind

CHECKED: dict[Checked, str] = {
    "made here": "made or defined by vlmunl itself",
    "real files": "its loader has read the published files",
    "schema": "its loader was written from the published description alone, and tested on rows made after it",
}
"""What stands behind a loader, in words."""


def splits_in_short(kind: Kind) -> str:
    """`forget_5 25/500` for each split: people to forget of people in all, as far as they are known; or who says it."""
    if kind.splits:
        return ", ".join(f"{name} {c.forget}/{c.people}" if c.people else name for name, c in kind.splits.items())
    return "the files say it" if kind.counts else "the study says it"


def rows(kind: Kind) -> Iterator[tuple[str, str]]:
    """(what, text) of all that is known of it."""
    yield "what", kind.title
    if kind.source:
        yield "source", kind.source
    if kind.hub:
        yield "on the Hub", f"{kind.hub} (data set)"
    yield "splits", splits_in_short(kind) + (" (to forget / people)" if kind.splits else "")
    if kind.aliases:
        yield "also written", ", ".join(f"{other} for {name}" for other, name in kind.aliases.items() if other)
    yield "pictures", "yes" if kind.pictures else "none: for language models alone"
    yield "formats", ", ".join(kind.formats)
    if kind.files:
        yield "files", ", ".join(kind.files)
    if kind.metrics:
        yield "own metrics", "yes"
    yield "checked", CHECKED[kind.checked]
    for i, trap in enumerate(kind.traps):
        yield "" if i else "know that", trap
    yield "in a study", in_a_study(kind).replace("\n", "; ")


def in_a_study(kind: Kind) -> str:
    """The lines of `[benchmark]` that name it."""
    lines = [f'id = "{kind.id}"']
    if kind.id == "fictitious":
        return "\n".join([*lines, "people = 48", "forget = 16"])
    if kind.splits:
        lines.append(f'split = "{next(iter(kind.splits))}"')
    lines.append('revision = "<commit>"' if kind.hub else 'path = "FOLDER"')
    return "\n".join(lines)


def document(kind: Kind) -> dict[str, Any]:
    """All that is known of it, as JSON; without the code's names."""
    return {
        "id": kind.id,
        "title": kind.title,
        "source": kind.source,
        "hub": kind.hub,
        "version": kind.version,
        "splits": {name: counts._asdict() for name, counts in kind.splits.items()},
        "aliases": dict(kind.aliases),
        "pictures": kind.pictures,
        "formats": list(kind.formats),
        "files": list(kind.files),
        "own_metrics": bool(kind.metrics),
        "checked": kind.checked,
        "traps": list(kind.traps),
    }


_HEAD = """# Benchmarks

Written by `vlmunl benchmarks --markdown`, not by hand. Every benchmark is read into one schema: identities with
pictures and facts, each asked in up to four formats. `vlmunl benchmarks NAME` explains one, `vlmunl benchmarks preview
STUDY` shows its people, and `vlmunl fetch STUDY` gets its files.

| benchmark | what it is | splits (to forget / people) | pictures | checked against |
|---|---|---|---|---|
"""
_TABLE = """
## The table of a folder of your own

`people.csv` (comma, semicolon or tab; UTF-8) or `people.jsonl` (an object on each line), one row for each question on
each identity. The first line of the CSV names the columns, in any order. Lists are LISTS:
in CSV their items are separated by ` | `, in JSONL they are lists.

| column | what it holds |
|---|---|
COLUMNS
A text may say `{subject}` where the person is meant; for "this person", "the person in the picture" and the person's
full name that is done when the table is read, so that every route can ask in its own way. Without a column `image`
nobody has a picture, and all is asked by name. Another column whose name begins with `split` is another way to divide
the people: `[benchmark] split = "split_small"` takes it. `vlmunl benchmarks check FOLDER` says what is wrong with a
folder, and `vlmunl benchmarks example FOLDER` writes a complete one of drawn people.
"""


def page(kinds: Iterable[Kind]) -> str:
    """`docs/benchmarks-supported.md`."""
    found = list(kinds)
    lines = "".join(f"| {' | '.join(_cells(kind))} |\n" for kind in found)
    meant = "".join(f"- *{name}*: {text}.\n" for name, text in CHECKED.items() if any(k.checked == name for k in found))
    sections = "\n".join(map(_section, found))
    return f"{_HEAD}{lines}\n{meant}\n{sections}{_columns()}"


def _cells(kind: Kind) -> tuple[str, ...]:
    link = f"[{kind.id}](#{kind.id})"
    return link, _cell(kind.title), splits_in_short(kind), "yes" if kind.pictures else "no", kind.checked


def _section(kind: Kind) -> str:
    about = [(what, text) for what, text in rows(kind) if what not in ("what", "know that", "", "in a study")]
    listed = "".join(f"- {what}: {text}\n" for what, text in about)
    traps = "".join(f"- {trap}\n" for trap in kind.traps)
    known = f"\nKnow that:\n\n{traps}" if traps else ""
    title = kind.title[:1].upper() + kind.title[1:]
    return f"## {kind.id}\n\n{title}.\n\n{listed}{known}\n```toml\n[benchmark]\n{in_a_study(kind)}\n```\n"


def _columns() -> str:
    """The contract of a folder's table."""
    from vlmunl.benchmarks.folder.table import COLUMNS, LISTS

    lines = "".join(f"| `{name}` | {_cell(text)} |\n" for name, text in COLUMNS.items())
    return _TABLE.replace("LISTS", ", ".join(LISTS)).replace("COLUMNS", lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
