"""A study's published results with the record, the run manifest and the cells that they were made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmunl.errors import MissingInput, StoreDamaged
from vlmunl.keys import digest_bytes
from vlmunl.store import Record, RecordName, Ref, Store
from vlmunl.trail.beside import beside, tables_record
from vlmunl.trail.document import Document

if TYPE_CHECKING:
    from vlmunl.latex.results import Results

RESULTS, MANIFEST = "verified_results.json", "run_manifest.json"


@dataclass(frozen=True)
class Origin:
    """Results, and everything in one store that stands behind them. `made_by` is the record of `aggregate`, `tables`
    that of the tables, which hold what the results do not: every seed by itself."""

    store: Store
    made_by: Record
    results: Ref
    document: Document
    parsed: Results
    manifest: Mapping[str, Any]
    tables: Record | None = None

    @property
    def manifest_ref(self) -> Ref:
        """The address of the run manifest that the results were made from."""
        return self.made_by.inputs["manifest"]

    @cached_property
    def cells(self) -> Mapping[str, Mapping[str, Any]]:
        """The cells of the run manifest by name, in the order of work."""
        order = {stage: i for i, stage in enumerate(("data", "imprint", "gate", "probe", "unlearn", "eval", "attack"))}
        listed = sorted(self.manifest["cells"], key=lambda cell: order.get(cell["stage"], len(order)))
        return {str(cell["cell"]): cell for cell in listed}

    @cached_property
    def makers(self) -> Mapping[str, tuple[str, ...]]:
        """sha256 of an object -> the cells of the run manifest that wrote it."""
        found: dict[str, tuple[str, ...]] = {}
        for name, cell in self.cells.items():
            for ref in cell["outputs"].values():
                found[ref["sha256"]] = (*found.get(ref["sha256"], ()), name)
        return found

    def record(self, cell: str) -> Record:
        """The record that the run manifest names for a cell.

        Raises:
            MissingInput: it names none.
            StoreDamaged: the record is missing, torn or altered.
        """
        name = RecordName.parse(str(self.cells[cell]["record"]))
        if name is None:
            raise MissingInput(f"{cell} has no record: it is {self.cells[cell]['status']}")
        return self.store.load(name)

    def maker(self, ref: Ref, reader: str) -> str | None:
        """The cell that wrote an input of `reader`; of several that wrote equal bytes the one most like it by name."""
        parts = set(reader.split("/"))
        makers = self.makers.get(ref.sha256, ())
        return max(makers, key=lambda name: len(parts & set(name.split("/"))), default=None)

    def summary(self) -> str:
        """The text of `summary.md`."""
        return self.store.read(self.made_by.outputs["summary"]).decode()


def open_origin(store: Store, folder: Path, study: str) -> Origin:
    """The results in `folder`, and what they come from.

    Raises:
        MissingInput: there are none, or no record of this store wrote them.
        StoreDamaged: their run manifest is missing or altered in the store.
        VlmunlError: they cannot be read.
    """
    from vlmunl.latex.read import read_results

    path = folder / RESULTS
    if not path.is_file():
        raise MissingInput(f"{study} has no results yet: there is no {path}", f"first: vlmunl run {study}")
    parsed = read_results(path)
    data = path.read_bytes()
    ref = Ref.of(digest_bytes(data))
    made_by = _made_by(store, ref)
    if made_by is None:
        raise MissingInput(
            f"no record in {store.root} wrote {path}: it was edited, or made with another store",
            f"write it anew with: vlmunl aggregate {study}",
        )
    document, tables = Document.of(json.loads(data)), tables_record(store, ref)
    whole = Document(dict(document.tree) | beside(store, tables, document.rows))
    return Origin(store, made_by, ref, whole, parsed, read_manifest(store, made_by, parsed), tables)


def _made_by(store: Store, results: Ref) -> Record | None:
    """The record of `aggregate` with these results; of several the first by name."""
    for record in store.history("aggregate"):
        output = record.outputs.get("verified_results")
        if record.outcome == "ok" and output is not None and output.sha256 == results.sha256:
            return record
    return None


def read_manifest(store: Store, made_by: Record, parsed: Results) -> Mapping[str, Any]:
    """The run manifest that a record of `aggregate` read.

    Raises:
        StoreDamaged: it is missing or altered, or not the one that the results name.
    """
    ref = made_by.inputs["manifest"]
    if ref.sha256 != parsed.evidence:
        raise StoreDamaged(f"the results name run manifest {parsed.evidence[:12]}, their record read {ref.sha256[:12]}")
    manifest: Mapping[str, Any] = json.loads(store.read(ref))
    return manifest
