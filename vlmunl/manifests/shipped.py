"""The studies that come with the package: those of the project's `manifests/`, and a first one to begin with."""

from __future__ import annotations

from importlib.resources import files

from vlmunl.errors import UsageError
from vlmunl.manifests.schema import unknown

FIRST = "first"
_FOLDER = files("vlmunl.manifests") / "builtin"


def names() -> list[str]:
    """What `text` takes, the first study before the others."""
    found = sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
    return [FIRST, *(name for name in found if name != FIRST)]


def text(name: str) -> str:
    """The study file of this name.

    Raises:
        UsageError: there is none; it lists the nearest.
    """
    known = names()
    if name not in known:
        raise UsageError(unknown(f"study {name!r}", name, known))
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
