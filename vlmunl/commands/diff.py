"""`vlmunl diff A B`: why two differ."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = (
    "vlmunl diff quick weak-imprint",
    "vlmunl diff manifests/quick.toml manifests/views.toml",
    "vlmunl diff old/run_manifest.json quick --json",
    "vlmunl diff 25f803b7 64215bd7",
    "vlmunl diff unlearn/graddiff/seed0 unlearn/graddiff_wide/seed0 --exit-code",
)

_WHAT = "A study, a run manifest (file or folder), a study file (.toml), or a record (a run key's beginning, a cell)."
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if they differ, as git does.")]


def diff(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one, of the same kind.")],
    exit_code: ExitCode = False,
) -> None:
    """Say why two run manifests, studies or records differ: settings, cells and what follows from them, numbers.

    A study's name stands for its run manifest, or for its study file where one of the two has not run yet. Exit code
    0, whether they differ or not; with --exit-code 1 if they do. When and where something was made is no difference.
    """
    from vlmunl.commands.session import globals_of
    from vlmunl.commands.show import find_records
    from vlmunl.trail import sides
    from vlmunl.trail.diff_render import render
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace, a)
    found = sides.diff(a, b, workspace, open_store(options.store, workspace, create=False), find_records)
    options.out.document(found.to_json())
    options.out.show(render(found))
    raise typer.Exit(1 if exit_code and found.any else 0)
