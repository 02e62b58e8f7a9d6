"""The other way round: which published numbers rest on an object or a record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vlmunl.errors import VlmunlError
from vlmunl.keys import digest_file
from vlmunl.manifests.read_manifest import RunManifest
from vlmunl.manifests.roots import published_files
from vlmunl.trail.document import Document
from vlmunl.trail.document import Path as Place
from vlmunl.trail.origin import RESULTS
from vlmunl.trail.sources import Part, Sources
from vlmunl.workspace import Workspace

_OF_ROWS: frozenset[Part] = frozenset({"rows", "verdict"})
_OF_RECORD: frozenset[Part] = frozenset({"rows", "verdict", "verified", "steps"})


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Published numbers of one study that rest on something.

    Attributes:
        rows: method or role -> the seeds at which it does.
        claims: names of the claims concerned.
        figures: how many values of `verified_results.json` (of `of` in all).
        macros: the names in `numbers.tex`.
        files: published files that are copies of it, or follow from it.
    """

    study: str
    rows: Mapping[str, tuple[int, ...]]
    claims: tuple[str, ...]
    figures: int
    of: int
    macros: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """What a workspace publishes of one study."""

    workspace: Workspace
    manifest: RunManifest

    def resting_on(self, *, objects: Collection[str] = (), records: Collection[str] = ()) -> Numbers | None:
        """The numbers that rest on these objects (addresses) or records (files); None if there are none."""
        touched = self._cells(set(objects), set(records))
        files = tuple(file for file, xxh3 in self._files.items() if xxh3 in objects)
        places = [place for place, uses in self._uses.items() if _rests(uses, touched)]
        if not places and not files:
            return None
        rows: dict[str, set[int]] = {}
        for place in places:
            if place[0] == "rows" and place[2:3] != ("versus",):  # differences touch every line
                rows.setdefault(place[1], set()).update(self._seeds(place[1], self._uses[place], touched))
        return Numbers(
            study=self.manifest.study,
            rows={row: tuple(sorted(seeds)) for row, seeds in rows.items()},
            claims=tuple(dict.fromkeys(place[1] for place in places if place[0] == "claims")),
            figures=len(places),
            of=len(self._uses),
            macros=tuple(sorted(name for place in places for name in self._macros.get(place, ()))),
            files=files,
        )

    def _cells(self, objects: set[str], records: set[str]) -> dict[str, frozenset[Part]]:
        """Cell -> the parts that it can no longer play: its rows, or all that its record says."""
        touched: dict[str, frozenset[Part]] = {}
        for cell, node in self.manifest.nodes.items():
            if node.file in records:
                touched[cell] = _OF_RECORD
            elif "rows" in node.outputs and node.outputs["rows"].xxh3 in objects:
                touched[cell] = _OF_ROWS
        return touched

    def _seeds(self, row: str, uses: Mapping[str, Part], touched: Mapping[str, frozenset[Part]]) -> Iterator[int]:
        hit = {cell for cell, part in uses.items() if part in touched.get(cell, ())}
        for seed in self._document.rows[row]["seeds"]:
            if any(cell == "eval/base" or f"seed{seed}" in cell.split("/") for cell in hit):
                yield int(seed)

    @cached_property
    def _files(self) -> dict[str, str]:
        """Published file -> its address."""
        paths = published_files(self.workspace, self.manifest.study)
        return {str(path.relative_to(self.workspace.root)): digest_file(path).xxh3 for path in paths}

    @cached_property
    def _raw(self) -> Mapping[str, Any] | None:
        from vlmunl.latex.read import read_results

        path = self.manifest.path.parent / RESULTS
        try:
            read_results(path)  # refuses what the tables would refuse
            raw: Mapping[str, Any] = json.loads(path.read_bytes())
        except (OSError, VlmunlError):
            return None
        return raw

    @cached_property
    def _document(self) -> Document:
        return Document.of(self._raw or {})

    @cached_property
    def _uses(self) -> dict[Place, Mapping[str, Part]]:
        """Place of each published value -> the cells that it takes."""
        if self._raw is None:
            return {}
        sources = Sources(self._document, self.manifest.cells)
        return {place: sources.of(place) for place, value in self._document.leaves() if value is not None}

    @cached_property
    def _macros(self) -> dict[Place, list[str]]:
        from vlmunl.latex.macros import figures, macro_names
        from vlmunl.latex.read import parse_results
        from vlmunl.trail.spellings import of_macro

        found: dict[Place, list[str]] = {}
        for figure, _ in figures(parse_results(self._raw)):
            found.setdefault(of_macro(figure, self._document), []).append(f"\\vlmunl{{{macro_names(figure)[-1]}}}")
        return found


def _rests(uses: Mapping[str, Part], touched: Mapping[str, frozenset[Part]]) -> bool:
    return any(uses[cell] in parts for cell, parts in touched.items() if cell in uses)
