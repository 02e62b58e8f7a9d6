"""How long the statistics of a study take, and how many times as long a plain loop over draws does.

    python benchmarks/statistics_speed.py [--methods 12] [--people 75] [--routes 40] [--draws 5000] [--seeds 1]

Both compute the studentised deviations of every route in every draw; the loop resamples people by index, one draw and
one method at a time, and its figures are held against the others. It runs `--loop` draws; its time is scaled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from vlmunl.metrics.compare import difference, holm
from vlmunl.metrics.panel import Floats, Panel
from vlmunl.metrics.resample import Draws, draw, studentised
from vlmunl.metrics.wcr import Resampler, worst_case
from vlmunl.rng import Streams
from vlmunl.stages.configs import Statistics

ITEMS = 6
Made = TypeVar("Made")


def panels(args: argparse.Namespace, rng: np.random.Generator) -> list[Panel]:
    """Made-up methods against one gold."""
    shape = (args.seeds, args.people, ITEMS, args.routes)
    gold = rng.random(shape) < 0.15
    den = np.repeat((0.97 - gold[..., :1]).mean(axis=2), args.routes, axis=2)
    made = []
    for leak in rng.random(args.methods):
        chance = np.where(np.arange(args.routes) == 3, 0.15 + 0.8 * leak, 0.15)
        num = ((rng.random(shape) < chance).astype(np.float64) - gold).mean(axis=2)
        made.append(Panel(num=num, den=den, grain=np.full(args.routes, 1 / ITEMS)))
    return made


def by_loop(given: Panel, draws: Draws, count: int) -> Floats:
    """[count, routes] studentised deviations, draw by draw."""
    num, den = given.total()
    start, rows = _ratio(num, den, given.grain)[0], []
    for b in range(count):
        num, den = given.collapse(draws.seeds[b])
        who = np.repeat(np.arange(given.people), draws.people[b].astype(np.int64))
        again, error = _ratio(num[who], den[who], given.grain)
        rows.append((again - start) / error)
    return np.array(rows)


def _ratio(num: Floats, den: Floats, grain: Floats) -> tuple[Floats, Floats]:
    below, n = den.sum(axis=0), len(num)
    ratio: Floats = num.sum(axis=0) / below
    spread = np.sqrt(np.maximum(np.square(num - ratio * den).sum(axis=0) * n / (n - 1), grain**2))
    return ratio, spread / below


def main() -> None:
    """Print a line per part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    sizes = (("methods", 12), ("people", 75), ("routes", 40), ("draws", 5000), ("seeds", 1), ("loop", 300))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    rng, seeds = np.random.default_rng(0), tuple(range(args.seeds))
    made = panels(args, rng)
    resampler = Resampler(Statistics(draws=args.draws), args.people)
    print(f"{args.methods} methods, {args.routes} routes, {args.people} people, {args.seeds} seeds, {args.draws} draws")
    draws = draw(Streams(0), args.draws, args.people, seeds)
    boots, fast = _timed(lambda: [studentised(panel, draws) for panel in made])
    slow_rows, slow = _timed(lambda: [by_loop(panel, draws, args.loop) for panel in made])
    slow *= args.draws / args.loop
    apart = max(float(np.abs(b.deviations[: args.loop] - r).max()) for b, r in zip(boots, slow_rows, strict=True))
    print(f"  bootstrap              {fast:7.2f} s")
    print(f"  the same in a loop     {slow:7.2f} s ({args.loop} draws, scaled): {slow / fast:.1f} times as long")
    print(f"  largest difference     {apart:.1e}")
    everything = np.ones(args.routes, dtype=bool)
    worst, took = _timed(lambda: [worst_case(p, resampler.bootstrap(p, seeds), everything, resampler) for p in made])
    print(f"  worst case, all three  {took:7.2f} s (plug-in, cross-fit with jackknife, max-T bounds)")
    parts = [w.parts for w in worst if w is not None and w.parts is not None]
    both, took = _timed(lambda: [difference(a, b, 0.95) for i, a in enumerate(parts) for b in parts[i + 1 :]])
    holm([d["p"] for d in both])
    print(f"  {len(both)} paired differences   {took:7.3f} s")


def _timed(work: Callable[[], Made]) -> tuple[Made, float]:
    """What the work gives, and the processor's seconds that it took."""
    start = time.process_time()
    done = work()
    return done, time.process_time() - start


if __name__ == "__main__":
    main()
