"""Why two run manifests differ: cell by cell, from causes to what follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmunl.errors import MissingInput, StoreDamaged, UsageError, VlmunlError
from vlmunl.keys import digest_bytes
from vlmunl.stage import Change
from vlmunl.stage_explain import differences, document_of, flat_params, key_changes
from vlmunl.store import Record, RecordName, Store
from vlmunl.trail.changes import CellChange, Difference, Kind, numbers
from vlmunl.trail.document import Document

_SCHEMA = 1
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "cell": str,
    "stage": str,
    "status": str,
    "reason": (str, type(None)),
    "key": (str, type(None)),
    "record": (str, type(None)),
    "outputs": dict,
}
_LARGEST = 256 << 20


@dataclass(frozen=True)
class ManifestSide:
    """A run manifest, with the store that may hold its records and results."""

    label: str
    manifest: Mapping[str, Any]
    sha256: str
    store: Store

    @cached_property
    def cells(self) -> Mapping[str, Mapping[str, Any]]:
        """Cells by name."""
        return {cell["cell"]: cell for cell in self.manifest["cells"]}

    @cached_property
    def results(self) -> Document | None:
        """The verified results that were made from it, if the store has them and this version can read them."""
        from vlmunl.latex.read import parse_results

        for record in self.store.history("aggregate"):
            read, wrote = record.inputs.get("manifest"), record.outputs.get("verified_results")
            if record.outcome == "ok" and read is not None and read.sha256 == self.sha256 and wrote is not None:
                try:
                    raw = json.loads(self.store.read(wrote))
                    parse_results(raw)
                except VlmunlError:
                    return None
                return Document.of(raw)
        return None

    def record(self, cell: str) -> Record | None:
        """A cell's record, if the store has it."""
        name = RecordName.parse(str(self.cells[cell]["record"]))
        try:
            return None if name is None else self.store.load(name)
        except StoreDamaged:
            return None

    def settings(self) -> dict[str, str]:
        """What the manifest says of the study as a whole."""
        m = self.manifest
        seeds = [seed["seed"] for seed in m["seeds"]]
        return {
            "study": json.dumps(m["study"]),
            "study_sha256": str(m["study_sha256"])[:12],
            "overrides": json.dumps(m["overrides"], sort_keys=True),
            "catalogue": str(m["catalogue"]["hash"])[:12],
            "routes": json.dumps(m["catalogue"]["routes"]),
            "seeds": json.dumps(seeds),
            **(flat_params({"policy": self.results.tree["policy"]}) if self.results is not None else {}),
        }


def read_side(path: Path, store: Store, label: str) -> ManifestSide:
    """Read a run manifest from a file that anybody may have written.

    Raises:
        MissingInput: it cannot be read.
        UsageError: it is not a run manifest.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
        manifest = json.loads(data)
        _check(manifest)
    except OSError as error:
        raise MissingInput(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = " ".join(str(error).split())[:120]
        raise UsageError(f"{path} is not a run manifest: {why}", "write it anew with: vlmunl aggregate STUDY") from None
    return ManifestSide(label, manifest, digest_bytes(data).sha256, store)


def _check(manifest: Any) -> None:
    """Raise ValueError, KeyError or TypeError unless everything that is read here is there and of its type."""
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise ValueError(f"it is no JSON object of schema {_SCHEMA}")
    for name, kind in (("study", str), ("study_sha256", str), ("overrides", dict), ("seeds", list), ("cells", list)):
        if not isinstance(manifest[name], kind):
            raise TypeError(f"{name} is a {type(manifest[name]).__name__}")
    for cell in manifest["cells"]:
        for name, kinds in _FIELDS.items():
            if not isinstance(cell[name], kinds):
                raise TypeError(f"{name} of a cell is a {type(cell[name]).__name__}")
        if not all(isinstance(ref["sha256"], str) for ref in cell["outputs"].values()):
            raise TypeError("an output has no sha256")
    if not all(isinstance(seed["seed"], int) for seed in manifest["seeds"]):
        raise TypeError("a seed is no number")
    hash_, routes = manifest["catalogue"]["hash"], manifest["catalogue"]["routes"]
    if not isinstance(hash_, str) or not isinstance(routes, list):
        raise TypeError("the catalogue has no hash or no routes")


def diff_manifests(left: ManifestSide, right: ManifestSide) -> Difference:
    """Settings, cells and numbers that differ."""
    lost = [side.label for side in (left, right) if side.results is None]
    note = f"no results of {' and '.join(lost)} that can be read in {left.store.root}: numbers are not compared"
    before, after = left.settings(), right.settings()
    if lost:  # what only results tell is then not compared either
        before, after = ({n: v for n, v in part.items() if n in before and n in after} for part in (before, after))
    found = tuple(numbers(left.results, right.results)) if left.results and right.results else ()
    return Difference(
        kind="run manifests",
        left=left.label,
        right=right.label,
        settings=differences(before, after),
        cells=tuple(_cells(left, right)),
        numbers=found,
        notes=(note,) if lost else (),
    )


def _cells(left: ManifestSide, right: ManifestSide) -> Iterator[CellChange]:
    """Cells in the order of work, so that a cause stands before what follows from it."""
    moved: dict[str, str] = {}  # sha256 of an output that is not the same on both sides -> its cell
    for name in dict.fromkeys([*left.cells, *right.cells]):
        change = _cell(name, left, right, moved)
        if change is None:
            continue
        yield change
        for side in (left, right):
            for ref in side.cells.get(name, {}).get("outputs", {}).values():
                moved.setdefault(ref["sha256"], name)


def _cell(name: str, left: ManifestSide, right: ManifestSide, moved: Mapping[str, str]) -> CellChange | None:
    a, b = left.cells.get(name), right.cells.get(name)
    if a is None or b is None:
        there = a if a is not None else b
        assert there is not None, "a name of either side"
        return CellChange(cell=name, kind="only left" if b is None else "only right", note=str(there["status"]))
    keys = (a["key"], b["key"])
    same_bytes = _addresses(a) == _addresses(b)
    status = differences(_state(a), _state(b))
    if keys[0] == keys[1]:
        if not same_bytes and a["outputs"] and b["outputs"]:
            note = "one key has given different results"
            return CellChange(cell=name, kind="not deterministic", changes=status, note=note, keys=keys)
        return CellChange(cell=name, kind="status", changes=status, keys=keys) if status else None
    own, follows, note = _causes(name, left, right, moved)
    if same_bytes and a["outputs"]:
        note = f"{note}; its output is the same" if note else "its output is the same"
    kind: Kind = "follows" if follows and not own else "status" if status and not own else "changed"
    return CellChange(cell=name, kind=kind, changes=(*own, *status), follows=follows, note=note, keys=keys)


def _causes(
    name: str, left: ManifestSide, right: ManifestSide, moved: Mapping[str, str]
) -> tuple[tuple[Change, ...], tuple[str, ...], str]:
    """A cell's own changes, the cells it follows from, and what could not be told."""
    old, new = left.record(name), right.record(name)
    if old is None or new is None:
        ran = [side.cells[name]["record"] for side in (left, right)]
        return (), (), "its records are not in this store" if all(ran) else ""
    own: list[Change] = []
    follows: dict[str, None] = {}
    for change in key_changes(document_of(old), document_of(new)):
        source = change.field.removeprefix("inputs.")
        refs = [record.inputs.get(source) for record in (old, new)]
        makers = [moved[ref.sha256] for ref in refs if ref is not None and ref.sha256 in moved]
        if change.field.startswith("inputs.") and makers and None not in refs:
            follows[makers[0]] = None
        else:
            own.append(change)
    return tuple(own), tuple(follows), ""


def _addresses(cell: Mapping[str, Any]) -> dict[str, str]:
    return {name: ref["sha256"] for name, ref in cell["outputs"].items()}


def _state(cell: Mapping[str, Any]) -> dict[str, str]:
    reason = f" ({cell['reason']})" if cell["reason"] and cell["status"] != "verified" else ""
    return {"status": f"{cell['status']}{reason}"}
