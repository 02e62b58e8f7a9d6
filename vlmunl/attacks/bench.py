"""What an attack is given, and what it gives back: a model as it is to be asked from now on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from vlmunl.benchmarks.schema import Benchmark, Identity
from vlmunl.errors import StudyError, VlmunlError
from vlmunl.models.intervene import Intervention
from vlmunl.models.vlm import VLM
from vlmunl.rng import Streams
from vlmunl.stage_types import NOT_KEPT, Keep, Progress
from vlmunl.stages import sides

if TYPE_CHECKING:
    from vlmunl.routes.pictures import Pictures
    from vlmunl.stages.rows import Asked

Dressed = tuple[VLM, Intervention | None]


@dataclass
class Bench:
    """What an attack may use.

    `attack` is how it was written. `bare` loads the attacked model without what its method puts around it when it is
    asked; its argument is how much of the unlearning step is applied (1: all). `dress` puts that around it again.
    `base` and `imprint` load the models from before imprinting and from before unlearning. Of the people to forget the
    last `tuning` are set aside. `notes` are figures for the record.
    """

    attack: str
    benchmark: Benchmark
    tuning: int
    streams: Streams
    bare: Callable[[float], VLM]
    dress: Callable[[VLM], Dressed]
    base: Callable[[], VLM]
    imprint: Callable[[], VLM]
    progress: Progress
    keep: Keep = NOT_KEPT
    batch_size: int = 128
    notes: dict[str, float] = field(default_factory=dict)

    @cached_property
    def aside(self) -> tuple[Identity, ...]:
        """The people to forget whom an attack may learn from; they are asked nothing.

        Raises:
            StudyError: nobody was set aside.
        """
        if not self.tuning:
            raise StudyError(
                f"the attack {self.attack} learns from people to forget who are set aside, and there are none",
                "write in the study: [tuning] people = 4",
            )
        return sides.people(self.benchmark, self.tuning, "tuning").forget

    @cached_property
    def reported(self) -> sides.People:
        """The people who are asked: those to forget and the retained controls."""
        return sides.people(self.benchmark, self.tuning)

    def refused(self, value: float, step: int) -> VlmunlError:
        """The error for a loss that is no finite number."""
        return VlmunlError(
            f"the attack {self.attack} met a loss of {value} at step {step}",
            f"leave its routes out ([routes] exclude), or declare it with fewer than {max(1, step)} steps",
        )


class Reading(Protocol):
    """Reads an answer otherwise than by asking: for each question the value that it found."""

    def __call__(self, asked: Sequence[Asked], pictures: Pictures) -> list[str]: ...


@dataclass(frozen=True)
class Attacked:
    """A model after an attack, and how it is asked.

    `attributes` are the only ones to ask about (None: all), and `prefix` stands before each question. `repaint` changes
    the preprocessed pictures (N, C, H, W). With a `reading` the answers are what it reads, not what the model replies.
    """

    vlm: VLM
    intervention: Intervention | None = None
    attributes: frozenset[str] | None = None
    prefix: str = ""
    repaint: Callable[[Tensor], Tensor] | None = None
    reading: Reading | None = None


Attackers = Iterator[Attacked]
"""What an attack's function returns: one model after the other, of which only the last given is kept alive."""


@contextmanager
def freed() -> Iterator[None]:
    """Give memory back on leaving."""
    try:
        yield
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
