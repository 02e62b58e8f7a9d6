"""Stage `tables`: the verified results as tables, figures, number macros and claims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlmunl.latex.ablations_table import ablations_table
from vlmunl.latex.adaptive_table import adaptive_table, has_attacker
from vlmunl.latex.claims import claims_csv, claims_markdown, claims_tex
from vlmunl.latex.comparisons_table import comparisons_table
from vlmunl.latex.extras import Extras, read_curves
from vlmunl.latex.figures import FIGURES, write_figure
from vlmunl.latex.gap_table import gap_table
from vlmunl.latex.gate_table import gate_table
from vlmunl.latex.macros import numbers_tex
from vlmunl.latex.main_table import main_table
from vlmunl.latex.named_table import named_table
from vlmunl.latex.own_table import own_table
from vlmunl.latex.read import read_results
from vlmunl.latex.results import Results
from vlmunl.latex.routes_table import routes_table
from vlmunl.latex.seeds_table import of_rows, seeds_table
from vlmunl.latex.table import Table
from vlmunl.latex.tiers_table import tiers_table
from vlmunl.latex.utility_table import utility_table
from vlmunl.latex.writers import WRITERS

if TYPE_CHECKING:
    from vlmunl.keys import JSON
    from vlmunl.latex.table import Table
    from vlmunl.stage import Context
    from vlmunl.stages.configs import TablesConfig

TABLES = {
    "main": main_table,
    "gap": gap_table,
    "routes": routes_table,
    "gate": gate_table,
    "utility": utility_table,
    "named": named_table,
}


def tables_of(results: Results) -> dict[str, Table]:
    """The tables of a study that its results alone make, by name: those that all have, and of what only some have."""
    made = {name: build(results) for name, build in TABLES.items()}
    if any(row.versus for row in results.rows):
        made["comparisons"] = comparisons_table(results)
    if results.further:
        made["tiers"] = tiers_table(results)
    if has_attacker(results):
        made["adaptive"] = adaptive_table(results)
    if results.own:
        made["own"] = own_table(results)
    return made


def run(config: TablesConfig, ctx: Context) -> Mapping[str, JSON]:
    """Write the directory `generated`; the metrics count what is in it.

    Raises:
        VlmunlError: the verified results cannot be read.
        StudyError: two figures would share a macro.
    """
    results = read_results(ctx.input("results"))
    extras = _extras(config, ctx, results)
    folder = ctx.out / "generated"
    folder.mkdir(parents=True)
    total = 1 + (len(FIGURES) if config.figures else 0)
    ctx.progress(0, total, "tables")
    texts = _texts(results, extras, config.only)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    ctx.progress(1, total, "")
    drawn = _draw(results, extras, folder, ctx, total) if config.figures else 0
    return {
        "tables": sum(f"{name.removesuffix('.csv')}.html" in texts for name in texts if name.endswith(".csv")),
        "figures": drawn,
        "files": len(texts) + 2 * drawn,
        "macros": texts["numbers.tex"].count("\n\\vlmdef"),
        "rows": len(results.rows),
        "claims": len(results.claims),
    }


def _extras(config: TablesConfig, ctx: Context, results: Results) -> Extras:
    """What is beside the results; figures from rows only where the rows are given."""
    by_seed, power = of_rows(results), None
    if config.together is not None and "manifest" in ctx.paths:
        from vlmunl.metrics.by_seed import supplement
        from vlmunl.stages.aggregate import given

        routes, evidence, tables = given(config.together, ctx)
        several = len(results.seeds) > 1
        found = supplement(
            config.together,
            evidence,
            routes,
            tables,
            several=several,
            said=lambda done, of: ctx.progress(done, of, "seeds"),
        )
        by_seed, power = found["seeds"] if several else by_seed, found["power"]
    return Extras(variants=config.variants, by_seed=by_seed, power=power, curves=read_curves(ctx.paths))


def _texts(results: Results, extras: Extras, only: tuple[str, ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    made = tables_of(results) | {"seeds": seeds_table(results, extras.by_seed)}
    if extras.variants:
        made["ablations"] = ablations_table(results, extras.variants)
    for name, table in made.items():
        if not only or name in only:
            texts |= {f"{name}.{suffix}": write(table) for suffix, write in WRITERS.items()}
    return texts | {
        "numbers.tex": numbers_tex(results),
        "claims.tex": claims_tex(results),
        "claims.md": claims_markdown(results),
        "claims.csv": claims_csv(results),
    }


def _draw(results: Results, extras: Extras, folder: Path, ctx: Context, total: int) -> int:
    drawn = 0
    for i, name in enumerate(FIGURES):
        ctx.progress(1 + i, total, name)
        drawn += len(write_figure(name, results, extras, folder)) // 2
    ctx.progress(total, total, "")
    return drawn
