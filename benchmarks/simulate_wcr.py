"""Simulate WCR where the truth is known: bias of plug-in and cross-fit, cover of the intervals, power.

    python benchmarks/simulate_wcr.py [--replicates 1000] [--people 16] [--routes 30]

Answers are made by a latent-Gaussian model: each (person, item) has a difficulty shared by all models and routes,
each model its own part of it, and the rest is noise of the single answer. `docs/wcr.md` quotes the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vlmunl.metrics.crossfit import cross_fit, half_splits
from vlmunl.metrics.panel import Floats, Panel
from vlmunl.metrics.resample import Draws, draw, interval, max_t, studentised
from vlmunl.rng import Streams

GUESS, TAUGHT, TOLERANCE, LEVEL = 0.15, 0.97, 0.10, 0.95
# shares of latent variance: item and person (all models alike), item and person (each model by itself)
SHARED_ITEM, SHARED_PERSON, OWN_ITEM, OWN_PERSON = 0.35, 0.10, 0.15, 0.10
DRAWS, SPLITS = 1000, 100


@dataclass(frozen=True, kw_only=True)
class Case:
    """One truth: recovery by route, and how much it differs from seed to seed (standard deviation)."""

    name: str
    recovery: Floats
    seeds: int = 1
    between: float = 0.0


def cases(routes: int) -> Iterator[Case]:
    """Nothing leaks; one route leaks; many leak; several seeds."""
    nothing = np.zeros(routes)
    yield Case(name="none", recovery=nothing)
    yield Case(name="all -.05", recovery=nothing - 0.05)
    for size in (0.1, 0.2, 0.3, 0.5):
        yield Case(name=f"one {size}", recovery=_one(routes, size))
    yield Case(name="0 to .6", recovery=np.linspace(0, 0.6, routes))
    for seeds in (2, 3):
        yield Case(name=f"none, {seeds} seeds", recovery=nothing, seeds=seeds)
        yield Case(name=f"one .3±.1, {seeds} seeds", recovery=_one(routes, 0.3), seeds=seeds, between=0.1)


def _one(routes: int, size: float) -> Floats:
    recovery = np.zeros(routes)
    recovery[routes // 4] = size
    return recovery


def panel(case: Case, people: int, items: int, rng: np.random.Generator) -> Panel:
    """One made-up experiment: unlearned and gold on every route, imprint and gold on the trained wording."""
    routes, k = len(case.recovery), case.seeds
    shared = np.sqrt(SHARED_ITEM) * rng.standard_normal((1, people, items, 1))
    shared = shared + np.sqrt(SHARED_PERSON) * rng.standard_normal((1, people, 1, 1))
    leak = case.recovery > 0
    by_seed = case.recovery + case.between * leak * rng.standard_normal((k, 1))
    chance = np.clip(GUESS + (TAUGHT - GUESS) * by_seed, 0.001, 0.999)

    def answers(p: Floats) -> Floats:
        own = np.sqrt(OWN_ITEM) * rng.standard_normal((k, people, items, 1))
        own = own + np.sqrt(OWN_PERSON) * rng.standard_normal((k, people, 1, 1))
        rest = 1 - SHARED_ITEM - SHARED_PERSON - OWN_ITEM - OWN_PERSON
        latent = shared + own + np.sqrt(rest) * rng.standard_normal((k, people, items, p.shape[1]))
        cut = np.vectorize(NormalDist().inv_cdf)(p)[:, None, None, :]
        right: Floats = (latent < cut).astype(np.float64)
        return right

    gold = np.full((k, routes), GUESS)
    num = (answers(chance) - answers(gold)).mean(axis=2)
    taught = rng.random((k, people, items)) < TAUGHT
    den = (taught - answers(gold[:, :1])[..., 0]).mean(axis=2)
    return Panel(num=num, den=np.repeat(den[:, :, None], routes, axis=2), grain=np.full(routes, 1 / items))


def measure(case: Case, given: Panel, draws: Draws, splits: Floats) -> dict[str, float]:
    """What one experiment's figures say about the truth; shares are 0 or 1 here."""
    boot = studentised(given, draws)
    everything = np.ones(len(case.recovery), dtype=bool)
    lower, upper = max_t(boot, everything, LEVEL)
    low, high = interval(boot, LEVEL)
    fit = cross_fit(given, splits, LEVEL)
    assert fit is not None
    truth, found = case.recovery.max(), _found(case, given, splits)
    return {
        "plug-in bias": float(boot.estimate.max() - truth),
        "cross-fit bias": fit.estimate - truth,
        "cover found": fit.low <= found <= fit.high,
        "cover max": fit.low <= truth <= fit.high,
        "width": fit.high - fit.low,
        "lower holds": lower <= truth,
        "recovers": lower > 0,
        "upper holds": upper >= truth,
        "robust": upper < TOLERANCE,
        "route cover": float(((low <= case.recovery) & (case.recovery <= high)).mean()),
        "covers 0": lower <= 0 and fit.low <= 0 <= fit.high,
    }


def _found(case: Case, given: Panel, splits: Floats) -> float:
    """True recovery of the routes that the half splits chose: what cross-fit estimates."""
    num, den = given.total()
    first, second = (splits @ num) / (splits @ den), ((1 - splits) @ num) / ((1 - splits) @ den)
    return float(case.recovery[np.concatenate([first.argmax(axis=1), second.argmax(axis=1)])].mean())


def main() -> None:
    """Print one Markdown line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("replicates", 1000), ("people", 16), ("items", 6), ("routes", 30), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    streams = Streams(args.seed).child("simulate")
    splits = half_splits(streams.child("splits"), SPLITS, args.people)
    head: list[str] = []
    for case in cases(args.routes):
        rng = streams.child(case.name).numpy()
        draws = draw(streams, DRAWS, args.people, tuple(range(case.seeds)))
        found = [
            measure(case, panel(case, args.people, args.items, rng), draws, splits) for _ in range(args.replicates)
        ]
        if not head:
            head = list(found[0])
            print("| truth | " + " | ".join(head) + " |\n|---|" + "---:|" * len(head))
        means = [np.mean([f[name] for f in found]) for name in head]
        print(f"| {case.name} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
