"""Stage `eval`: ask one model every question of every route, on the people to forget and on matched controls.

People whom no model was ever taught are asked what membership inference compares with: the canonical question, and
those of routes that score a membership statistic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vlmunl.benchmarks import schema
from vlmunl.benchmarks.known import KINDS
from vlmunl.benchmarks.schema import Judge
from vlmunl.errors import StudyError
from vlmunl.models.scoring.decodings import MEMBERSHIP, decoding
from vlmunl.routes.asking import CANONICAL, Asking
from vlmunl.routes.catalogue import CATALOGUE, Route, catalogue_hash
from vlmunl.routes.pictures import Pictures
from vlmunl.stages import sides
from vlmunl.stages.asked_model import asked_model
from vlmunl.stages.rows import Asked, Row, invalid_splits, of_general, of_question, score_rows, write_rows

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.stage import Context
    from vlmunl.stages.configs import AttackConfig, ChanceConfig, EvalConfig


def run(config: EvalConfig, ctx: Context) -> Mapping[str, object]:
    """Write `rows.parquet`; the metrics count the rows, give each route's accuracy on the people to forget, and say
    which routes could not be asked (`vlmunl.routes.asking`).

    Raises:
        StudyError: a route is not known, the catalogue is not the one the study was planned with, or the canonical
            question cannot be asked.
    """
    routes = routes_of(config)
    benchmark = schema.load(ctx.input("benchmark"))
    vlm, intervention = asked_model(ctx, config.loading)
    pictures = Pictures(benchmark.retain)
    asking = Asking(benchmark, routes, sides.people(benchmark, config.tuning, config.side).forget)
    asked = [*_on_people(asking, config, benchmark, pictures), *_general(config, benchmark, pictures)]
    if benchmark.name in KINDS and KINDS[benchmark.name].metrics:
        asked = [replace(one, further=True) for one in asked]
    rows = score_rows(
        vlm,
        asked,
        pictures,
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
        progress=ctx.progress,
        keep=ctx.keep,
        intervention=intervention,
    )
    write_rows(rows, ctx.out / "rows.parquet")
    told = {"rows": len(rows), "routes": len(asking.routes), "accuracy": accuracy(rows), **asking.told()}
    return told | {"warnings": invalid_splits(rows)}


def routes_of(config: EvalConfig | AttackConfig | ChanceConfig) -> tuple[Route, ...]:
    """The routes that a cell asks by, as the study was planned with. Raises `StudyError` if they are others now."""
    unknown = [r for r in config.routes if r not in CATALOGUE]
    if unknown:
        raise StudyError(f"unknown routes: {', '.join(unknown)}", "list them with: vlmunl routes")
    routes = tuple(CATALOGUE[r] for r in config.routes)
    if (found := catalogue_hash(routes)) != config.catalogue:
        raise StudyError(f"the study was planned with catalogue {config.catalogue}, this version has {found}")
    return routes


def _on_people(asking: Asking, config: EvalConfig, benchmark: Benchmark, pictures: Pictures) -> Iterator[Asked]:
    side = sides.people(benchmark, config.tuning, config.side)
    routes = asking.routes
    canonical = asking.always(CATALOGUE[CANONICAL])
    # Trials are chosen by utility alone where retained people are concerned, which is that of the canonical question.
    on_controls = routes if config.side == "report" else canonical
    on_strangers = canonical if CANONICAL in config.routes else ()
    compared = tuple(route for route in routes if decoding(route.decoding).kind in MEMBERSHIP)
    groups = (
        (side.forget, side.split, routes),
        (side.controls, "retain", on_controls),
        (side.unseen, "unseen", on_strangers),
        (benchmark.unseen, "unseen", compared),  # on both sides: nobody is chosen or reported by these rows
    )
    for identities, split, ways in groups:
        yield from (of_question(question, pictures, split) for question in asking.of(identities, ways))


def _general(config: EvalConfig, benchmark: Benchmark, pictures: Pictures) -> Iterator[Asked]:
    judges = {fact.judge for identity in benchmark.identities for fact in identity.facts}
    how: Judge = "rouge" if "rouge" in judges else "answer"  # where answers are sentences, those to these are too
    for number, item in sides.general(benchmark, config.tuning, config.side):
        yield of_general(item, number, pictures, how)


def accuracy(rows: list[Row]) -> dict[str, float]:
    """The mean score of each route on the people to forget, and of each general skill."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        name = f"general.{row['attribute']}" if row["split"] == "general" else row["route"]
        if row["split"] in ("forget", sides.TUNING, "general"):
            scores.setdefault(name, []).append(row["score"])
    return {name: round(sum(values) / len(values), 6) for name, values in scores.items()}
