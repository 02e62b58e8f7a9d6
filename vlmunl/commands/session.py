"""What every command on a study begins with: workspace, store, study, plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmunl.out import Out

if TYPE_CHECKING:
    import typer

    from vlmunl.manifests.plan import Cell, Plan
    from vlmunl.store import Store
    from vlmunl.workspace import Workspace

Chosen = Callable[["Cell"], bool]


@dataclass(frozen=True, kw_only=True)
class Globals:
    """The global options."""

    workspace: Path | None = None
    store: Path | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False

    @property
    def out(self) -> Out:
        """A new output sink."""
        return Out(as_json=self.json, quiet=self.quiet)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A study that is loaded and planned, and the store that its cells live in."""

    options: Globals
    out: Out
    workspace: Workspace
    store: Store
    plan: Plan


def globals_of(ctx: typer.Context) -> Globals:
    """The global options of this call."""
    found = ctx.find_object(Globals)
    return found if found is not None else Globals()


def open_session(ctx: typer.Context, study: str, sets: Sequence[str] | None = None, *, write: bool) -> Session:
    """Load and plan STUDY. With `write` the store is made if there is none; without, a missing one counts as empty.

    Raises:
        StudyError: the study is not there or not valid.
        UsageError: there is no workspace, or the store is something else.
        MissingInput: the base model is not on this machine.
    """
    from vlmunl.manifests.external import base_model, outside
    from vlmunl.manifests.load import load_study
    from vlmunl.manifests.plan import plan
    from vlmunl.workspace import find_workspace, open_store, study_path

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace, study)
    loaded = load_study(study_path(study, workspace), sets or ())
    planned = plan(loaded, base_model(loaded, workspace.root), outside=outside(loaded, workspace.root))
    store = open_store(options.store, workspace, create=write)
    return Session(options=options, out=options.out, workspace=workspace, store=store, plan=planned)


def headline(plan: Plan) -> str:
    """`quick  tiny + 48 fictitious people (16 to forget), 2 seeds, 7 methods, 25 routes (catalogue 8c1f…)`.

    Of another benchmark its split: `tiny + 600 identities of mllmu forget_10 (50 to forget), ...`.
    """
    from vlmunl.benchmarks.known import KINDS
    from vlmunl.manifests.checks import is_built_in
    from vlmunl.out import count

    study, b = plan.study, plan.study.benchmark
    who = f"{b.people} {b.id} people"
    if (kind := KINDS.get(b.id)) is not None and not is_built_in(b):
        who = f"{b.people} identities of {b.id} {kind.split(b.split)}".rstrip()
    parts = [
        f"{study.name}  {study.model.id} + {who} ({b.forget} to forget)",
        count(len(study.study.seeds), "seed"),
        count(len(study.methods), "method"),
        f"{count(len(plan.routes), 'route')} (catalogue {plan.catalogue[:4]}…)",
    ]
    return ", ".join(parts)


def chooser(
    plan: Plan,
    *,
    only: Sequence[str] | None = None,
    stages: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    rows: Sequence[str] | None = None,
) -> Chosen:
    """Which cells are meant. `only` names cells or their beginnings (`eval`, `imprint/gold`, `meta/`); cells without a
    seed or a row of their own stay in when seeds or rows are given, but for probes that none of these rows asks for.

    Raises:
        UsageError: a name or a number fits no cell of the study.
    """
    names = [cell.name for cell in plan.cells if not stages or cell.kind in stages]
    for text in only or ():
        if not any(below(name, text) for name in names):
            raise no_cell("--only", text, {part for name in names for part in _beginnings(name)})
    for seed in seeds or ():
        if seed not in plan.study.study.seeds:
            raise no_cell("--seed", str(seed), map(str, plan.study.study.seeds))
    known = {cell.row for cell in plan.cells if cell.row is not None and (not stages or cell.kind in stages)}
    for row in rows or ():
        if row not in known:
            raise no_cell("--method", row, known)

    asked = {name for cell in plan.cells if cell.row in (rows or ()) for name in cell.needs}

    def of_rows(cell: Cell) -> bool:
        if cell.row is not None or not rows:
            return not rows or cell.row in rows
        return cell.stage.name != "probe" or cell.name in asked

    def chosen(cell: Cell) -> bool:
        return (
            (not only or any(_meant(cell.name, text, plan) for text in only))
            and (not stages or cell.kind in stages)
            and (not seeds or cell.seed is None or cell.seed in seeds)
            and of_rows(cell)
        )

    return chosen


def _meant(name: str, text: str, plan: Plan) -> bool:
    """A cell's full name means that cell alone, though the names of others may begin with it."""
    return name == text if text in plan.by_name else below(name, text)


def below(name: str, beginning: str) -> bool:
    """Is it this cell, or one whose name begins with it?"""
    beginning = beginning.rstrip("/")
    return name == beginning or name.startswith(f"{beginning}/")


def _beginnings(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def no_cell(option: str, text: str, known: object) -> Exception:
    """The error for a name that fits nothing, with the nearest that are known."""
    from collections.abc import Iterable
    from difflib import get_close_matches

    from vlmunl.errors import UsageError

    names = sorted(str(k) for k in known) if isinstance(known, Iterable) else []
    near = get_close_matches(text, names, n=3, cutoff=0.5)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {listed}"
    return UsageError(f"{option} {text!r} fits no cell of this study", hint)
