"""Stage `eval`: ask one model every question of every route, on the people to forget and on matched controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vlmunl.benchmarks import schema
from vlmunl.errors import StudyError
from vlmunl.models import adapters
from vlmunl.models.vlm import VLM, load
from vlmunl.routes.catalogue import CATALOGUE, Route, catalogue_hash
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import questions
from vlmunl.stages.rows import Asked, Row, of_general, of_question, score_rows, write_rows

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.stage import Context
    from vlmunl.stages.configs import EvalConfig


def run(config: EvalConfig, ctx: Context) -> Mapping[str, object]:
    """Write `rows.parquet`; the metrics count the rows and give each route's accuracy on the people to forget.

    Raises:
        StudyError: a route is not known, or the catalogue is not the one the study was planned with.
    """
    routes = _routes(config)
    benchmark, vlm = schema.load(ctx.input("benchmark")), load(ctx.input("base"))
    for name in ("adapter0", "adapter1"):
        if name in ctx.inputs:
            vlm = VLM(adapters.merge(vlm.model, ctx.input(name)), vlm.processor)
    pictures = Pictures(benchmark.retain)
    asked = [*_on_people(routes, benchmark, pictures), *_general(benchmark, pictures)]
    rows = score_rows(
        vlm,
        asked,
        pictures,
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
        progress=ctx.progress,
    )
    write_rows(rows, ctx.out / "rows.parquet")
    return {"rows": len(rows), "routes": len(routes), "accuracy": _accuracy(rows)}


def _routes(config: EvalConfig) -> tuple[Route, ...]:
    unknown = [r for r in config.routes if r not in CATALOGUE]
    if unknown:
        raise StudyError(f"unknown routes: {', '.join(unknown)}", "list them with: vlmunl routes")
    routes = tuple(CATALOGUE[r] for r in config.routes)
    if (found := catalogue_hash(routes)) != config.catalogue:
        raise StudyError(f"the study was planned with catalogue {config.catalogue}, this version has {found}")
    return routes


def _on_people(routes: tuple[Route, ...], benchmark: Benchmark, pictures: Pictures) -> Iterator[Asked]:
    helpers = benchmark.retain[-8:]  # examples come from people who are no controls, where there are enough
    for identity in (*benchmark.forget, *benchmark.controls):
        for route in routes:
            for question in questions(route, identity, helpers):
                yield of_question(question, pictures, identity.split)


def _general(benchmark: Benchmark, pictures: Pictures) -> Iterator[Asked]:
    numbers: dict[str, int] = {}
    for item in benchmark.general:
        numbers[item.group] = numbers.get(item.group, -1) + 1
        yield of_general(item, numbers[item.group], pictures)


def _accuracy(rows: list[Row]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for row in rows:
        name = row["route"] if row["split"] == "forget" else f"{row['split']}.{row['attribute']}"
        if row["split"] != "retain":
            scores.setdefault(name, []).append(row["score"])
    return {name: round(sum(values) / len(values), 6) for name, values in scores.items()}
