"""What can be named: built-in parts and methods, and those of installed plug-ins (entry points).

Plug-ins are looked for only when a name is not a built-in one or all are listed, since looking costs time. One that
cannot be used is left out and remembered in `broken`: it stands in nobody's way who does not ask for its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from vlmunl.errors import StudyError

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T], Generic[T]):
    """Name -> part; entry points of `group` name a part, or a function or list that gives several.

    `builtin` are the names that are there without any plug-in, `origin` the plug-in of each other one.
    """

    def __init__(self, kind: type[T], group: str, builtin: Iterable[T]) -> None:
        self.kind, self.group = kind, group
        self.origin: dict[str, str] = {}
        self._parts: dict[str, T] = {}
        self._broken: list[str] = []
        self._searched = False
        for part in builtin:
            if part.name in self._parts:
                raise ValueError(f"two built-in parts are called {part.name!r}")
            self._parts[part.name] = part
        self.builtin = frozenset(self._parts)

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

    @property
    def broken(self) -> tuple[str, ...]:
        """One line for each plug-in that cannot be used, and why."""
        self._search()
        return tuple(self._broken)

    def named(self, name: str, what: str) -> T:
        """The part of this name.

        Raises:
            StudyError: there is none; the message says what was asked for, the hint what there is, and which
                plug-ins might have had it but cannot be used.
        """
        if name not in self:
            known = f"known: {', '.join(sorted(self)) or 'none'}"
            raise StudyError(f"{what} {name!r} is not known", "; ".join([known, *self._broken]))
        return self[name]

    def _search(self) -> None:
        if self._searched:
            return
        self._searched = True
        from importlib.metadata import entry_points

        for point in sorted(entry_points(group=self.group), key=lambda p: (p.name, p.value)):
            try:
                parts = self._loaded(point)
            except (Exception, SystemExit) as error:
                self._broken.append(f"the plug-in {point.value} ({self.group}) cannot be used: {_line(error)}")
                continue
            self._parts |= parts
            self.origin |= dict.fromkeys(parts, point.value)

    def _loaded(self, point: Any) -> dict[str, T]:
        """The parts of a plug-in, all of them or (it raises) none."""
        given = point.load()
        found = given() if callable(given) and not isinstance(given, self.kind) else given
        parts: dict[str, T] = {}
        for part in found if isinstance(found, list | tuple) else [found]:
            if not isinstance(part, self.kind):
                raise TypeError(f"it gives a {type(part).__name__}, not a {self.kind.__name__}")
            if not NAME.fullmatch(part.name):
                raise ValueError(f"{part.name!r} is not a name of lower-case letters, digits, '_', '-' and '.'")
            if part.name in self._parts or part.name in parts:
                raise ValueError(f"it declares {part.name!r}, which is taken")
            parts[part.name] = part
        return parts


def _line(error: BaseException) -> str:
    """What an error says, on one line of bounded length."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 200 else said[:199] + "…"


def code_of(path: str) -> Any:
    """The object at "module:name"; importing it is what loads torch.

    Raises:
        StudyError: it is not there; that can only be a plug-in's.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StudyError(f"the code at {path!r} cannot be loaded: {_line(error)}", "repair the plug-in") from error
