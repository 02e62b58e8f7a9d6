"""`vlmunl trace STUDY NAME`: where a number comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmunl.commands.options import StudyArg

EXAMPLES = (
    "vlmunl trace quick npo.wcr",
    "vlmunl trace quick npo.wcr --rows 5",
    "vlmunl trace quick '\\vlmunl{npo.canonical.high}'",
    "vlmunl trace quick main/npo/utility --json",
    "vlmunl trace quick summary:16",
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A figure as claims name it (npo.wcr.lower), a macro of the paper (\\vlmunl{npo.wcr}), a table's cell "
        "(main/npo/wcr: table, line, CSV column; seeds/npo/0/wcr: at one seed), a line of the summary (summary:16), "
        "or a place in verified_results.json (seeds.0.gate.open.headroom).",
    ),
]
Rows = Annotated[int, typer.Option("--rows", min=0, metavar="N", help="Show N of the questions with their answers.")]
Depth = Annotated[
    int | None,
    typer.Option("--depth", min=0, metavar="N", help="Follow records at most N steps up. Default: to the data."),
]


def trace(ctx: typer.Context, study: StudyArg, name: Name, rows: Rows = 0, depth: Depth = None) -> None:
    """Show everything behind one number: records, objects, study file, seeds, code, prompts and pictures.

    The number is the one of the published results, manifests/STUDY/verified_results.json. Exit code 1: they are not
    there, or no record of the store wrote them; 2: no figure of that name; 5: something behind it is missing.
    """
    from vlmunl.commands.session import globals_of
    from vlmunl.trail.origin import RESULTS, open_origin
    from vlmunl.trail.render import render
    from vlmunl.trail.trace import published
    from vlmunl.trail.trace import trace as follow
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace, study)
    title, path, folder = published(study, workspace)
    origin = open_origin(open_store(options.store, workspace, create=False), folder, study)
    found = follow(origin, name, study=title, study_path=path, results_path=folder / RESULTS, rows=rows, depth=depth)
    options.out.document(found.to_json())
    options.out.show(render(found))
    raise typer.Exit(5 if found.problems else 0)
