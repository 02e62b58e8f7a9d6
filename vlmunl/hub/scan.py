"""Looking for secrets in what is about to be published, before any byte of it leaves.

A finding says where and which rule, and never what was found.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.errors import SecretFound, UsageError
from vlmunl.hub.published import PublishedFile

CHUNK, OVERLAP = 4 << 20, 256
SHORTEST = 12
"""Letters that the value of an environment variable must have to count as a secret."""
_LARGEST_STREAM = 256 << 20
_LARGEST_HEADER = 100 << 20
_NAMED = re.compile(r"TOKEN|KEY|SECRET|PASSWORD")
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_KERNED = re.compile(rb"\)\s*-?[\d.]+\s*\(")
_COMMON = frozenset({"root", "user", "admin", "ubuntu", "debian", "test", "runner", "nobody"})


@dataclass(frozen=True)
class Rule:
    """What begins with one of `starts` (found by plain search, which is quick) and fits `pattern` from there.

    With `alone`, no letter, digit or `_-` may stand before it.
    """

    starts: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    alone: bool = True

    def matches(self, window: bytes) -> Iterator[int]:
        """Where it fits."""
        for start in self.starts:
            at = window.find(start)
            while at >= 0:
                if not (self.alone and at and window[at - 1] in _WORD) and self.pattern.match(window, at):
                    yield at
                at = window.find(start, at + 1)


_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def _rule(pattern: bytes, *starts: bytes, alone: bool = True) -> Rule:
    return Rule(starts, re.compile(pattern), alone)


RULES: Mapping[str, Rule] = {
    "hugging-face-token": _rule(rb"(?:hf|api_org)_[A-Za-z0-9]{30}", b"hf_", b"api_org_"),
    "aws-key": _rule(rb"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])", b"AKIA", b"ASIA"),
    "github-token": _rule(rb"gh[pousr]_[A-Za-z0-9]{36}", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"),
    "github-fine-token": _rule(rb"github_pat_[A-Za-z0-9_]{22}", b"github_pat_"),
    "model-service-key": _rule(rb"sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20}", b"sk-"),
    "slack-token": _rule(rb"xox[abprs]-[A-Za-z0-9-]{10}", b"xox"),
    "gitlab-token": _rule(rb"glpat-[A-Za-z0-9_-]{20}", b"glpat-"),
    "google-key": _rule(rb"AIza[0-9A-Za-z_-]{35}", b"AIza"),
    "private-key": _rule(rb"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----", b"-----BEGIN ", alone=False),
    "login-in-address": _rule(
        rb"https?://[A-Za-z0-9._%+-]{0,64}:[^\s/:@\"'<>]{4,128}@[A-Za-z0-9]", b"http://", b"https://", alone=False
    ),
}
HOME = _rule(rb"/(?:home|Users|root)/[A-Za-z0-9._-]+", b"/home/", b"/Users/", b"/root/")


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that fits at a byte of a file, or of a part of it (`inside`: a header, a stream, a column)."""

    path: str
    offset: int
    rule: str
    inside: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        part = f" in {self.inside}" if self.inside else ""
        return f"{self.path}, byte {self.offset}{part}: {self.rule}"


@dataclass(frozen=True)
class Allowed:
    """`RULE:PATH` of `--allow-secret`: this is no secret."""

    rule: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Read one.

        Raises:
            UsageError: it is not of that form.
        """
        rule, _, path = text.partition(":")
        if not rule or not path:
            raise UsageError(f"--allow-secret {text[:80]!r} is not RULE:PATH", f"rules: {', '.join(RULES)}, env-NAME")
        return cls(rule, path)


class Scanner:
    """The rules, and the literal secrets of this machine; the values are kept here only."""

    def __init__(self, token: str | None = None, environment: Mapping[str, str] | None = None) -> None:
        secrets = {"current-token": token} if token else {}
        for name, value in (os.environ if environment is None else environment).items():
            if _NAMED.search(name.upper()) and len(value) >= SHORTEST:
                secrets[f"env-{name}"] = value
        literal = {rule: _rule(b"", value.encode(), alone=False) for rule, value in secrets.items()}
        self._rules = {**RULES, **literal}
        self._warnings = {"home-directory": HOME, **_user()}
        self._overlap = max([OVERLAP, *(len(value.encode()) for value in secrets.values())])

    def scan(self, files: Iterable[PublishedFile]) -> list[Finding]:
        """All findings, by path; of warnings the first of each rule in a file."""
        return sorted(finding for file in files for finding in self.file(file))

    def file(self, file: PublishedFile) -> Iterator[Finding]:
        """What is found in one file: weights by their header, tables by their values, PDF also inflated."""
        seen: set[tuple[str, str]] = set()
        for inside, chunks in _parts(file):
            for offset, rule, is_warning in self._stream(chunks):
                if not is_warning or (rule, inside) not in seen:
                    seen.add((rule, inside))
                    yield Finding(file.path, offset, rule, inside, is_warning)

    def _stream(self, chunks: Iterable[bytes | memoryview]) -> Iterator[tuple[int, str, bool]]:
        """(offset, rule, is it a warning) of each match in consecutive chunks, which may cut it anywhere."""
        kept, start = b"", 0
        seen: dict[str, set[int]] = {}
        for chunk in chunks:
            window = kept + bytes(chunk)
            for rules, is_warning in ((self._rules, False), (self._warnings, True)):
                for name, rule in rules.items():
                    new = sorted({start + at for at in rule.matches(window)} - seen.get(name, set()))
                    seen.setdefault(name, set()).update(new)
                    yield from ((at, name, is_warning) for at in new)
            kept = window[-self._overlap :]
            start += len(window) - len(kept)


def refuse(findings: Iterable[Finding], allowed: Collection[Allowed]) -> list[Finding]:
    """The warnings among the findings.

    Raises:
        SecretFound: there are others that nobody has allowed; the message has path, offset and rule of each.
    """
    found = list(findings)
    bad = [f for f in found if not f.is_warning and Allowed(f.rule, f.path) not in set(allowed)]
    if bad:
        shown = "; ".join(str(finding) for finding in bad[:8]) + (f"; and {len(bad) - 8} more" if len(bad) > 8 else "")
        raise SecretFound(
            f"what is to be published holds secrets, so nothing was sent: {shown}",
            f"take it out; if it is no secret: --allow-secret {bad[0].rule}:{bad[0].path}",
        )
    return [finding for finding in found if finding.is_warning]


# ------------------------------------------------------------------------------------- parts of files


def _parts(file: PublishedFile) -> Iterator[tuple[str, Iterable[bytes | memoryview]]]:
    """(name, chunks) of what is to be read of a file."""
    if file.path.endswith(".safetensors"):
        yield "its header", [_header(file)]
    elif file.path.endswith(".parquet"):
        yield from _columns(file)
        yield "", _large_chunks(file)
    else:
        yield "", _large_chunks(file)
    if file.path.endswith(".pdf"):
        yield from _inflated(_whole(file))


def _large_chunks(file: PublishedFile) -> Iterator[bytes]:
    """Its bytes in chunks of some MiB: every chunk costs a search by each rule."""
    waiting: list[bytes] = []
    for chunk in file.chunks():
        waiting.append(bytes(chunk))
        if sum(map(len, waiting)) >= CHUNK:
            yield b"".join(waiting)
            waiting = []
    yield b"".join(waiting)


def _whole(file: PublishedFile) -> bytes:
    return file.source if isinstance(file.source, bytes) else file.source.read_bytes()


def _header(file: PublishedFile) -> bytes:
    """The JSON header of a safetensors file; the whole file if it has none."""
    if isinstance(file.source, bytes):
        data = file.source
    else:
        with open(file.source, "rb") as opened:
            data = opened.read(8)
            size = int.from_bytes(data, "little")
            data += opened.read(size if size <= _LARGEST_HEADER else -1)
    size = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + size]
    try:
        json.loads(text)
    except ValueError:
        return data if isinstance(file.source, bytes) else file.source.read_bytes()
    return text


def _columns(file: PublishedFile) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Texts and bytes in the columns of a Parquet file, one per line: on disk they are compressed."""
    import pyarrow as pa
    from pyarrow import parquet

    source: Any = pa.BufferReader(file.source) if isinstance(file.source, bytes) else str(file.source)
    try:
        table = parquet.ParquetFile(source)
        names = table.schema_arrow.names
    except (OSError, ValueError):  # it is none, and is read as bytes
        return
    with table:
        for name in names:
            yield f"column {name}", _values(table, name)


def _values(table: Any, name: str) -> Iterator[bytes]:
    for batch in table.iter_batches(batch_size=1 << 16, columns=[name]):
        yield b"".join(_texts(batch.column(0)))


def _texts(values: Any) -> Iterator[bytes]:
    """Each different text (or bytes) of an Arrow array, however deep it lies, with a line's end."""
    from pyarrow import types

    kind = values.type
    if types.is_dictionary(kind):
        yield from _texts(values.dictionary)
    elif types.is_struct(kind):
        for part in values.flatten():
            yield from _texts(part)
    elif types.is_map(kind):
        yield from _texts(values.keys)
        yield from _texts(values.items)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from _texts(values.flatten())
    elif types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        for value in values.unique().to_pylist():
            if value is not None:
                yield (value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")) + b"\n"


def _inflated(data: bytes) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The compressed streams of a PDF; words that are set in pieces, with kerning between them, are put together."""
    for number, match in enumerate(_STREAM.finditer(data), 1):
        try:
            plain = zlib.decompressobj().decompress(match[1], _LARGEST_STREAM)
        except zlib.error:
            continue
        yield f"stream {number}", [plain]
        if (joined := _KERNED.sub(b"", plain)) != plain:
            yield f"the text of stream {number}", [joined]


def _user() -> dict[str, Rule]:
    """The rule that finds the name of who runs this, unless it is one that says nothing."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return {}
    if len(name) < 4 or name.lower() in _COMMON:
        return {}
    return {"user-name": _rule(re.escape(name.encode()) + rb"(?![A-Za-z0-9_-])", name.encode())}
