"""`trace`: from a figure to everything it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmunl.errors import MissingInput, StudyError
from vlmunl.trail.beside import seeds_file
from vlmunl.trail.names import Target, index_of, resolve
from vlmunl.trail.origin import Origin
from vlmunl.trail.records import Held, Node, ancestry, held
from vlmunl.trail.rows import Asked, look, selection
from vlmunl.trail.sources import Sources, Uses
from vlmunl.trail.spellings import spellings

if TYPE_CHECKING:
    from vlmunl.workspace import Workspace

SCHEMA = 1
_POLICY = ("statistics", "gate", "tiers", "held_out")


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """The study file of the results: the hash then, and whether the file still is that one."""

    path: Path
    sha256: str
    overrides: Mapping[str, Any]
    now: str

    @property
    def state(self) -> str:
        """`unchanged`, `changed since` or `not there`."""
        return "not there" if not self.now else "unchanged" if self.now == self.sha256 else "changed since"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"path": str(self.path), "sha256": self.sha256, "state": self.state, "overrides": dict(self.overrides)}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A figure and what stands behind it. `uses` are the cells that feed it, `nodes` they and all above them."""

    study: str
    origin: Origin
    target: Target
    file: StudyFile
    results_path: Path
    evidence: tuple[Held, ...]
    uses: Uses
    nodes: Mapping[str, Node]
    left_out: Mapping[str, str]
    asked: tuple[Asked, ...]
    claimed: Mapping[str, Any]

    @property
    def problems(self) -> list[str]:
        """What is damaged or missing in the store, one line each."""
        lost = [
            f"{part.name} {part.ref.xxh3} is missing or damaged in the store" for part in self.evidence if part.missing
        ]
        lost += [f"{node.cell}: {node.problem}" for node in self.nodes.values() if node.problem]
        return lost + [f"{part.cell}: {part.problem}" for part in self.asked if part.problem]

    @property
    def seeds(self) -> list[int]:
        """The seeds of the cells that feed it."""
        found = [node.record.env.get("seed") for cell in self.uses if (node := self.nodes[cell]).record is not None]
        return sorted({seed for seed in found if isinstance(seed, int)})

    def policy(self) -> dict[str, Any]:
        """The thresholds and the resampling by which the figure was computed."""
        params = self.origin.made_by.params
        return {name: params[name] for name in _POLICY if name in params}

    def code(self) -> list[dict[str, Any]]:
        """Each version of the code that took part, and the cells it made."""
        made: dict[tuple[tuple[str, str], ...], list[str]] = {}
        last = Node(cell="aggregate", status="verified", record=self.origin.made_by)
        for node in (*self.nodes.values(), last):
            if code := node.code():
                made.setdefault(tuple(code.items()), []).append(node.cell)
        return [{**dict(code), "cells": cells} for code, cells in made.items()]

    def to_json(self) -> dict[str, Any]:
        """The whole trace as one JSON document."""
        t, made_by = self.target, self.origin.made_by
        return {
            "schema": SCHEMA,
            "study": self.study,
            "asked": t.asked,
            "name": t.name,
            "path": list(t.path),
            "value": t.value,
            "interval": None if t.low is None or t.high is None else [t.low, t.high],
            "names": list(t.also),
            "study_file": self.file.to_json(),
            "results": str(self.results_path),
            "evidence": {part.name: part.to_json() for part in self.evidence},
            "aggregate": {"record": made_by.name.file, "stage_version": made_by.stage_version, **self.policy()},
            "sources": [{"cell": cell, "part": part} for cell, part in self.uses.items()],
            "left_out": dict(self.left_out),
            "claim": dict(self.claimed),
            "seeds": self.seeds,
            "code": self.code(),
            "records": [node.to_json() for node in self.nodes.values()],
            "rows": [part.to_json() for part in self.asked],
            "problems": self.problems,
        }


def trace(
    origin: Origin, asked: str, *, study: str, study_path: Path, results_path: Path, rows: int, depth: int | None
) -> Trace:
    """Everything behind the figure that `asked` names; `rows` examples of its questions, `depth` steps of records.

    Raises:
        UsageError: no figure has that name.
        MissingInput: it is one of the table of every seed, and the store has no such table.
        StoreDamaged: the summary is named and its object is damaged.
    """
    document = origin.document
    if asked.strip().startswith(("seeds/", "by_seed.")) and "by_seed" not in document.tree:
        raise MissingInput(
            f"the table of every seed of {study} is not in the store, or damaged there",
            f"make it anew with: vlmunl tables {study}",
        )
    summary = origin.summary() if asked.strip().startswith("summary") else ""
    target = resolve(asked, document, index_of(spellings(document, origin.parsed)), summary)
    sources = Sources(document, origin.cells)
    uses = sources.of(target.path)
    read = [cell for cell, part in uses.items() if part != "status"]
    looked = [pick for pick in selection(target.path, document) if pick[0] in read]
    refs = {"run_manifest": origin.manifest_ref, "verified_results": origin.results}
    if target.path[0] == "by_seed" and origin.tables and (ref := seeds_file(origin.store, origin.tables)):
        refs["seeds.csv"] = ref
    return Trace(
        study=study,
        origin=origin,
        target=target,
        file=_study_file(origin, study_path),
        results_path=results_path,
        evidence=tuple(held(origin, name, ref) for name, ref in refs.items()),
        uses=uses,
        nodes=ancestry(origin, uses, depth if read else 0),
        left_out=_left_out(origin, sources, target),
        asked=tuple(look(origin, cell, where, rows) for cell, where in looked),
        claimed=_claimed(origin, sources, target),
    )


def _study_file(origin: Origin, path: Path) -> StudyFile:
    manifest = origin.manifest
    now = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return StudyFile(path=path, sha256=manifest["study_sha256"], overrides=manifest["overrides"], now=now)


def _left_out(origin: Origin, sources: Sources, target: Target) -> dict[str, str]:
    """The cells of the figure's row that do not count, and why."""
    if target.path[0] != "rows" or len(target.path) < 2:
        return {}
    cells = sources.in_the_way(target.path[1])
    return {c: f"{origin.cells[c]['status']}: {origin.cells[c]['reason']}".rstrip(": ") for c in cells}


def _claimed(origin: Origin, sources: Sources, target: Target) -> dict[str, Any]:
    """Text, condition and figures of a claim."""
    if target.path[0] != "claims" or len(target.path) < 2:
        return {}
    claim = origin.document.tree["claims"][target.path[1]]
    figures = {".".join(p[1:]): origin.document.node(p) for p in sources.claimed(target.path[1])}
    return {**{name: claim[name] for name in ("name", "text", "when", "supported", "reason")}, "figures": figures}


def published(study: str, workspace: Workspace) -> tuple[str, Path, Path]:
    """(study's name, its file, the folder of its results). A file that is gone or broken does not hide its results.

    Raises:
        StudyError: there is neither a study nor results of that name; the hint gives the nearest.
    """
    from vlmunl.manifests.load import load_study
    from vlmunl.workspace import is_path, study_path

    path = Path(study) if is_path(study) else workspace.manifests / f"{study}.toml"
    try:
        name = load_study(study_path(study, workspace)).name
    except StudyError:
        name = path.stem
        if not workspace.results(name).is_dir():
            raise
    return name, path, workspace.results(name)
