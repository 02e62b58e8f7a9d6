"""`vlmunl routes [NAME]`: the recovery routes, i.e. the ways in which a model is asked."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = ("vlmunl routes", "vlmunl routes --family few_shot", "vlmunl routes text_only")


def routes(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="NAME", help="Only the routes of this family.")
    ] = None,
) -> None:
    """List the recovery routes, or explain one: picture, question, context, source."""
    from dataclasses import asdict

    from vlmunl.commands.listing import pick, table
    from vlmunl.commands.session import globals_of
    from vlmunl.keys import jsonable
    from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash

    out = globals_of(ctx).out
    if family is not None:
        pick("route family", family, {r.family: r for r in CATALOGUE.values()})
    chosen = [r for r in pick("route", name, CATALOGUE) if family in (None, r.family)]
    fields = [jsonable(asdict(r)) for r in chosen]
    out.document({"schema": 1, "catalogue": catalogue_hash(CATALOGUE.values()), "routes": fields})
    if name is None:
        rows = [(r.id, r.family, r.modality, r.tier, r.format, r.description) for r in chosen]
        out.show(table(("route", "family", "modality", "tier", "format", "description"), rows))
        return
    for route in fields:
        rest = [(key, ", ".join(map(str, value)) if isinstance(value, list) else value) for key, value in route.items()]
        out.show(
            table((route["id"], route["description"]), [row for row in rest if row[0] not in ("id", "description")])
        )
