"""The shelf: the record files of a store, listed, read and written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vlmunl.errors import StoreDamaged
from vlmunl.store.atomic import patiently, place, read_file, sync_directory, write_temporary
from vlmunl.store.objects import freshened
from vlmunl.store.records import LARGEST, Record, RecordName, dump, parse


class Shelf:
    """The records below `root`, by key and by stage. Listings are remembered until `refresh`."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root = root
        self.temporary = temporary
        self.damaged: dict[str, str] = {}
        """Path -> what is wrong with it, of the damaged records met so far."""
        self._names: dict[str, dict[str, list[RecordName]]] = {}  # two hex digits -> key -> names
        self._loaded: dict[RecordName, Record] = {}
        self._history: dict[str, list[Record]] | None = None

    def refresh(self, key: str | None = None) -> None:
        """Forget the listing of all records, or of those filed with `key`."""
        self._history = None
        if key is None:
            self._names.clear()
        else:
            self._names.pop(key[:2], None)

    def all_names(self) -> Iterator[RecordName]:
        """The names of all records, sorted by key. No record is opened."""
        for prefix in sorted(os.listdir(self.root)):
            for _, names in sorted(self._listing(prefix).items()):
                yield from names

    def names(self, key: str) -> list[RecordName]:
        """The names of the records of one key: errors first, each by address."""
        return list(self._listing(key[:2]).get(key, ()))

    def path(self, name: RecordName) -> Path:
        """Where the record of this name lies, if it does."""
        return Path(self._place(name))

    def _place(self, name: RecordName) -> str:
        return f"{self.root}/{name.key[:2]}/{name.file}"

    def load(self, name: RecordName) -> Record:
        """Read one record.

        Raises:
            StoreDamaged: the file is missing, torn or altered.
        """
        if name not in self._loaded:
            self._loaded[name] = self._read(name)
        return self._loaded[name]

    def sound(self, name: RecordName) -> Record | None:
        """The record, or None if it is damaged, which is noted in `damaged`."""
        path = self._place(name)
        try:
            record = self.load(name)
        except StoreDamaged as error:
            self.damaged[path] = str(error)
            return None
        self.damaged.pop(path, None)  # made anew since
        return record

    def of_stage(self, stage: str) -> list[Record]:
        """The sound records of a stage, by name. Opens every record once."""
        if self._history is None:
            self._history = {}
            for name in self.all_names():
                if (record := self.sound(name)) is not None:
                    self._history.setdefault(record.stage, []).append(record)
        return list(self._history.get(stage, ()))

    def write(self, record: Record) -> Path:
        """Write a record durably; a sound one of the same name is kept as it is, a damaged one replaced.

        Raises:
            ValueError: it cannot be recorded, or its key does not follow from its fields.
            OSError: it could not be written; nothing is left.
        """
        name, data = dump(record)
        target = self.path(name)
        temporary, _ = patiently(lambda: write_temporary(self.temporary, [data]))
        first = not target.parent.exists()
        freshened(target)  # one that is there already is wanted again: gc is to see that
        place(temporary, target, good=lambda: self._is_sound(name))
        sync_directory(target.parent)
        if first:
            sync_directory(self.root)
        self.refresh(record.key)
        return target

    def _listing(self, prefix: str) -> dict[str, list[RecordName]]:
        if prefix not in self._names:
            try:
                files = sorted(os.listdir(self.root / prefix))
            except (FileNotFoundError, NotADirectoryError):
                files = []
            listing: dict[str, list[RecordName]] = {}
            for file in files:
                name = RecordName.parse(file)
                if name is not None and file[:2] == prefix:
                    listing.setdefault(name.key, []).append(name)
            self._names[prefix] = listing
        return self._names[prefix]

    def _read(self, name: RecordName) -> Record:
        path = self._place(name)
        try:
            data = patiently(lambda: read_bounded(path))
        except OSError as error:
            raise StoreDamaged(f"record {path} cannot be read: {error.strerror}") from None
        return parse(data, name, path, quick=True)

    def _is_sound(self, name: RecordName) -> bool:
        if not self.path(name).exists():  # the usual case, and no reason to wait
            return False
        try:
            self._read(name)
        except StoreDamaged:
            return False
        return True


def read_bounded(path: str | Path) -> bytes:
    """The bytes of a file, or as many of them as show that it is too large for a record."""
    return read_file(path, LARGEST + 1)
