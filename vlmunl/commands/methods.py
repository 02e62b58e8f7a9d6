"""`vlmunl methods [NAME]`: the unlearning methods that a study can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlmunl.methods.specs import Method
    from vlmunl.out import Out

NARROW = 110
"""Columns below which needs and family stand under the objective."""
EXAMPLES = ("vlmunl methods", "vlmunl methods npo", "vlmunl methods --markdown")


def methods(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All that is known of them, as a page.")] = False,
) -> None:
    """List the unlearning methods, or explain one: terms, views, caches, settings, stop rule, cost, how it fails."""
    from dataclasses import asdict

    from vlmunl.commands.listing import pick
    from vlmunl.commands.session import globals_of
    from vlmunl.errors import StudyError
    from vlmunl.methods import costs, explain
    from vlmunl.methods.known import METHODS
    from vlmunl.methods.markdown import page

    out = globals_of(ctx).out
    picked = pick("method", name, METHODS)
    broken = [*METHODS.broken, *filter(None, map(explain.problem, picked))]
    chosen = [m for m in picked if explain.problem(m) is None]
    if name is not None and not chosen:
        raise StudyError(broken[-1], "repair the plug-in that declares it")
    plain = [{**asdict(m), "plugin": METHODS.origin.get(m.name), **explain.document(m)} for m in chosen]
    out.document({"schema": 2, "methods": plain, "assumed": costs.ASSUMED, "broken": broken})
    if markdown:
        out.line(page(chosen).rstrip("\n"))
        return
    if name is not None:
        _explain(out, chosen[0], METHODS.origin.get(name))
        return
    _list(out, chosen)
    for line in broken:
        out.note(line)


def _list(out: Out, chosen: Sequence[Method]) -> None:
    """One table for each kind of method, by family."""
    from vlmunl.commands.listing import table
    from vlmunl.methods import costs, explain
    from vlmunl.methods.specs import FAMILIES

    for kind, title in explain.KINDS.items():
        mine = sorted((m for m in chosen if explain.kind_of(m) == kind), key=lambda m: FAMILIES.index(m.family))
        if not mine:
            continue
        out.line(title)
        if out.console.width < NARROW:
            rows = [(m.name, str(costs.cost(m)), f"{m.objective}\n{_under(m)}") for m in mine]
            out.show(table(("method", "cost", "what it minimises; family, needs"), rows))
        else:
            wide = [(m.name, m.family, str(costs.cost(m)), explain.needs_in_short(m), m.objective) for m in mine]
            out.show(table(("method", "family", "cost", "needs", "what it minimises"), wide))
        out.line()
    out.show(costs.ASSUMED)


def _under(method: Method) -> str:
    from vlmunl.methods import explain

    needs = explain.needs_in_short(method)
    return f"  {method.family}, needs {needs}" if needs else f"  {method.family}"


def _explain(out: Out, method: Method, plugin: str | None) -> None:
    """One method, line by line."""
    from vlmunl.commands.listing import table
    from vlmunl.methods import explain

    rows = explain.rows(method) + ([("plug-in", plugin)] if plugin is not None else [])
    out.show(table((method.name, f"{method.family}, version {method.version}"), rows))
