"""Why two study files lead to different work. Needs no store, no results and no model on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlmunl.benchmarks.known import KINDS
from vlmunl.keys import digest_bytes, jsonable, key_params
from vlmunl.manifests.checkpoints import imported
from vlmunl.manifests.external import Outside
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import Cell, CellOutput, Plan, plan
from vlmunl.manifests.study import Study
from vlmunl.stage import External
from vlmunl.stage_explain import differences, flat_params
from vlmunl.store import Ref
from vlmunl.trail.changes import CellChange, Difference

_NOT_SETTINGS = ("path", "sha256", "overrides")


def diff_studies(left: Path, right: Path, labels: tuple[str, str]) -> Difference:
    """Settings that differ, and the cells that they change.

    Raises:
        StudyError: one of the files is not a valid study.
    """
    plans = [_plan(load_study(path)) for path in (left, right)]
    tables = [_settings(planned.study) for planned in plans]
    for section, say in (("methods", "method"), ("claims", "when")):
        _fold(say, *(table[section] for table in tables))
    settings = differences(*(flat_params(table) for table in tables))
    cells = tuple(_cells(*plans))
    return Difference(kind="studies", left=labels[0], right=labels[1], settings=settings, cells=cells)


@dataclass(frozen=True, kw_only=True)
class _Unread(Outside):
    """What a study takes from outside, only named."""

    def counted(self, study: Study) -> Study:
        """The study itself where the files would have to be read to count its identities."""
        kind = KINDS.get(study.benchmark.id)
        return study if kind is not None and kind.counts else super().counted(study)


def _plan(study: Study) -> Plan:
    """The plan on a base model, checkpoints and data that are only named: their bytes do not matter here."""
    b = study.benchmark
    source = None if b.id == "fictitious" else _named(f"{b.id} {b.path} {b.revision or ''}")
    checkpoints = {name: _named(text) for name, text in imported(study).items()}
    base = _named(f"{study.model.id} {study.model.revision or ''}".strip())
    return plan(study, base, outside=_Unread(source=source, checkpoints=checkpoints))


def _named(text: str) -> External:
    return External(ref=Ref.of(digest_bytes(text.encode()), "tree"), path=Path(text))


def _settings(study: Study) -> dict[str, Any]:
    """Every setting with its default filled in; methods under their names."""
    parts: dict[str, Any] = {name: part for name, part in vars(study).items() if name not in _NOT_SETTINGS}
    plain = {name: _plain(part) for name, part in parts.items() if name != "methods"}
    plain["methods"] = {method.name: _plain(method) for method in study.methods}
    return plain


def _fold(say: str, left: dict[str, Any], right: dict[str, Any]) -> None:
    """A method or a claim that one side does not have is one difference, and not one for each of its settings."""
    for mine, other in ((left, right), (right, left)):
        for name in mine.keys() - other.keys():
            mine[name] = mine[name][say]


def _plain(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {name: _plain(inner) for name, inner in part.items()}
    return None if part is None else jsonable(asdict(part))  # a section that is not there


def _cells(left: Plan, right: Plan) -> Iterator[CellChange]:
    moved: dict[str, None] = {}
    for name in dict.fromkeys([*left.by_name, *right.by_name]):
        a, b = left.by_name.get(name), right.by_name.get(name)
        if a is None or b is None:
            moved[name] = None
            yield CellChange(cell=name, kind="only left" if b is None else "only right")
            continue
        own = differences(_flat(a), _flat(b))
        above = moved if b.collects else [i.cell for i in b.inputs.values() if isinstance(i, CellOutput)]
        follows = tuple(cell for cell in dict.fromkeys(above) if cell in moved)
        if own or follows:
            moved[name] = None
            yield CellChange(cell=name, kind="changed" if own else "follows", changes=own, follows=follows)


def _flat(cell: Cell) -> dict[str, str]:
    """What makes the cell's key, with the names of cells in place of the bytes that they will write."""
    flat = {"stage_version": str(cell.stage.version), **flat_params(key_params(cell.config))}
    for name, source in cell.inputs.items():
        flat[f"inputs.{name}"] = source.cell if isinstance(source, CellOutput) else json.dumps(str(source.path))
    return flat
