"""What can be named: built-in parts and methods, and those of installed plug-ins (entry points).

Plug-ins are looked for only when a name is not a built-in one or all are listed, since looking costs time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from vlmunl.errors import StudyError


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T], Generic[T]):
    """Name -> part; entry points of `group` name a part, or a function or tuple that gives several."""

    def __init__(self, kind: type[T], group: str, builtin: Iterable[T]) -> None:
        self.kind, self.group = kind, group
        self._parts: dict[str, T] = {}
        self._searched = False
        for part in builtin:
            if part.name in self._parts:
                raise ValueError(f"two built-in parts are called {part.name!r}")
            self._parts[part.name] = part

    def __getitem__(self, name: str) -> T:
        if name not in self._parts:
            self._search()
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        self._search()
        return iter(self._parts)

    def __len__(self) -> int:
        self._search()
        return len(self._parts)

    def __contains__(self, name: object) -> bool:
        if name in self._parts:
            return True
        self._search()
        return name in self._parts

    def named(self, name: str, what: str) -> T:
        """The part of this name.

        Raises:
            StudyError: there is none; the message says what was asked for and what there is.
        """
        if name not in self:
            raise StudyError(f"{what} {name!r} is not known", f"known: {', '.join(sorted(self))}")
        return self[name]

    def _search(self) -> None:
        if self._searched:
            return
        self._searched = True
        from importlib.metadata import entry_points

        for point in sorted(entry_points(group=self.group), key=lambda p: p.name):
            for part in self._loaded(point):
                if part.name in self._parts:
                    raise StudyError(f"the plug-in {point.value} declares {part.name!r}, which is taken")
                self._parts[part.name] = part

    def _loaded(self, point: Any) -> list[T]:
        try:
            given = point.load()
        except Exception as error:
            raise StudyError(f"the plug-in {point.value} ({self.group}) cannot be imported: {error}") from error
        found = given() if callable(given) and not isinstance(given, self.kind) else given
        parts = list(found) if isinstance(found, list | tuple) else [found]
        for part in parts:
            if not isinstance(part, self.kind):
                raise StudyError(f"the plug-in {point.value} gives a {type(part).__name__}, not a {self.kind.__name__}")
        return parts


def code_of(path: str) -> Any:
    """The object at "module:name"; importing it is what loads torch."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
