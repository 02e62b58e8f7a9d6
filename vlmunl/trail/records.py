"""The records behind a figure: what each cell read and wrote, followed up to the data and the base model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmunl.errors import MissingInput, StoreDamaged
from vlmunl.store import Record, Ref
from vlmunl.trail.origin import Origin


@dataclass(frozen=True, kw_only=True)
class Held:
    """An object: its address, and where its files lie; `missing` counts those that are not there in full."""

    name: str
    ref: Ref
    files: tuple[tuple[str, Path, int], ...]
    missing: int = 0

    @property
    def bytes(self) -> int:
        """Size of all files, in bytes."""
        return sum(size for _, _, size in self.files)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        files = [{"name": name, "path": str(path), "size": size} for name, path, size in self.files]
        return {**self.ref.to_json(), "bytes": self.bytes, "files": files, "missing": self.missing}


@dataclass(frozen=True, kw_only=True)
class Read:
    """One input: its address, and the cell that wrote it or the place outside the store where it lay."""

    name: str
    ref: Ref
    cell: str | None = None
    external: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**self.ref.to_json(), "cell": self.cell, "external": self.external}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One cell of the run manifest with its record; `problem` says what is damaged or missing."""

    cell: str
    status: str
    reason: str = ""
    record: Record | None = None
    path: Path | None = None
    inputs: tuple[Read, ...] = ()
    outputs: tuple[Held, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the parameters and the environment as the record has them."""
        plain: dict[str, Any] = {"cell": self.cell, "status": self.status, "reason": self.reason}
        plain |= {"problem": self.problem, "path": str(self.path) if self.path else None}
        if (record := self.record) is not None:
            plain |= {"record": record.name.file, "key": record.key, "stage": record.stage}
            plain |= {"stage_version": record.stage_version, "params": dict(record.params), "env": dict(record.env)}
        plain["inputs"] = {read.name: read.to_json() for read in self.inputs}
        plain["outputs"] = {held.name: held.to_json() for held in self.outputs}
        return plain

    def code(self) -> dict[str, str]:
        """Version, commit and digest of the code that made it."""
        if self.record is None:
            return {}
        env, versions = self.record.env, self.record.env.get("versions") or {}
        found = {"vlmunl": versions.get("vlmunl"), "git": env.get("git"), "code": env.get("code")}
        return {name: str(value) for name, value in found.items() if value}


def ancestry(origin: Origin, cells: Iterable[str], depth: int | None) -> dict[str, Node]:
    """These cells and all that they were made from, at most `depth` steps up; in the order of work."""
    found: dict[str, Node] = {}
    level = list(dict.fromkeys(cells))
    while level:
        found |= {cell: node(origin, cell) for cell in level}
        if depth is not None:
            depth -= 1
            if depth < 0:
                break
        above = [read.cell for cell in level for read in found[cell].inputs if read.cell is not None]
        level = [cell for cell in dict.fromkeys(above) if cell not in found]
    return {cell: found[cell] for cell in origin.cells if cell in found}


def node(origin: Origin, cell: str) -> Node:
    """One cell, its record and objects; what is damaged is told and not raised."""
    entry = origin.cells[cell]
    status, reason = str(entry["status"]), str(entry["reason"] or "")
    try:
        record = origin.record(cell)
    except MissingInput:
        return Node(cell=cell, status=status, reason=reason)
    except StoreDamaged as error:
        return Node(cell=cell, status=status, reason=reason, problem=error.message)
    outputs = tuple(held(origin, name, ref) for name, ref in sorted(record.outputs.items()))
    lost = [output.name for output in outputs if output.missing]
    return Node(
        cell=cell,
        status=status,
        reason=reason,
        record=record,
        path=origin.store.root / "records" / record.key[:2] / record.name.file,
        inputs=tuple(_reads(origin, cell, record)),
        outputs=outputs,
        problem=f"{', '.join(lost)} missing or damaged in the store" if lost else "",
    )


def _reads(origin: Origin, cell: str, record: Record) -> Iterator[Read]:
    told = record.env.get("external")
    outside: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    for name, ref in sorted(record.inputs.items()):
        maker = None if name in outside else origin.maker(ref, cell)
        yield Read(name=name, ref=ref, cell=maker, external=outside.get(name))


def held(origin: Origin, name: str, ref: Ref) -> Held:
    """An object of the store, file by file. Sizes are checked, contents are not: that is `store verify`."""
    store = origin.store
    try:
        parts = [("", ref)] if ref.kind == "blob" else [(entry.path, entry.ref) for entry in store.tree(ref)]
    except StoreDamaged:
        return Held(name=name, ref=ref, files=(), missing=1)
    files, missing = [], 0
    for path, part in parts:
        try:
            files.append((path, store.path(part), part.size))
        except StoreDamaged:
            missing += 1
    return Held(name=name, ref=ref, files=tuple(files), missing=missing)
