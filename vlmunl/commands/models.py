"""`vlmunl models [NAME]`: the families of models that a study can be made on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlmunl.models.known import ModelFamily
    from vlmunl.out import Out

EXAMPLES = ("vlmunl models", "vlmunl models qwen2.5-vl")


def models(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
) -> None:
    """List the families of models that can be taken, or explain one: what differs, and what cannot be had with it."""
    from dataclasses import asdict

    from vlmunl.commands.listing import pick, table
    from vlmunl.commands.session import globals_of
    from vlmunl.models.known import MODELS, cannot, rows, stand_ins

    out = globals_of(ctx).out
    chosen = pick("family of models", name, MODELS)
    plain = [{**asdict(f), "pictures": f.pictures, "tested": stand_ins(f), "cannot": list(cannot(f))} for f in chosen]
    out.document({"schema": 1, "models": plain})
    if name is not None:
        out.show(table((name, chosen[0].title), rows(chosen[0])))
    else:
        _list(out, chosen)


def _list(out: Out, chosen: Sequence[ModelFamily]) -> None:
    from vlmunl.commands.listing import table
    from vlmunl.models.known import ANY

    rows = [(f.name, f.title, f.type or ANY, f.differs) for f in chosen]
    out.show(table(("family", "models", "model type", "what differs"), rows))
    out.line()
    out.line('The embedded model (id = "tiny") is a LLaVA. What fits this machine: vlmunl doctor')
