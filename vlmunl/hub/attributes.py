"""The repository's `.gitattributes`, which decides what is stored as a large file."""

from __future__ import annotations

from collections.abc import Iterable

FILE = ".gitattributes"
_LINE = "filter=lfs diff=lfs merge=lfs -text"
PATTERNS = ("*.bin", "*.parquet", "*.pdf", "*.png", "*.safetensors")
"""What a study publishes that is not text: few patterns, never a line per file."""


def missing(text: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The patterns that these paths need and that the file lacks."""
    needed = {pattern for path in paths for pattern in PATTERNS if path.endswith(pattern[1:])}
    there = {line.split()[0] for line in text.splitlines() if "filter=lfs" in line.split()[1:]}
    return tuple(sorted(needed - there))


def with_patterns(text: str, patterns: Iterable[str]) -> str:
    """The file's text with further patterns at its end; what stands there stays."""
    start = text if not text or text.endswith("\n") else text + "\n"
    return start + "".join(f"{pattern} {_LINE}\n" for pattern in patterns)
