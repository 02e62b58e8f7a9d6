"""What a stage is, and what its function is given. Import these from `vlmunl.stage`."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from vlmunl.errors import MissingInput
from vlmunl.keys import JSON
from vlmunl.rng import Streams
from vlmunl.store.ref import Ref

Progress = Callable[[int, int, str], None]
"""Called as progress(done, total, note)."""


def silent(done: int, total: int, note: str) -> None:
    """The progress callback that shows nothing."""


class Part(Protocol):
    """A stretch of a cell's work that can be taken up where it was left: a training, or a round of questions.

    States are made of tensors, numbers, texts, bytes, lists, tuples and dicts alone.
    """

    def load(self) -> Mapping[str, Any] | None:
        """The state that an earlier attempt left in this part; None: begin at the beginning."""

    def due(self) -> bool:
        """Is it time to save, since a stop is asked for or the last saving is long ago? Ask at every step."""

    def save(self, done: int, total: int, state: Mapping[str, Any]) -> None:
        """Keep the state after so many steps. Raises `Stopped` if a stop is asked for."""

    def end(self, steps: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """The part is over; its last state is kept if what follows in the cell may be stopped."""


class Keep(Protocol):
    """What a cell keeps of its work for the next attempt."""

    def part(self, kind: str) -> Part:
        """The next part of this kind. Every attempt at a cell goes through the same parts in the same order."""


class NotKept:
    """Keeps nothing and never stops: what a stage's function is given where nobody can take it up again."""

    def part(self, kind: str) -> Part:
        """A part that is always begun at the beginning."""
        return self

    def load(self) -> None:
        """There is nothing."""

    def due(self) -> bool:
        """Never."""
        return False

    def save(self, done: int, total: int, state: Mapping[str, Any]) -> None:
        """Not kept."""

    def end(self, steps: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """Not kept."""


NOT_KEPT = NotKept()


@dataclass
class Stop:
    """Whether the running cell is asked to stop. `heeded` says whether it will notice at its next step."""

    asked: Callable[[], bool] = lambda: False
    heeded: bool = False


@dataclass(frozen=True, kw_only=True)
class External:
    """An input that lives outside the store (a base model's directory). Only `ref.sha256` enters the key."""

    ref: Ref
    path: Path


Input: TypeAlias = Ref | External


def input_refs(inputs: Mapping[str, Input]) -> dict[str, Ref]:
    """The content address of each input."""
    return {name: given.ref if isinstance(given, External) else given for name, given in inputs.items()}


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that a stage's function may read and write, beside its config.

    `out`: write outputs here, each a file NAME.ext or a directory NAME. `scratch`: anything else, deleted
    afterwards. `paths`: where each input lies, read-only; `inputs`: the same as content addresses. `keep`: what long
    work leaves for the next attempt; what comes out is the same to the byte whether it is used or not.
    """

    out: Path
    scratch: Path
    rng: Streams
    progress: Progress = silent
    keep: Keep = NOT_KEPT
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)

    def input(self, name: str) -> Path:
        """The file (blob) or directory (tree, external) of an input.

        Raises:
            MissingInput: the cell has no input of that name.
        """
        if name not in self.paths:
            raise MissingInput(f"no input named {name!r}; this cell has: {', '.join(sorted(self.paths)) or 'none'}")
        return self.paths[name]


StageFunction = Callable[[Any, Context], Mapping[str, JSON]]


class Caller(Protocol):
    """Who calls a stage's function: several processes, for example. `env` is what the record tells of it."""

    def env(self, stage: Stage) -> Mapping[str, object]: ...
    def call(self, stage: Stage, function: StageFunction, config: Any, context: Context) -> Mapping[str, JSON]: ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One kind of work, declared without importing it.

    Attributes:
        name: as in the run key and in records.
        version: bumped by hand whenever equal config and inputs may give other bytes.
        config: the frozen dataclass of its parameters.
        inputs: names; one that ends in `?` is optional, one that ends in `*` stands for any number.
        outputs: names of what it writes below `Context.out`; all must be there afterwards.
        run: the path "module:function" of `(config, context) -> metrics`.
    """

    name: str
    version: int
    config: type
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    run: str

    def function(self) -> StageFunction:
        """Import and return the stage's function; this is where torch is loaded."""
        module, _, name = self.run.partition(":")
        function: StageFunction = getattr(importlib.import_module(module), name)
        return function

    def check_inputs(self, names: Mapping[str, object]) -> None:
        """Raise unless `names` are inputs this stage declares and no required one is absent.

        Raises:
            MissingInput: a required input is not given.
            ValueError: an input is given that the stage does not declare.
        """
        if (fault := _input_fault(self.name, self.inputs, tuple(names))) is not None:
            raise fault[0](fault[1])


@functools.cache
def _input_fault(stage: str, declared: tuple[str, ...], names: tuple[str, ...]) -> tuple[type[Exception], str] | None:
    """The error for these input names, if they are wrong; asked again for every cell, and answered once."""
    prefixes = tuple(name[:-1] for name in declared if name.endswith("*"))
    required = {name for name in declared if name[-1] not in "?*"}
    optional = {name[:-1] for name in declared if name.endswith("?")}
    if missing := sorted(required - set(names)):
        return MissingInput, f"{stage} needs {', '.join(missing)}, and got {', '.join(sorted(names)) or 'nothing'}"
    for name in names:
        if name not in required | optional and not (prefixes and name.startswith(prefixes)):
            return ValueError, f"stage {stage} declares no input {name!r} (it has {', '.join(declared)})"
    return None
