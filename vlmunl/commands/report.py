"""`vlmunl report STUDY`: one HTML file with everything that a reader wants to see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmunl.commands.options import StudyArg

EXAMPLES = (
    "vlmunl report quick",
    "vlmunl report quick --out quick.html",
    "vlmunl report quick --out quick.html --examples 12",
)

OutFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The HTML file to write. Default: STUDY-report.html here.")
]
Shown = Annotated[
    int, typer.Option("--examples", min=0, max=200, metavar="N", help="Examples of answers for each method.")
]
Items = Annotated[
    int,
    typer.Option(
        "--items",
        min=0,
        metavar="N",
        help="Questions for the comparison of two models; of more, N are drawn at random, and the page says so.",
    ),
]


def report(
    ctx: typer.Context, study: StudyArg, out: OutFile = None, examples: Shown = 6, items: Items = 50_000
) -> None:
    """Write the published results as one HTML file: verdicts, charts, answers, and the record behind each number.

    It needs no network and nothing beside itself. Exit code 4: cells are pending, or there are no results yet; the
    page then says what is missing and what to type.
    """
    from vlmunl.commands.session import globals_of
    from vlmunl.report.make import report as make
    from vlmunl.workspace import find_workspace, open_store

    options = globals_of(ctx)
    workspace = find_workspace(options.workspace, study)
    made = make(study, workspace, open_store(options.store, workspace, create=False), out, examples, items)
    options.out.document(made.to_json())
    for line in made.told():
        options.out.line(line)
    raise typer.Exit(made.exit_code)
