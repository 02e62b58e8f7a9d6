"""From a study's published results to the report: what it reads, what it puts together, and what it says of that."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmunl import __version__
from vlmunl.errors import UsageError, VlmunlError
from vlmunl.latex.notes import row_status
from vlmunl.out import count
from vlmunl.report import headline, missing
from vlmunl.report.body import body
from vlmunl.report.page import asset, document

if TYPE_CHECKING:
    from vlmunl.latex.results import ModelRow, Results, Route
    from vlmunl.report.answers import Answers
    from vlmunl.report.counting import Counting
    from vlmunl.report.examples import Shown
    from vlmunl.store import Store
    from vlmunl.trail.origin import Origin
    from vlmunl.workspace import Workspace

SCHEMA = 1
_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report and what is in it. `missing` are the cells that are still to come; `changed` says if it was written."""

    study: str
    file: Path
    html: str
    manifest: str = ""
    methods: int = 0
    questions: int = 0
    shown: int = 0
    examples: int = 0
    pictures: int = 0
    results: bool = True
    missing: tuple[tuple[str, str, str], ...] = ()
    changed: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 4 if there is more to come."""
        return 4 if self.missing or not self.results else 0

    def told(self) -> list[str]:
        """What a reader is told, in a few lines."""
        state = "written" if self.changed else "unchanged"
        lines = [f"{self.file}: {state}, {len(self.html.encode()) / 1e6:.1f} MB"]
        if self.results:
            some = f", {self.shown} of them drawn" if self.shown < self.questions else ""
            lines.append(
                f"{count(self.methods, 'method')}, {count(self.questions, 'question')}{some}, "
                f"{count(self.examples, 'example')}, {count(self.pictures, 'picture')}; "
                f"run manifest {self.manifest[:12]}"
            )
        if self.missing or not self.results:
            some = count(len(self.missing), "cell") + " to come" if self.missing else "no results yet"
            lines.append(f"not complete: {some}; next: vlmunl run {self.study}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        names = ("study", "methods", "questions", "shown", "examples", "pictures", "results", "exit_code")
        return {
            "schema": SCHEMA,
            "file": str(self.file),
            "bytes": len(self.html.encode()),
            "written": self.changed,
            "run_manifest": self.manifest,
            **{name: getattr(self, name) for name in names},
            "missing": [{"cell": cell, "status": status, "reason": reason} for cell, status, reason in self.missing],
        }


def report(study: str, workspace: Workspace, store: Store, out: Path | None, examples: int, items: int) -> Report:
    """Write the report of a study; `out` is replaced whole or not at all. Default: STUDY-report.html.

    Raises:
        UsageError: `out` is not the name of an HTML file, or a directory.
        StudyError: there is no such study.
        MissingInput: no record of the store wrote the results.
        StoreDamaged: something behind them is missing or altered.
        VlmunlError: the file cannot be written.
    """
    from vlmunl.trail.origin import RESULTS, open_origin
    from vlmunl.trail.trace import published

    name, path, folder = published(study, workspace)
    file = _checked(out if out is not None else Path(f"{name}-report.html"))
    if (folder / RESULTS).is_file():
        made = of_results(open_origin(store, folder, name), file, examples, items)
    else:
        made = without_results(name, path, file, workspace, store)
    return _written(made)


def _checked(file: Path) -> Path:
    if file.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{file} is not the name of an HTML file", "name one: --out report.html")
    if file.is_dir():
        raise UsageError(f"{file} is a directory", "name a file: --out report.html")
    return file


def _written(made: Report) -> Report:
    from vlmunl.workspace import write_file

    try:
        changed = write_file(made.file, made.html.encode())
    except OSError as error:
        raise VlmunlError(f"{made.file} cannot be written: {error.strerror}") from error
    return replace(made, changed=changed)


def without_results(name: str, path: Path, file: Path, workspace: Workspace, store: Store) -> Report:
    """The page that says what is missing."""
    cells = missing.planned_cells(path, workspace, store)
    return Report(study=name, file=file, html=missing.page(name, cells), results=False, missing=tuple(cells or ()))


def of_results(origin: Origin, file: Path, examples: int, items: int) -> Report:
    """The report itself."""
    from vlmunl.report.answers import read_answers
    from vlmunl.report.asked import Asked
    from vlmunl.report.columns import parts
    from vlmunl.report.counting import counting
    from vlmunl.report.curves import curves
    from vlmunl.report.gallery import Gallery
    from vlmunl.report.origins import figures, records

    results = origin.parsed
    forms = {route.id: route.format for route in results.routes}
    answers = read_answers(origin, list(forms), items)
    asked = Asked(origin, dict.fromkeys(cell for cells in answers.cells.values() for cell in cells))
    kept = counting(origin, {i.identity for i in answers.items}, {i.attribute for i in answers.items})
    shown = _examples(origin, answers, kept, forms, examples)
    gallery = Gallery(asked)
    held = parts(answers, asked, kept, forms)
    places = {name: f"part-{i}" for i, name in enumerate(held)}
    library = plotly()
    data = {
        "study": results.study,
        "version": __version__,
        "level": results.level,
        "manifest": results.evidence,
        "thresholds": dict(results.thresholds),
        "gate": origin.made_by.params["gate"],
        "models": [_model(row, results) for row in results.rows],
        "routes": [_route(route) for route in results.routes],
        "records": records(origin),
        "curves": curves(origin),
        "examples": {one.method: gallery.shown(one) for one in shown},
        "pictures": gallery.pictures,
        "people": {name: who.name for name, who in asked.people.items()},
        "parts": places,
        "asked": answers.asked,
        "cells": {f"{model}/{seed}": list(names) for (model, seed), names in answers.cells.items()},
        "library": "library",
        **figures(origin),
    }
    lacking = missing.open_cells(origin.cells)
    html = document(
        f"{results.study}: {results.title}" if results.title else results.study,
        body(results, missing.notice(results.study, lacking, results=True) if lacking else ""),
        script=f"{asset('page.js')}\n{asset('charts.js')}",
        later=library,
        data=data,
        parts={places[name]: text for name, text in held.items()} | {"library": _deflated(library)},
    )
    return Report(
        study=results.study,
        file=file,
        html=html,
        manifest=results.evidence,
        methods=len(results.methods),
        questions=answers.asked,
        shown=len(answers.items),
        examples=sum(len(one.examples) for one in shown),
        pictures=len(gallery.pictures),
        missing=tuple(lacking),
    )


def plotly() -> str:
    """The charting library, from its installed package."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def _deflated(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _examples(origin: Origin, answers: Answers, kept: Counting, forms: dict[str, str], number: int) -> list[Shown]:
    """Of each method with evidence: on its worst route, or on the canonical one where it has none."""
    from vlmunl.report.examples import choose

    found: list[Shown] = []
    for row in origin.parsed.methods:
        route = row.wcr.worst_route if row.wcr is not None and row.wcr.worst_route else "canonical"
        if row.seeds and route in forms:
            found.append(choose(row.name, route, row.seeds, answers, kept, forms[route], number))
    return found


def _model(row: ModelRow, results: Results) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": row.label,
        "kind": row.kind,
        "group": row.group,
        "seeds": list(row.seeds),
        "look": headline.kind(row),
        "verdict": row_status(row, results) if row.is_pending else row.verdict,
        "said": headline.sentence(row, results) if row in results.methods else "",
        "worst": row.wcr.worst_route if row.wcr is not None else "",
    }


def _route(route: Route) -> dict[str, Any]:
    fields = ("id", "family", "format", "tier", "live", "held_out")
    return {name: getattr(route, name) for name in fields}
