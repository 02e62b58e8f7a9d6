"""What the two arguments of `diff` are: run manifests, study files or records."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from vlmunl.errors import UsageError
from vlmunl.store import Record, Store
from vlmunl.trail.changes import Difference
from vlmunl.trail.diff_manifests import diff_manifests, read_side
from vlmunl.trail.diff_records import diff_records
from vlmunl.trail.diff_studies import diff_studies
from vlmunl.trail.origin import MANIFEST
from vlmunl.workspace import Workspace

Places = dict[str, Path | str]
Find = Callable[[Store, str], list[Record]]

_KINDS = ("run manifest", "study", "record")
_HINT = "A and B are two studies, two run manifests, two study files (.toml), or two records (run keys or cells)"


def diff(left: str, right: str, workspace: Workspace, store: Store, find: Find) -> Difference:
    """Compare the two as what both can be; a study's name stands for its run manifest if both sides have one.

    `find` gives the records that a text names, newest first.

    Raises:
        UsageError: one is nothing known, or they are of different kinds.
        StudyError, MissingInput: one cannot be read.
    """
    a, b = _places(left, workspace), _places(right, workspace)
    kind = next((kind for kind in _KINDS if kind in a and kind in b), None)
    if kind is None:
        raise UsageError(f"{left} is a {' or '.join(a)}, {right} a {' or '.join(b)}: they cannot be compared", _HINT)
    if kind == "record":
        return diff_records(find(store, left)[0], find(store, right)[0], store)
    paths = [Path(places[kind]) for places in (a, b)]
    if kind == "study":
        return diff_studies(paths[0], paths[1], (left, right))
    sides = [read_side(path, store, label) for path, label in zip(paths, (left, right), strict=True)]
    return diff_manifests(sides[0], sides[1])


def _places(text: str, workspace: Workspace) -> Places:
    """Kind -> where it lies, for all that `text` can mean."""
    path = Path(text)
    if path.suffix == ".toml":
        return {"study": path}
    if path.is_file() or path.suffix == ".json":
        return {"run manifest": path}
    if (path / MANIFEST).is_file():
        return {"run manifest": path / MANIFEST}
    found: Places = {}
    if (manifest := workspace.results(text) / MANIFEST).is_file():
        found["run manifest"] = manifest
    if (study := workspace.manifests / f"{text}.toml").is_file():
        found["study"] = study
    if "/" in text or text == "data" or (len(text) >= 4 and not set(text.partition(".")[0]) - set("0123456789abcdef")):
        found["record"] = text
    if not found:
        raise _nothing(text, workspace)
    return found


def _nothing(text: str, workspace: Workspace) -> UsageError:
    names = sorted({p.stem for p in workspace.manifests.glob("*.toml")})
    near = get_close_matches(text, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"{_HINT}; studies: {', '.join(names) or 'none'}"
    return UsageError(f"{text!r} is no study, run manifest, study file or record", hint)
