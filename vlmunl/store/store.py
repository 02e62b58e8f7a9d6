"""The store: objects, records, claims and scratch space in one directory that many hosts may share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vlmunl.errors import MissingInput, StoreDamaged, UsageError
from vlmunl.store import layout, tree
from vlmunl.store.atomic import discard_tree, patiently, place, sync_directory, write_temporary
from vlmunl.store.claims import Claim, Claims
from vlmunl.store.objects import Objects
from vlmunl.store.owner import alive, machine, parse_name, unique_name
from vlmunl.store.records import LARGEST, Record, RecordName, dump, parse
from vlmunl.store.ref import Ref
from vlmunl.store.tree import TreeEntry


class Store:
    """A content-addressed store. Open one with `Store.open`.

    Listings are remembered until `refresh`; whether an object is there is asked of the disk each time.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self.root = root
        self.read_only = read_only
        self._objects = Objects(root / "objects", root / "tmp")
        self._claims = Claims(root / "claims")
        self._names: dict[str, dict[str, list[RecordName]]] = {}  # two hex digits -> key -> names
        self._loaded: dict[RecordName, Record] = {}
        self._history: dict[str, list[Record]] | None = None
        self._trees: dict[str, tuple[TreeEntry, ...]] = {}
        self._damaged: dict[str, str] = {}

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False) -> Store:
        """Open the store at `path`, making it first if `create`.

        Raises:
            MissingInput: there is no store and none is to be made.
            UsageError: the directory is something else, or a store of an unknown layout.
        """
        root = Path(path).absolute()
        layout.prepare(root, create=create and not read_only)
        return cls(root, read_only=read_only)

    # ------------------------------------------------------------------------------------- objects

    def put_bytes(self, data: bytes) -> Ref:
        """Store bytes and return their reference. Storing the same bytes again changes nothing."""
        self._check_writable()
        return self._objects.put_bytes(data)

    def put_file(self, path: Path) -> Ref:
        """Store a copy of a file.

        Raises:
            MissingInput: there is no such file.
            VlmunlError: it is not a regular file, or changed while it was read.
        """
        self._check_writable()
        return self._objects.put_file(path)

    def put_tree(self, directory: Path) -> Ref:
        """Store every file below a directory, then the listing of them; the reference is to the listing.

        Empty folders, modes and times are not kept.

        Raises:
            MissingInput: there is no such directory.
            VlmunlError: it holds something that is neither a file nor a folder.
        """
        self._check_writable()
        if not directory.is_dir():
            raise MissingInput(f"no directory {directory}")
        entries = []
        for name, file in tree.walk(directory):
            ref = self._objects.put_file(file)
            entries.append(TreeEntry(path=name, xxh3=ref.xxh3, sha256=ref.sha256, size=ref.size))
        listing = self._objects.put_bytes(tree.encode(entries))
        return Ref(xxh3=listing.xxh3, sha256=listing.sha256, size=listing.size, kind="tree")

    def has(self, ref: Ref) -> bool:
        """Is the object there with the right size, and for a tree every file of it too?"""
        if not self._objects.present(ref.xxh3, ref.size):
            return False
        if ref.kind == "blob":
            return True
        try:
            return all(self._objects.present(entry.xxh3, entry.size) for entry in self.tree(ref))
        except StoreDamaged:
            return False

    def path(self, ref: Ref) -> Path:
        """The read-only file of a blob, for reading in place; its content is checked by `verify` only.

        Raises:
            StoreDamaged: it is missing or has the wrong size.
        """
        if ref.kind != "blob":
            raise ValueError(f"{ref} has no file of its own; use checkout")
        if not self._objects.present(ref.xxh3, ref.size):
            self._objects.verify(ref)
        return self._objects.path(ref.xxh3)

    def read(self, ref: Ref) -> bytes:
        """The bytes of a blob (or of a tree's listing), checked against the address.

        Raises:
            StoreDamaged: missing or altered.
        """
        return self._objects.read(ref)

    def verify(self, ref: Ref) -> None:
        """Re-hash an object, and every file of a tree.

        Raises:
            StoreDamaged: something is missing or altered; the message names the file.
        """
        self._objects.verify(ref)
        if ref.kind == "tree":
            for entry in self.tree(ref):
                self._objects.verify(entry.ref)

    def tree(self, ref: Ref) -> tuple[TreeEntry, ...]:
        """The files of a tree, sorted by path.

        Raises:
            StoreDamaged: the listing is missing or altered, or is no listing.
        """
        if ref.kind != "tree":
            raise ValueError(f"{ref} is not a tree")
        if ref.xxh3 not in self._trees:
            listing = self._objects.read(ref)
            try:
                self._trees[ref.xxh3] = tree.decode(listing)
            except ValueError as error:
                raise StoreDamaged(f"object {self._objects.path(ref.xxh3)}: {error}") from None
        return self._trees[ref.xxh3]

    def checkout(self, ref: Ref, dest: Path, *, writable: bool = False) -> Path:
        """Copy a blob to the file `dest`, or a tree to the directory `dest`, checking every byte; returns `dest`.

        Raises:
            FileExistsError: a file to be written is there already.
            StoreDamaged: something is missing or altered.
        """
        if ref.kind == "blob":
            self._objects.copy(ref, dest, writable=writable)
            return dest
        dest.mkdir(parents=True, exist_ok=True)
        for entry in self.tree(ref):
            self._objects.copy(entry.ref, dest / entry.path, writable=writable)
        return dest

    # ------------------------------------------------------------------------------------- records

    def refresh(self, key: str | None = None) -> None:
        """Forget the listing of all records, or of those filed with `key`, so that the next look reads the disk."""
        self._history = None
        if key is None:
            self._names.clear()
        else:
            self._names.pop(key[:2], None)

    def records(self) -> Iterator[RecordName]:
        """The names of all records, sorted by key. No record is opened."""
        for i in range(256):
            for _, names in sorted(self._listing(f"{i:02x}").items()):
                yield from names

    def names(self, key: str) -> list[RecordName]:
        """The names of the records of one key: errors first, each by address."""
        return list(self._listing(key[:2]).get(key, ()))

    def load(self, name: RecordName) -> Record:
        """Read one record.

        Raises:
            StoreDamaged: the file is missing, torn or altered.
        """
        if name not in self._loaded:
            path = self._record_path(name)
            try:
                data = patiently(lambda: _read_bounded(path))
            except OSError as error:
                raise StoreDamaged(f"record {path} cannot be read: {error.strerror}") from None
            self._loaded[name] = parse(data, name, str(path))
        return self._loaded[name]

    def all_for(self, key: str) -> list[Record]:
        """The sound records of one key, `ok` first, then by address. Damaged ones are left to `damaged`."""
        names = sorted(self.names(key), key=lambda n: (n.outcome != "ok", n.address))
        return [record for name in names if (record := self._sound(name)) is not None]

    def best(self, key: str) -> Record | None:
        """The record that stands for this key: `ok`, sound, outputs present, and of several the lowest address."""
        for name in self.names(key):
            if name.outcome == "ok":
                record = self._sound(name)
                if record is not None and all(self.has(ref) for ref in record.outputs.values()):
                    return record
        return None

    def history(self, stage: str, cell: str | None = None) -> list[Record]:
        """The sound records of a stage (and cell), by name. Opens every record of the store once."""
        if self._history is None:
            self._history = {}
            for name in self.records():
                if (record := self._sound(name)) is not None:
                    self._history.setdefault(record.stage, []).append(record)
        return [record for record in self._history.get(stage, ()) if cell in (None, record.cell)]

    def divergent(self, key: str) -> bool:
        """Did this key give different results at different times, i.e. was its cell not deterministic?"""
        return sum(name.outcome == "ok" for name in self.names(key)) > 1

    def damaged(self) -> dict[str, str]:
        """Path -> what is wrong with it, of the damaged records met so far by this object."""
        return dict(self._damaged)

    def write_record(self, record: Record) -> Path:
        """Write a record, after everything it names; a sound one of the same name is kept as it is.

        Raises:
            ValueError: it cannot be recorded, or its key does not follow from its fields.
            StoreDamaged: an output that it names is not in the store.
        """
        self._check_writable()
        name, data = dump(record)
        for output, ref in record.outputs.items():
            if not self.has(ref):
                raise StoreDamaged(f"output {output!r} of {record.cell} ({ref}) is not in the store")
        target = self._record_path(name)
        temporary, _ = patiently(lambda: write_temporary(self.root / "tmp", [data]))
        place(temporary, target, good=lambda: self._is_sound(name))
        sync_directory(target.parent)
        self.refresh(record.key)
        return target

    def _listing(self, prefix: str) -> dict[str, list[RecordName]]:
        if prefix not in self._names:
            try:
                files = sorted(os.listdir(self.root / "records" / prefix))
            except FileNotFoundError:
                files = []
            listing: dict[str, list[RecordName]] = {}
            for file in files:
                name = RecordName.parse(file)
                if name is not None and file.startswith(prefix):
                    listing.setdefault(name.key, []).append(name)
            self._names[prefix] = listing
        return self._names[prefix]

    def _record_path(self, name: RecordName) -> Path:
        return self.root / "records" / name.key[:2] / name.file

    def _sound(self, name: RecordName) -> Record | None:
        try:
            return self.load(name)
        except StoreDamaged as error:
            self._damaged[str(self._record_path(name))] = str(error)
            return None

    def _is_sound(self, name: RecordName) -> bool:
        try:
            parse(_read_bounded(self._record_path(name)), name, "")
        except (OSError, StoreDamaged):
            return False
        return True

    # ------------------------------------------------------------------------- claims and scratch

    def claim(self, key: str) -> Claim:
        """An advisory claim on a key, for use in a `with` block."""
        self._check_writable()
        return Claim(self._claims, key)

    def claimed(self, key: str) -> bool:
        """Does some process that seems to live hold a claim on this key?"""
        return bool(self._claims.live(key))

    def running(self) -> dict[str, str]:
        """Key -> "machine pid" of every claim that seems alive, to be shown and not trusted."""
        live = self._claims.live()
        return {name.partition(".")[0]: f"{entry.machine} {entry.pid}" for name, entry in sorted(live.items())}

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A fresh directory inside the store, removed at the end; what dead processes left behind is swept."""
        self._check_writable()
        self._sweep()
        directory = self.root / "tmp" / unique_name()
        directory.mkdir()
        try:
            yield directory
        finally:
            discard_tree(directory)

    def _sweep(self) -> None:
        for entry in os.scandir(self.root / "tmp"):
            owner = parse_name(entry.name)
            if owner is not None and owner[0] == machine() and not alive(owner[1]):
                discard_tree(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)

    def _check_writable(self) -> None:
        if self.read_only:
            raise UsageError(f"the store {self.root} was opened read-only")


def _read_bounded(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(LARGEST + 1)
