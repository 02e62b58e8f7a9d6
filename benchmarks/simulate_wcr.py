"""Simulate WCR where the truth is known: bias of plug-in and cross-fit, cover of the intervals, power.

    python benchmarks/simulate_wcr.py [--replicates 1000] [--people 16] [--routes 30]
    python benchmarks/simulate_wcr.py --plain [--people 25]      a simpler world, in units of accuracy
    python benchmarks/simulate_wcr.py --pairs                    differences between two models

Answers are made by a latent-Gaussian model: each (person, item) has a difficulty shared by all models and routes,
each model its own part of it, and the rest is noise of the single answer. `docs/wcr.md` quotes the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vlmunl.metrics.compare import difference
from vlmunl.metrics.crossfit import cross_fit, half_splits
from vlmunl.metrics.crossfit import replicates as replicates_of
from vlmunl.metrics.panel import Floats, Panel
from vlmunl.metrics.resample import Draws, draw, interval, max_t, studentised
from vlmunl.rng import Streams

TOLERANCE, LEVEL = 0.10, 0.95
DRAWS, SPLITS = 1000, 100


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How answers come about.

    `guess` and `taught` are the accuracies of gold and imprint. The others are shares of latent variance: of item and
    person, alike for all models, and of item and person for each model by itself. In `accuracy` units nothing is
    divided by headroom.
    """

    guess: float = 0.15
    taught: float = 0.97
    shared_item: float = 0.35
    shared_person: float = 0.10
    own_item: float = 0.15
    own_person: float = 0.10
    accuracy: bool = False


USUAL = Setting()
PLAIN = Setting(guess=0.37, shared_item=0.5, shared_person=0.0, own_item=0.0, own_person=0.0, accuracy=True)
"""Gold at .37, answers to an item correlated at .5, and nothing else: five items a person and 20 routes go with it."""


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


def plain_cases(routes: int) -> list[Case]:
    """Nothing leaks, or one route by .1, .2, .3 of accuracy."""
    return [Case(name=str(size), recovery=_one(routes, size)) for size in (0.0, 0.1, 0.2, 0.3)]


def _one(routes: int, size: float) -> Floats:
    recovery = np.zeros(routes)
    recovery[routes // 4] = size
    return recovery


def panels(
    cases: Sequence[Case], people: int, items: int, rng: np.random.Generator, setting: Setting = USUAL
) -> list[Panel]:
    """Models of one made-up experiment, against one gold: each on every route, the imprint on the trained wording."""
    routes, k, s = len(cases[0].recovery), cases[0].seeds, setting
    shared = np.sqrt(s.shared_item) * rng.standard_normal((1, people, items, 1))
    shared = shared + np.sqrt(s.shared_person) * rng.standard_normal((1, people, 1, 1))

    def answers(p: Floats) -> Floats:
        own = np.sqrt(s.own_item) * rng.standard_normal((k, people, items, 1))
        own = own + np.sqrt(s.own_person) * rng.standard_normal((k, people, 1, 1))
        rest = 1 - s.shared_item - s.shared_person - s.own_item - s.own_person
        latent = shared + own + np.sqrt(rest) * rng.standard_normal((k, people, items, p.shape[1]))
        cut = np.vectorize(NormalDist().inv_cdf)(p)[:, None, None, :]
        right: Floats = (latent < cut).astype(np.float64)
        return right

    leaks = [c.recovery + c.between * (c.recovery > 0) * rng.standard_normal((k, 1)) for c in cases]
    room = 1.0 if s.accuracy else s.taught - s.guess
    mine = [answers(np.clip(s.guess + room * leak, 0.001, 0.999)) for leak in leaks]
    gold = np.full((k, routes), s.guess)
    never = answers(gold)
    taught = rng.random((k, people, items)) < s.taught
    den = np.ones((k, people)) if s.accuracy else (taught - answers(gold[:, :1])[..., 0]).mean(axis=2)
    den = np.repeat(den[:, :, None], routes, axis=2)
    return [Panel(num=(m - never).mean(axis=2), den=den, grain=np.full(routes, 1 / items)) for m in mine]


def panel(case: Case, people: int, items: int, rng: np.random.Generator, setting: Setting = USUAL) -> Panel:
    """One made-up experiment with a single model."""
    return panels([case], people, items, rng, setting)[0]


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
        "percentile cover": _percentile(given, draws, truth),
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


def _percentile(given: Panel, draws: Draws, truth: float) -> bool:
    """Does the plain percentile interval of the largest estimate hold the truth? Nobody should use it."""
    num, den = given.total()
    drawn = ((draws.people @ num) / (draws.people @ den)).max(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return bool(low <= truth <= high)


def table(world: Sequence[Case], sizes: tuple[int, int], replicates: int, streams: Streams, setting: Setting) -> str:
    """A Markdown table with one line per case; `sizes` are people and items."""
    people, items = sizes
    splits, lines, head = half_splits(streams.child("splits"), SPLITS, people), [], []
    for case in world:
        rng, draws = streams.child(case.name).numpy(), draw(streams, DRAWS, people, tuple(range(case.seeds)))
        found = [measure(case, panel(case, people, items, rng, setting), draws, splits) for _ in range(replicates)]
        head = list(found[0])
        means = [np.mean([f[name] for f in found]) for name in head]
        lines.append(f"| {case.name} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    return "\n".join(["| truth | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head), *lines])


def pairs(sizes: tuple[int, int, int], replicates: int, streams: Streams) -> str:
    """Two models against one gold: how often they are told apart, and whether the interval holds their difference."""
    people, items, routes = sizes
    splits = half_splits(streams.child("splits"), SPLITS, people)
    lines = ["| WCR of the two | told apart (p < .05) | cover | bias |", "|---|---:|---:|---:|"]
    for first, second in ((0.0, 0.0), (0.3, 0.3), (0.6, 0.6), (0.6, 0.0), (0.6, 0.3)):
        two = [Case(name="", recovery=_one(routes, first)), Case(name="", recovery=_one(routes, second)[::-1].copy())]
        rng, found = streams.child("pair", str(first), str(second)).numpy(), []
        for _ in range(replicates):
            parts = [replicates_of(p, splits) for p in panels(two, people, items, rng)]
            assert parts[0] is not None, "there are people enough"
            assert parts[1] is not None, "there are people enough"
            d = difference(parts[0], parts[1], LEVEL)
            truth = first - second
            found.append((d["p"] < 0.05, d["low"] <= truth <= d["high"], d["estimate"] - truth))
        means = np.mean(np.array(found, dtype=np.float64), axis=0)
        lines.append(f"| {first}, {second} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print one Markdown line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("replicates", 1000), ("people", 16), ("items", 6), ("routes", 30), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--plain", action="store_true", help="the simpler world: 5 items and 20 routes")
    parser.add_argument("--pairs", action="store_true", help="differences between two models")
    args = parser.parse_args()
    streams = Streams(args.seed).child("simulate")
    if args.pairs:
        print(pairs((args.people, args.items, args.routes), args.replicates, streams))
    elif args.plain:
        print(table(plain_cases(20), (args.people, 5), args.replicates, streams, PLAIN))
    else:
        print(table(list(cases(args.routes)), (args.people, args.items), args.replicates, streams, USUAL))


if __name__ == "__main__":
    main()
