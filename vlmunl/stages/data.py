"""Stage `data`: make or read the benchmark and store it as one object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vlmunl.benchmarks import fictitious, schema
from vlmunl.errors import StudyError

if TYPE_CHECKING:
    from vlmunl.stage import Context
    from vlmunl.stages.configs import DataConfig


def run(config: DataConfig, ctx: Context) -> Mapping[str, object]:
    """Write `benchmark.parquet`; the metrics count what is in it.

    Raises:
        StudyError: if the benchmark is unknown or its numbers do not fit.
    """
    if config.benchmark != "fictitious":
        raise StudyError(f"benchmark {config.benchmark!r} is not known", "known: fictitious")
    ctx.progress(0, 1, "drawing people")
    try:
        benchmark = fictitious.build(config)
    except ValueError as error:
        raise StudyError(f"[benchmark] {error}") from error
    schema.save(benchmark, ctx.out / "benchmark.parquet")
    ctx.progress(1, 1, "")
    facts = len(benchmark.identities[0].facts)
    return {
        "forget": len(benchmark.forget),
        "retain": len(benchmark.retain),
        "facts": facts,
        "items": facts * len(benchmark.identities),
        "photos": sum(len(i.photos) for i in benchmark.identities),
        "replay": len(benchmark.replay),
        "general": len(benchmark.general),
    }
