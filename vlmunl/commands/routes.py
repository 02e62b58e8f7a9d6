"""`vlmunl routes [NAME]`: the ways in which a model is asked; with `--preview`, what a study's send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.commands.session import Session
    from vlmunl.out import Out
    from vlmunl.routes.route import Route

EXAMPLES = (
    "vlmunl routes",
    "vlmunl routes --tier T0 --family few_shot",
    "vlmunl routes text_only",
    "vlmunl routes --markdown",
    "vlmunl routes quick --preview",
    "vlmunl routes quick --preview --family corruption --items 3 --to sheets",
    "vlmunl routes quick --preview --route typographic --set 'routes.set=\"full\"'",
)
NARROW = 120
"""Columns below which family, format, budget and leak stand under what a route does."""


def routes(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="This route alone; with --preview a study.")
    ] = None,
    tier: Annotated[str | None, typer.Option("--tier", metavar="T0..T5", help="Only the routes of this tier.")] = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="NAME", help="Only the routes of this family.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All that is known of them, as a page.")] = False,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Write a contact sheet (HTML, PNG) of what the study's routes send to its model."
        ),
    ] = False,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="With --preview: this route alone.")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=1, help="With --preview: on so many facts.")] = 1,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="With --preview: where to; default: preview/STUDY.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="With --preview: another value of a key.")
    ] = None,
) -> None:
    """List the recovery routes, explain one by an example, or show what those of a study send to its model."""
    from vlmunl.errors import UsageError

    if preview and name is None:
        raise UsageError("--preview is of a study, and none is named", "for example: vlmunl routes quick --preview")
    if preview and name is not None:
        _preview(ctx, name, sets, _Filter(route, tier, family), items, to)
        return
    if to is not None or sets or items != 1 or route is not None:
        raise UsageError(
            "--route, --items, --to and --set are for a contact sheet", "for example: vlmunl routes quick --preview"
        )
    _listed(ctx, _Filter(name, tier, family), markdown=markdown)


class _Filter:
    """Which routes are meant."""

    def __init__(self, name: str | None, tier: str | None, family: str | None) -> None:
        self.name, self.tier, self.family = name, tier, family

    def of(self, known: Sequence[Route]) -> list[Route]:
        """Those of the known ones.

        Raises:
            UsageError: nothing is called so, or it is none of these.
        """
        from vlmunl.commands.listing import pick
        from vlmunl.errors import UsageError

        if self.family is not None:
            pick("route family", self.family, {r.family: r for r in known})
        if self.tier is not None:
            pick("tier", self.tier, {r.tier: r for r in known})
        named = pick("route", self.name, {r.id: r for r in known})
        chosen = [r for r in named if self.family in (None, r.family) and self.tier in (None, r.tier)]
        if not chosen:
            raise UsageError(f"no route of tier {self.tier} is in family {self.family}", "list all: vlmunl routes")
        return chosen


def _listed(ctx: typer.Context, chosen_by: _Filter, *, markdown: bool) -> None:
    from dataclasses import asdict

    from vlmunl.commands.session import globals_of
    from vlmunl.keys import jsonable
    from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
    from vlmunl.routes.explain import rows
    from vlmunl.routes.markdown import page

    out, name = globals_of(ctx).out, chosen_by.name
    known = list((CATALOGUE.own if name in CATALOGUE.builtin else CATALOGUE).values())
    chosen = chosen_by.of(known)
    fields = [
        {**dict(jsonable(asdict(r))), "budget": r.budget, "plugin": CATALOGUE.origin.get(r.id), "about": dict(rows(r))}
        for r in chosen
    ]
    broken = CATALOGUE.broken if name is None else ()
    whole = catalogue_hash(CATALOGUE.own.values())
    out.document({"schema": 2, "catalogue": whole, "routes": fields, "broken": list(broken)})
    if markdown:
        out.line(page(chosen).rstrip("\n"))
    elif name is not None:
        _explain(out, chosen[0], CATALOGUE.origin.get(name))
    else:
        _table(out, chosen, whole)
        for line in broken:
            out.note(line)


def _table(out: Out, chosen: Sequence[Route], catalogue: str) -> None:
    from vlmunl.commands.listing import table

    head: tuple[str, ...] = ("route", "family", "tier", "format", "budget", "what it does", "leak")
    rows: list[tuple[object, ...]] = [
        (r.id, r.family, r.tier, r.format, r.budget, r.description, r.leak) for r in chosen
    ]
    if out.console.width < NARROW:
        head = ("route", "tier", "what it does; family, format, budget, leak")
        rows = [(r.id, r.tier, f"{r.description}\n  {_under(r)}") for r in chosen]
    out.show(table(head, rows))
    out.line()
    out.line(f"{len(chosen)} routes; the built-in catalogue is {catalogue}")


def _under(route: Route) -> str:
    rest = f"; gives away {route.leak}" if route.leak else ""
    return f"{route.family}, {route.format}, {route.budget}{rest}"


def _explain(out: Out, route: Route, plugin: str | None) -> None:
    from vlmunl.commands.listing import table
    from vlmunl.routes.explain import rows

    found = rows(route) + ([("plug-in", plugin)] if plugin is not None else [])
    (_, what), *rest = found
    out.show(table((route.id, what), rest))


def _preview(
    ctx: typer.Context, study: str, sets: list[str] | None, chosen_by: _Filter, items: int, to: Path | None
) -> None:
    """Write `routes.html` and `routes.png`."""
    from vlmunl.commands.session import open_session
    from vlmunl.errors import UsageError
    from vlmunl.routes.catalogue import CATALOGUE
    from vlmunl.routes.preview import chat_of, preview
    from vlmunl.routes.preview_html import page
    from vlmunl.routes.preview_png import sheet
    from vlmunl.workspace import write_file

    session = open_session(ctx, study, sets, write=False)
    if chosen_by.name is not None and chosen_by.name in CATALOGUE and chosen_by.name not in session.plan.routes:
        hint = f"--set 'routes.include=[\"{chosen_by.name}\"]' adds it for this call"
        raise UsageError(f"the study {study} does not ask by the route {chosen_by.name!r}", hint)
    chosen = chosen_by.of([CATALOGUE[r] for r in session.plan.routes])
    benchmark = _benchmark(session)
    title = f"Routes of {session.plan.study.name}, catalogue {session.plan.catalogue[:12]}"
    made = preview(title, chosen, benchmark, chat_of(_model(session)), items)
    folder = to or Path("preview") / session.plan.study.name
    files = {folder / "routes.html": page(made).encode(), folder / "routes.png": sheet(made)}
    for file, data in files.items():
        write_file(file, data)
    shown = len({s.route.id for s in made.shown})
    out = session.out
    written = [str(file) for file in files]
    counts = {"routes": shown, "questions": len(made.shown)}
    out.document({"schema": 1, **counts, "skipped": list(made.skipped), "files": written})
    out.line(f"{len(made.shown)} questions by {shown} routes")
    for file in files:
        out.line(f"  {file}")
    for why in made.skipped:
        out.note(f"not shown: {why}")


def _model(session: Session) -> Path:
    from vlmunl.models.locate import locate

    model = session.plan.study.model
    return locate(model.id, model.revision, session.workspace.root)


def _benchmark(session: Session) -> Benchmark:
    """The study's people: from the store, or read anew."""
    from vlmunl.benchmarks import schema
    from vlmunl.benchmarks.known import KINDS
    from vlmunl.manifests.plan import DATA
    from vlmunl.stage import cell_key
    from vlmunl.stage_types import External
    from vlmunl.stages.configs import DataConfig

    cell = session.plan.by_name[DATA]
    files = {name: given for name, given in cell.inputs.items() if isinstance(given, External)}
    record = session.store.best(cell_key(cell.stage, cell.config, files))
    if record is not None and "benchmark" in record.outputs:
        return schema.load(session.store.path(record.outputs["benchmark"]))
    assert isinstance(cell.config, DataConfig), "of the data stage"
    return KINDS[cell.config.benchmark].read(cell.config, files["source"].path if "source" in files else None)
