"""`vlmunl methods [NAME]`: the unlearning methods that a study can use."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = ("vlmunl methods", "vlmunl methods npo")


def methods(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
) -> None:
    """List the unlearning methods, or explain one: objective, settings, stop rule, source."""
    from dataclasses import asdict

    from vlmunl.commands.listing import pick, table
    from vlmunl.commands.session import globals_of
    from vlmunl.methods.known import METHODS

    out = globals_of(ctx).out
    chosen = pick("method", name, METHODS)
    out.document({"schema": 1, "methods": [asdict(m) for m in chosen]})
    if name is None:
        rows = [(m.name, m.family, m.objective, m.source) for m in chosen]
        out.show(table(("method", "family", "what it minimises", "source"), rows))
        return
    (method,) = chosen
    stop = (
        f"forget NLL above {method.stop.forget_nll:g} for {method.stop.patience} steps"
        if method.stop.forget_nll
        else ""
    )
    settings = [
        ("objective", method.objective),
        ("source", method.source),
        ("starts from", method.start),
        ("settings", ", ".join(f"{k} = {v:g}" for k, v in method.params.items()) or "none of its own"),
        ("training", f"steps = {method.optim.steps}, lr = {method.optim.lr:g}, warmup = {method.optim.warmup}"),
        ("stops early", stop or "never"),
    ]
    out.show(table((method.name, f"{method.family}, version {method.version}"), settings))
