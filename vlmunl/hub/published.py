"""What of a study is published: exactly the files that its evidence names, under readable names, and nothing else.

Every file is named by a record that the run manifest reaches, or is one of a few files of the study itself. No folder
is ever listed, so caches, staging, claims and whatever else lies about cannot come along.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from vlmunl.errors import Incomplete, StoreDamaged, VlmunlError
from vlmunl.hub import inventory as inv
from vlmunl.hub.gitid import git_id_of
from vlmunl.hub.inventory import Inventory, Kind, Tree, Withheld, folder, tag_of
from vlmunl.hub.packed import Small, pack_records, pack_small
from vlmunl.hub.paths import check_together, checked_path, own_file
from vlmunl.keys import Digest, digest_bytes, digest_file, jsonable, read_chunks
from vlmunl.latex.outdated import changed_since
from vlmunl.manifests.plan import AGGREGATE, Plan
from vlmunl.manifests.states import Board, CellState
from vlmunl.store import Record, Ref, Store
from vlmunl.store.objects import damaged
from vlmunl.workspace import Workspace

SMALL = 1 << 20
"""Bytes up to which a file's git blob sha1 is computed beforehand, and up to which it is read whole to be sent."""
PACKED = 64 << 10
"""Bytes up to which an output that is JSON goes into the pack of small outputs."""
BUILT = Path("latex") / "build"
"""Where the workspace keeps compiled papers: the paper, its supplement, and a study's tables as a document."""
FileKind = Kind | Literal["inventory"]
_NAMED: dict[str, tuple[str, Kind]] = {
    "verified_results": ("verified_results.json", "results"),
    "summary": ("summary.md", "summary"),
}


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """One file of a repository: where it is to lie, what it is, and where its bytes are: here, or in a file."""

    path: str
    kind: FileKind
    xxh3: str
    sha256: str
    size: int
    source: bytes | Path = field(repr=False)

    @property
    def digest(self) -> Digest:
        """Its address and sums."""
        return Digest(xxh3=self.xxh3, sha256=self.sha256, size=self.size)

    @cached_property
    def git_sha1(self) -> str:
        """The id that git gives a regular file with these bytes. Reads a file that was not read yet."""
        return git_id_of(self.chunks(), self.size)

    def chunks(self) -> Iterable[bytes | memoryview]:
        """Its bytes."""
        return [self.source] if isinstance(self.source, bytes) else read_chunks(self.source)

    @property
    def is_small(self) -> bool:
        """Is it small enough to be read whole?"""
        return self.size <= SMALL


@dataclass(frozen=True, kw_only=True)
class Publication:
    """All files of one study, sorted by path, as they are to lie in a repository. Equal evidence gives equal bytes.

    `outdated`: PDFs of the workspace that are left out, and why.
    """

    study: str
    files: tuple[PublishedFile, ...]
    inventory: Inventory
    outdated: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest_sha256(self) -> str:
        """The sha256 of the inventory, by which the publication is known."""
        return self.by_path[inv.inventory_path(self.study)].sha256

    @property
    def tag(self) -> str:
        """`manifest-<12 hex>`."""
        return tag_of(self.manifest_sha256)

    @cached_property
    def by_path(self) -> Mapping[str, PublishedFile]:
        """Path in the repository -> file."""
        return {file.path: file for file in self.files}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def publication(
    plan: Plan, board: Board, store: Store, workspace: Workspace, extra: Mapping[str, bytes] | None = None
) -> Publication:
    """What is to be published of a study as its records are now. `extra`: further files (the model card) by path.

    Raises:
        Incomplete: its results are not aggregated from what is done.
        StudyError: a path cannot be published.
        StoreDamaged: a record, a listing or a small output is missing or altered.
        VlmunlError: the study file changed since it was loaded, or a file is a link.
    """
    results = board[AGGREGATE]
    if not results.done:
        name = workspace.study_name(plan.study.path)
        raise Incomplete(
            f"the results of {plan.study.name} are not aggregated from what is done now", f"first: vlmunl run {name}"
        )
    gathered = _Gathering(plan, board, store)
    gathered.of_study()
    for state in board.states.values():
        gathered.of_cell(state)
    gathered.packs()
    gathered.paper(workspace)
    for path, data in (extra or {}).items():
        gathered.add(path, "card", data)
    return gathered.finished()


@dataclass
class _Gathering:
    plan: Plan
    board: Board
    store: Store
    files: dict[str, PublishedFile] = field(default_factory=dict)
    trees: list[Tree] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    small: list[Small] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    outdated: dict[str, str] = field(default_factory=dict)

    def of_study(self) -> None:
        """The study file and the run manifest."""
        study = self.plan.study
        text = study.path.read_bytes()
        if hashlib.sha256(text).hexdigest() != study.sha256:
            raise VlmunlError(f"{study.path} changed just now", "try again")
        self.add("study.toml", "study", text)
        self.add("run_manifest.json", "manifest", self.board.manifest())

    def of_cell(self, state: CellState) -> None:
        """The record of a cell that has a result, and what it wrote."""
        if not state.done:
            return
        record = state.record
        assert record is not None, "it is done"
        if reason := _kept_back(self.plan, state):
            self.withheld += [
                Withheld(cell=state.cell.name, output=output, ref=ref, reason=reason)
                for output, ref in sorted(record.outputs.items())
            ]
            return
        self.records.append(record)
        for output, ref in sorted(record.outputs.items()):
            if ref.kind == "tree":
                self._tree(state.cell.name, output, ref)
            else:
                self._blob(state.cell.name, output, ref)

    def _tree(self, cell: str, output: str, ref: Ref) -> None:
        place = "latex" if output == "generated" else f"adapters/{cell.partition('/')[2] or cell}"
        files = {entry.path: f"{place}/{entry.path}" for entry in self.store.tree(ref)}
        for entry in self.store.tree(ref):
            self._object(files[entry.path], entry.ref)
        self.trees.append(Tree(ref=ref, files=files))

    def _blob(self, cell: str, output: str, ref: Ref) -> None:
        if cell == AGGREGATE and output in _NAMED:
            self._object(_NAMED[output][0], ref, _NAMED[output][1])
            return
        ending = self._ending(ref)
        if ending == ".json" and ref.size <= PACKED:
            self.small.append(Small(cell=cell, output=output, text=self.store.read(ref).decode()))
        else:
            self._object(f"cells/{cell}/{output}{ending}", ref)

    def _ending(self, ref: Ref) -> str:
        with open(self.store.path(ref), "rb") as file:
            head = file.read(16)
        if head.startswith(b"PAR1"):
            return ".parquet"
        if head[:1] in (b"{", b"["):
            return ".json" if self._is_text(ref) else ".bin"
        return ".safetensors" if head[8:9] == b"{" and head[6:8] == b"\0\0" else ".bin"

    def _is_text(self, ref: Ref) -> bool:
        try:
            self.store.read(ref).decode()
        except UnicodeDecodeError:
            return False
        return True

    def _object(self, path: str, ref: Ref, kind: Kind = "object") -> None:
        blob = replace(ref, kind="blob")
        source = self.store.root / "objects" / ref.xxh3[:2] / ref.xxh3
        if not self.store.has(blob):
            raise damaged(source, blob)
        self._put(
            path, kind, Digest(xxh3=ref.xxh3, sha256=ref.sha256, size=ref.size), own_file(source, self.store.root)
        )

    def packs(self) -> None:
        """Records and small outputs, each kind in one file."""
        self.add(inv.RECORDS, "records", pack_records(self.records))
        if self.small:
            self.add(inv.SMALL, "outputs", pack_small(self.small))

    def paper(self, workspace: Workspace) -> None:
        """The PDF of the paper, its supplement and the study's own document, those that were built from what is there.

        One that was made from other tables would say other numbers than those beside it.
        """
        for name in dict.fromkeys(("paper", "supplement", self.plan.study.name)):
            path = workspace.root / BUILT / f"{name}.pdf"
            if not path.exists():
                continue
            own_file(path, workspace.root)
            if changed := changed_since(workspace.root / BUILT.parent, name):
                self.outdated[f"{BUILT / name}.pdf"] = f"{BUILT.parent / changed} is not what it was made from"
            else:
                self._put(f"latex/{name}.pdf", "paper", digest_file(path), path)

    def add(self, path: str, kind: Kind, data: bytes) -> None:
        """A file whose bytes are at hand."""
        self._put(path, kind, digest_bytes(data), data)

    def _put(self, path: str, kind: FileKind, digest: Digest, source: bytes | Path) -> None:
        full = checked_path(f"{folder(self.plan.study.name)}/{path}")
        there = self.files.get(full)
        if there is not None and there.digest != digest:
            raise StoreDamaged(f"two outputs of {self.plan.study.name} would both be published as {full}")
        self.files[full] = PublishedFile(
            path=full, kind=kind, xxh3=digest.xxh3, sha256=digest.sha256, size=digest.size, source=source
        )

    def finished(self) -> Publication:
        """All of it, with the inventory."""
        study = self.plan.study
        inventory = Inventory(
            study=study.name,
            study_sha256=study.sha256,
            manifest=hashlib.sha256(self.board.manifest()).hexdigest(),
            files=inv.entries(list(self._rows())),
            trees=tuple(sorted(_each_once(self.trees), key=lambda tree: tree.ref.xxh3)),
            records=tuple(sorted(record.name.file for record in self.records)),
            withheld=tuple(self.withheld),
            overrides=jsonable(study.overrides),
        )
        self._put(inv.FILE, "inventory", digest_bytes(data := inventory.to_bytes()), data)
        check_together(self.files)
        files = tuple(file for _, file in sorted(self.files.items()))
        return Publication(study=study.name, files=files, inventory=inventory, outdated=self.outdated)

    def _rows(self) -> Iterator[tuple[str, Kind, Digest]]:
        start = len(folder(self.plan.study.name)) + 1
        for path, file in self.files.items():
            if file.kind != "inventory":
                yield path[start:], file.kind, file.digest


def _each_once(trees: list[Tree]) -> list[Tree]:
    """Each tree once: two cells may have written the same one."""
    return list({tree.ref.xxh3: tree for tree in trees}.values())


def _kept_back(plan: Plan, state: CellState) -> str:
    """Why a cell's outputs are not published; empty if they are. Data sets are other people's: only ours is."""
    benchmark = plan.study.benchmark.id
    if state.cell.stage.name == "data" and benchmark != "fictitious":
        return f"it is made of the data set {benchmark}, which is not ours to publish"
    return ""
