"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

StudyArg = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name in manifests/, or a path to its TOML file.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key of the study, e.g. methods.npo.lr=3e-4. Repeatable."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="CELLS", help="Only these: a cell's name or its beginning (eval/npo). Repeatable."),
]
Seeds = Annotated[list[int] | None, typer.Option("--seed", metavar="N", help="Only this seed's cells. Repeatable.")]
Methods = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="Only this row of the study's results. Repeatable.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run and why; run nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Run the chosen cells even if they have a result.")]
Here = Annotated[bool, typer.Option("--here", help="Compute even if this is a login node and the model is large.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", min=1, metavar="N", help="Worker processes. Default: one per accelerator, else one per core."
    ),
]
