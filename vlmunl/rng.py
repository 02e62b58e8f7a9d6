"""Random streams by name. A draw in one place can never move a draw in another.

A stream's seed is a hash of (seed, names), so the order of calls does not matter. Library code takes a
generator made here; the global generators are touched by `isolated` alone.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from vlmunl.keys import canonical

if TYPE_CHECKING:
    import numpy as np
    import torch as pytorch


@dataclass(frozen=True)
class Streams:
    """A named place in the tree of random streams below `seed`."""

    seed: int
    path: tuple[str, ...] = ()

    def child(self, *names: str) -> Streams:
        """The stream below this one with these names; `child("a", "b")` is `child("a").child("b")`."""
        return Streams(self.seed, self.path + names)

    def seed64(self) -> int:
        """An unsigned 64-bit integer that depends on the seed and the names alone."""
        return xxhash.xxh3_64_intdigest(canonical(["rng/1", self.seed, list(self.path)]))

    def python(self) -> random.Random:
        """A fresh standard-library generator at the start of this stream."""
        return random.Random(self.seed64())

    def numpy(self) -> np.random.Generator:
        """A fresh NumPy generator at the start of this stream."""
        import numpy as np

        return np.random.default_rng(self.seed64())

    def torch(self, device: str = "cpu") -> pytorch.Generator:
        """A fresh torch generator on `device`. On the CPU torch itself uses only 32 bits of the seed."""
        import torch

        return torch.Generator(device).manual_seed(self.seed64())


@contextlib.contextmanager
def isolated(streams: Streams, *, torch: bool = False) -> Iterator[None]:
    """Seed the global generators from `streams`, and put them back as they were on leaving.

    For code that knows only global state: LoRA initialisation, dropout, `generate`. NumPy and torch are
    treated if they are loaded already; with `torch=True` they are loaded first.
    """
    if torch:
        import numpy as np  # noqa: F401
        import torch as pytorch  # noqa: F401
    restore = [_isolate_python(streams.child("python"))]
    try:
        if "numpy" in sys.modules:
            restore.append(_isolate_numpy(streams.child("numpy")))
        if "torch" in sys.modules:
            restore.append(_isolate_torch(streams.child("torch")))
        yield
    finally:
        for undo in reversed(restore):
            undo()


def _isolate_python(streams: Streams) -> Callable[[], None]:
    before = random.getstate()
    random.seed(streams.seed64())
    return lambda: random.setstate(before)


def _isolate_numpy(streams: Streams) -> Callable[[], None]:
    import numpy as np

    before = np.random.get_state()
    np.random.seed(streams.seed64() % 2**32)  # the legacy generator takes 32 bits
    return lambda: np.random.set_state(before)


def _isolate_torch(streams: Streams) -> Callable[[], None]:
    import torch

    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    torch.manual_seed(streams.seed64())

    def undo() -> None:
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)

    return undo
