"""Every generated page of `docs/`: its path and its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

BEGIN, END = "<!-- {}:begin -->\n", "<!-- {}:end -->"


def _methods() -> str:
    from vlmunl.methods.known import METHODS
    from vlmunl.methods.markdown import page

    return page([method for name, method in METHODS.items() if name in METHODS.builtin])


def _routes() -> str:
    from vlmunl.routes.catalogue import CATALOGUE
    from vlmunl.routes.markdown import page

    return page(list(CATALOGUE.own.values()))


def _benchmarks() -> str:
    from vlmunl.benchmarks.explain import page
    from vlmunl.benchmarks.known import KINDS

    return page(KINDS.values())


def _cli() -> str:
    from vlmunl.reference.cli import page

    return page()


def _codes() -> str:
    from vlmunl.reference.codes import page

    return page()


def _study() -> str:
    from vlmunl.reference.study import page

    return page()


def _schema() -> str:
    from vlmunl.reference.study import schema

    return schema()


def _files() -> str:
    from vlmunl.reference.files import page

    return page()


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/cli.md": _cli,
    "reference/exit-codes.md": _codes,
    "reference/study.md": _study,
    "reference/study.schema.json": _schema,
    "reference/files.md": _files,
    "methods.md": _methods,
    "routes.md": _routes,
    "benchmarks-supported.md": _benchmarks,
}


def stale(docs: Path) -> dict[Path, str]:
    """What is not current below `docs`: path -> the text that it should have."""
    wanted = {docs / name: make().rstrip("\n") + "\n" for name, make in PAGES.items()}
    models = docs / "models.md"
    wanted[models] = with_block(models.read_text(encoding="utf-8"), "models", _models())
    return {path: text for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text}


def _models() -> str:
    from vlmunl.models.known import table

    return table()


def with_block(text: str, name: str, block: str) -> str:
    """The text with what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->` replaced.

    Raises:
        ValueError: it has no such marks.
    """
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    if not begin or not end:
        raise ValueError(f"there is no block {name!r} to be replaced")
    return f"{before}{begin}{block}{end}{after}"
