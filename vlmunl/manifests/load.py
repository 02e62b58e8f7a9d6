"""From a TOML file to a checked `Study`, or a one-line `StudyError` that names file, key and remedy."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmunl.errors import StudyError, UsageError
from vlmunl.manifests.attacker import read_attacker
from vlmunl.manifests.checks import check, check_given
from vlmunl.manifests.claims import read_claims
from vlmunl.manifests.known import Known, known
from vlmunl.manifests.meta import read_meta
from vlmunl.manifests.methods import read_methods
from vlmunl.manifests.schema import Problem, found, hints, join, read, read_given, unknown
from vlmunl.manifests.sections import (
    BenchmarkSection,
    CheckpointsSection,
    DistributedSection,
    Head,
    ModelSection,
    SyncSection,
    TablesSection,
)
from vlmunl.manifests.sections_measuring import (
    EvalSection,
    EvidenceSection,
    GateSection,
    RoutesSection,
    StatisticsSection,
)
from vlmunl.manifests.sections_training import ImprintSection, Override, Recipe, UnlearnSection
from vlmunl.manifests.slurm import SlurmSection
from vlmunl.manifests.study import Study
from vlmunl.manifests.tuning import read_tuning
from vlmunl.manifests.values import MicroBatch

LARGEST = 4 * 2**20
_SECTIONS: dict[str, type] = {
    "study": Head,
    "model": ModelSection,
    "benchmark": BenchmarkSection,
    "checkpoints": CheckpointsSection,
    "gate": GateSection,
    "unlearn": UnlearnSection,
    "routes": RoutesSection,
    "eval": EvalSection,
    "distributed": DistributedSection,
    "statistics": StatisticsSection,
    "evidence": EvidenceSection,
    "tables": TablesSection,
    "sync": SyncSection,
    "slurm": SlurmSection,
}
SECTIONS = (*_SECTIONS, "imprint", "methods", "tuning", "attacker", "meta", "claims")


def load_study(path: Path, sets: Sequence[str] = (), names: Known | None = None) -> Study:
    """Read, override (`--set key=value`) and check a study file.

    Raises:
        StudyError: the file cannot be read or is not a valid study.
        UsageError: an override is not of the form key=value.
    """
    data = _bytes(path)
    try:
        tables = _parse(data)
        overrides = {key: _set(tables, key, value) for key, value in map(parse_set, sets)}
        return build(tables, path, hashlib.sha256(data).hexdigest(), overrides, names or known())
    except Problem as problem:
        raise StudyError(f"{path}: {problem}{_blame(problem.path, sets)}") from None


def _blame(path: str, sets: Sequence[str]) -> str:
    """Say so when it is not the file that is wrong but a --set option."""
    keys = [text.partition("=")[0].strip() for text in sets]
    guilty = [key for key in keys if path == key or path.startswith((f"{key}.", f"{key}["))]
    return f" (from --set {guilty[0]})" if guilty else ""


def build(tables: Mapping[str, Any], path: Path, sha256: str, overrides: Mapping[str, object], names: Known) -> Study:
    """The checked study of some TOML tables. Raises `Problem`."""
    for section in tables:
        if section not in SECTIONS:
            raise Problem(join("", section), unknown("section", section, SECTIONS))
    for section in ("study", "model", "methods"):
        if section not in tables:
            raise Problem(section, "this section is missing; a study needs [study], [model] and a [methods.NAME]")
    check_given(tables.get("benchmark"))
    parts: dict[str, Any] = {name: read(cls, tables.get(name, {}), name) for name, cls in _SECTIONS.items()}
    imprint = _imprint(tables.get("imprint", {}))
    methods = read_methods(tables["methods"], names.methods, imprint, parts["model"].precision)
    study = Study(
        path=path,
        sha256=sha256,
        overrides=overrides,
        imprint=imprint,
        methods=methods,
        tuning=read_tuning(tables.get("tuning"), methods),
        attacker=read_attacker(tables.get("attacker")),
        meta=read_meta(tables.get("meta")),
        claims=read_claims(tables.get("claims", {})),
        **parts,
    )
    check(study, names)
    return study


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror or error}", "a study is a TOML file") from None
    except ValueError as error:  # a NUL in the name
        raise StudyError(f"{str(path)!r}: not a file name: {error}") from None
    if len(data) > LARGEST:
        raise StudyError(f"{path}: larger than {LARGEST >> 20} MiB; that is not a study file")
    return data


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problem("", f"line {line} is not UTF-8 text; save the file as UTF-8") from None
    except RecursionError:
        raise Problem("", "nested too deeply to be a study") from None
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise Problem("", f"not valid TOML: {str(error)[:200]}") from None


def _imprint(table: object) -> ImprintSection:
    """`[imprint]` has the recipe's keys beside a list of overrides."""
    own = {"override": Any, "micro_batch": MicroBatch}
    given = read_given({**hints(Recipe), **own}, _without(table, "override"), "imprint")
    micro_batch = given.pop("micro_batch", ImprintSection.micro_batch)
    listed = table.get("override", []) if isinstance(table, dict) else []
    path = "imprint.override"
    if not isinstance(listed, list):
        raise Problem(path, f"expected [[imprint.override]] tables, found {found(listed)}")
    overrides = tuple(_override(entry, join(path, i)) for i, entry in enumerate(listed))
    return ImprintSection(recipe=Recipe(**given), override=overrides, micro_batch=micro_batch)


def _without(table: object, key: str) -> object:
    return {k: v for k, v in table.items() if k != key} if isinstance(table, dict) else table


def _override(entry: object, path: str) -> Override:
    own = {k: v for k, v in hints(Override).items() if k != "changes"}
    given = read_given({**own, **hints(Recipe)}, entry, path)
    if "seed" not in given:
        raise Problem(join(path, "seed"), "is required and is missing")
    changes = {key: given.pop(key) for key in list(given) if key not in own}
    if not changes:
        raise Problem(path, f"changes nothing; give it a setting, one of: {', '.join(hints(Recipe))}")
    return Override(**given, changes=changes)


# ------------------------------------------------------------------------------------------- --set


def parse_set(text: str) -> tuple[str, object]:
    """`methods.npo.lr=3e-4` -> ("methods.npo.lr", 0.0003). The value is TOML; a bare word counts as text."""
    key, sign, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not sign or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", key):
        raise UsageError(
            f"--set {text!r} is not of the form section.key=value", "for example: --set methods.npo.lr=3e-4"
        )
    try:
        return key, tomllib.loads(f"value = {raw}\n")["value"] if "\n" not in raw else raw
    except (ValueError, RecursionError):
        return key, raw


def _set(tables: dict[str, Any], key: str, value: object) -> object:
    """Put `value` at a dotted path, making the tables on the way; returns the value."""
    *parents, last = key.split(".")
    table: Any = tables
    for depth, name in enumerate(parents):
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            at = ".".join(parents[: depth + 1])
            raise Problem(at, f"--set cannot reach into {found(table)}; set {at} as a whole, or edit the file")
    table[last] = value
    return value
