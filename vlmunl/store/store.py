"""The store: objects, records, claims and scratch space in one directory that many hosts may share."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from vlmunl.errors import MissingInput, StoreDamaged, UsageError
from vlmunl.store import layout, tree
from vlmunl.store.atomic import eventually
from vlmunl.store.claims import Claim, Claims
from vlmunl.store.objects import Objects
from vlmunl.store.records import Record, RecordName
from vlmunl.store.ref import Ref
from vlmunl.store.scratch import scratch_directory
from vlmunl.store.shelf import Shelf
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
        self._shelf = Shelf(root / "records", root / "tmp")
        self._trees: dict[str, tuple[TreeEntry, ...]] = {}

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

    def set_aside(self, ref: Ref) -> None:
        """Move damaged files of an object to `quarantine/`: they count as missing, and the next run makes them anew.

        Sizes alone tell a hit from a miss, so an object altered within its size would else be met for ever.
        """
        self._check_writable()
        quarantine = self.root / "quarantine"
        if ref.kind == "tree" and self._objects.sound(ref):
            for entry in self.tree(ref):
                self._objects.set_aside(entry.ref, quarantine)
        self._objects.set_aside(ref, quarantine)

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

    def refresh(self, key: str | None = None) -> None:
        """Forget the listing of all records, or of those filed with `key`, so that the next look reads the disk."""
        self._shelf.refresh(key)

    def records(self) -> Iterator[RecordName]:
        """The names of all records, sorted by key. No record is opened."""
        return self._shelf.all_names()

    def names(self, key: str) -> list[RecordName]:
        """The names of the records of one key: errors first, each by address."""
        return self._shelf.names(key)

    def load(self, name: RecordName) -> Record:
        """Read one record.

        Raises:
            StoreDamaged: the file is missing, torn or altered.
        """
        return self._shelf.load(name)

    def all_for(self, key: str) -> list[Record]:
        """The sound records of one key, `ok` first, then by address. Damaged ones are left to `damaged`."""
        names = sorted(self.names(key), key=lambda n: (n.outcome != "ok", n.address))
        return [record for name in names if (record := self._shelf.sound(name)) is not None]

    def best(self, key: str) -> Record | None:
        """The record that stands for this key: `ok`, sound, outputs present, and of several the lowest address."""
        for name in self.names(key):
            if name.outcome == "ok":
                record = self._shelf.sound(name)
                if record is not None and all(self.has(ref) for ref in record.outputs.values()):
                    return record
        return None

    def history(self, stage: str, cell: str | None = None) -> list[Record]:
        """The sound records of a stage (and cell), by name. Opens every record of the store once."""
        return [record for record in self._shelf.of_stage(stage) if cell in (None, record.cell)]

    def divergent(self, key: str) -> bool:
        """Did this key give different results at different times, i.e. was its cell not deterministic?"""
        return sum(name.outcome == "ok" for name in self.names(key)) > 1

    def damaged(self) -> dict[str, str]:
        """Path -> what is wrong with it, of the damaged records met so far by this object."""
        return dict(self._shelf.damaged)

    def write_record(self, record: Record) -> Path:
        """Write a record, after everything it names; a sound one of the same name is kept as it is.

        Raises:
            ValueError: it cannot be recorded, or its key does not follow from its fields.
            StoreDamaged: an output that it names is not in the store.
        """
        self._check_writable()
        for output, ref in record.outputs.items():
            if not eventually(functools.partial(self.has, ref)):
                raise StoreDamaged(f"output {output!r} of {record.cell} ({ref}) is not in the store")
        return self._shelf.write(record)

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

    def scratch(self) -> AbstractContextManager[Path]:
        """A fresh directory inside the store, removed at the end; what dead processes left behind is swept."""
        self._check_writable()
        return scratch_directory(self.root / "tmp")

    def _check_writable(self) -> None:
        if self.read_only:
            raise UsageError(f"the store {self.root} was opened read-only")
