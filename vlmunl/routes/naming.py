"""What a name in a route's fields stands for: a built-in function, or with a dot one of an installed package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vlmunl.errors import StudyError


def split(expression: str) -> tuple[str, tuple[str, ...]]:
    """`crop:0.8` -> name and arguments."""
    name, *arguments = (part.strip() for part in expression.split(":"))
    return name, tuple(arguments)


def steps(expression: str) -> tuple[str, ...]:
    """`a | b:1` -> its parts in order."""
    return tuple(part.strip() for part in expression.split("|"))


def code(what: str, name: str, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The function of this name.

    Raises:
        StudyError: there is none, or the package that should have it cannot be loaded.
    """
    if name in known:
        return known[name]
    if "." not in name:
        from difflib import get_close_matches

        near = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "a function of your own is named with its module"
        raise StudyError(f"{what} {name!r} of a route is not known", hint)
    from vlmunl.methods.registry import code_of

    module, _, function = name.rpartition(".")
    found: Callable[..., Any] = code_of(f"{module}:{function}")
    return found
