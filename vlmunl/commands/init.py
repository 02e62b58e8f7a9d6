"""`vlmunl init DIR`: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = ("vlmunl init my-audit", "vlmunl init my-audit --study own-people")


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is not there.")],
    study: Annotated[
        str,
        typer.Option("--study", metavar="NAME", help="Begin with this shipped study: first, quick, own-people, ..."),
    ] = "first",
) -> None:
    """Make a new workspace: a study to begin with, a store, a place for tables. Nothing is overwritten."""
    import shlex

    from vlmunl.commands.session import globals_of
    from vlmunl.new_workspace import begin
    from vlmunl.out import count

    out = globals_of(ctx).out
    begun = begin(folder.expanduser(), study)
    files = [str(path) for path in begun.files]
    out.document({"schema": 1, "folder": str(begun.folder), "study": begun.study, "files": files})
    out.line(f"{count(len(files), 'file')} in {begun.folder}; the study is {begun.folder / 'manifests' / study}.toml")
    out.line(f"  next: cd {shlex.quote(str(begun.folder))} && vlmunl run {begun.study} --dry-run")
