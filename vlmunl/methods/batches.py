"""Which samples each step is made of."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.methods import views
from vlmunl.methods.language import FORGET, SIDES, Recipe, Side, stream_of
from vlmunl.methods.views import Drawn
from vlmunl.rng import Streams
from vlmunl.stages.configs import UnlearnConfig

Drawing = Mapping[str, list[Drawn]]
"""Stream -> the samples of one step."""


@dataclass
class Batches:
    """Draws the samples of each step, always the same for the same streams; `again` starts anew."""

    config: UnlearnConfig
    benchmark: Benchmark
    streams: Streams
    names: Sequence[str]
    draws: dict[str, views.Draw] = field(init=False)
    rngs: dict[str, random.Random] = field(init=False)

    def __post_init__(self) -> None:
        c = self.config
        self.draws = {n: views.stream(n, c.views, self.benchmark, c.held_out) for n in self.names}
        self.rngs = {n: self.streams.child("batches", n).python() for n in self.names}

    def again(self) -> Batches:
        """The same batches from the first step on."""
        return Batches(self.config, self.benchmark, self.streams, self.names)

    def next(self, sides: Sequence[Side]) -> Drawing:
        """The samples of the next step, for the sides that have a turn."""
        mine = [n for n in self.names if side_of(n) in sides]
        return {n: self.draws[n](self.rngs[n], self.config.batch) for n in mine}


def side_of(stream: str) -> Side:
    """Whose side a stream is on."""
    return "forget" if stream == FORGET else "retain"


def turns(recipe: Recipe, benchmark: Benchmark, batch: int, step: int) -> tuple[Side, ...]:
    """The sides that have a turn in a step; one that has no terms never has one alone.

    An epoch of a side is one round through its largest stream.
    """
    if recipe.schedule == "joint":
        return SIDES
    mine = [side for side in SIDES if any(term.side == side for term in recipe.terms)]
    if recipe.schedule == "alternate":
        return (mine[step // recipe.every % len(mine)],)
    streams = {stream_of(view) for view in recipe.views()}
    sizes = [max(views.size_of(name, benchmark) for name in streams if side_of(name) == side) for side in mine]
    epochs = [-(-size // batch) for size in sizes]
    at = step % sum(epochs)
    return (mine[0] if at < epochs[0] else mine[-1],)
