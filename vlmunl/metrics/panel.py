"""What the statistics see of one model: per seed, person and route, a numerator and a denominator.

Calibrated recovery of a route is a ratio of sums, `rho_r = sum(num) / sum(den)`, over the people that the imprint knew.
Numerator: accuracy of the model minus gold's on the same items; denominator: the headroom of the route's answer
format. Each gated person of each verified seed weighs the same, so with one seed this is the ratio of the two means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One model against gold.

    Attributes:
        num: [seeds, people, routes] differences of accuracy; 0 where there is nothing to count.
        den: [seeds, people, routes] headroom on the same people; 0 where there is nothing to count.
        grain: [routes] the smallest step of `num`: one item right instead of wrong. It bounds standard errors from
            below, since a route on which nobody happens to differ is not known without error.
    """

    num: Floats
    den: Floats
    grain: Floats

    @property
    def seeds(self) -> int:
        """How many seeds."""
        return int(self.num.shape[0])

    @property
    def people(self) -> int:
        """How many people, those who do not count included."""
        return int(self.num.shape[1])

    def collapse(self, weights: Floats) -> tuple[Floats, Floats]:
        """Numerator and denominator [people, routes], summed over seeds with these weights."""
        return np.tensordot(weights, self.num, 1), np.tensordot(weights, self.den, 1)

    def total(self) -> tuple[Floats, Floats]:
        """`collapse` with every seed once."""
        return self.collapse(np.ones(self.seeds))

    def take(self, routes: Indices) -> Panel:
        """The same with some of the routes."""
        return Panel(
            num=self.num[:, :, routes],
            den=self.den[:, :, routes],
            grain=self.grain[routes],
        )

    def at(self, seeds: Sequence[int]) -> Panel:
        """The same with some of the seeds, by their places."""
        places = list(seeds)
        return Panel(num=self.num[places], den=self.den[places], grain=self.grain)

    def defined(self) -> Flags:
        """[routes]: is there headroom to divide by?"""
        flags: Flags = self.den.sum(axis=(0, 1)) > TINY
        return flags

    def estimate(self) -> Floats:
        """[routes] the ratio of sums; NaN where it is not defined."""
        num, den = self.num.sum(axis=(0, 1)), self.den.sum(axis=(0, 1))
        out: Floats = np.full(num.shape, np.nan)
        np.divide(num, den, out=out, where=den > TINY)
        return out
