"""Run manifests as they lie in a workspace, read as untrusted JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmunl.errors import StudyError
from vlmunl.manifests.run_manifest import SCHEMA
from vlmunl.store import RecordName, Ref
from vlmunl.store.graph import Node
from vlmunl.workspace import Workspace

FILE = "run_manifest.json"


@dataclass(frozen=True, kw_only=True)
class RunManifest:
    """A study's run manifest. `nodes` are the records that it names, by cell; `cells` its lines as they stand."""

    study: str
    path: Path
    sha256: str
    cells: Mapping[str, Mapping[str, Any]]
    nodes: Mapping[str, Node]


def manifests_of(workspace: Workspace) -> Iterator[Path]:
    """The run manifests below `manifests/`, by study."""
    return iter(sorted(workspace.manifests.glob(f"*/{FILE}")))


def read_manifest(path: Path) -> RunManifest:
    """Read one; `study` is the name of its folder.

    Raises:
        StudyError: it cannot be read or is not a run manifest; the message names the file.
    """
    hint = f"write it anew: vlmunl aggregate {path.parent.name}; or move the folder {path.parent} away"
    try:
        data = path.read_bytes()
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {str(document['schema'])[:20]} is not known")
        cells = {_text(cell["cell"]): dict(cell) for cell in document["cells"]}
        nodes = {name: _node(name, cell) for name, cell in cells.items() if cell["record"] is not None}
    except OSError as error:
        raise StudyError(f"the run manifest {path} cannot be read: {error.strerror}", hint) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(f"{path} is not a run manifest: {error!s:.120}", hint) from None
    sha256 = hashlib.sha256(data).hexdigest()
    return RunManifest(study=path.parent.name, path=path, sha256=sha256, cells=cells, nodes=nodes)


def _node(name: str, cell: Mapping[str, Any]) -> Node:
    file = _text(cell["record"])
    if RecordName.parse(file) is None:
        raise ValueError(f"{file[:80]!r} is not the name of a record")
    return Node(file=file, cell=name, outputs={key: Ref.from_json(ref) for key, ref in cell["outputs"].items()})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not text")
    return value
