"""The Typer app: global options and the list of subcommands. Nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmunl.commands import (
    aggregate,
    cancel,
    diff,
    doctor,
    eval_,
    fetch,
    gate,
    imprint,
    init,
    logs,
    methods,
    models,
    report,
    routes,
    run,
    show,
    status,
    submit,
    sync,
    tables,
    trace,
    unlearn,
    version,
)
from vlmunl.commands.benchmarks.group import group as benchmarks
from vlmunl.commands.session import Globals
from vlmunl.commands.store.group import group

_HELP = """Does a vision-language model still know the person it was asked to forget?

vlmunl teaches a model fictitious people, checks that it learned them, unlearns some of them, asks in every way it
knows, and reports the way that brought most back.

Global options may stand before or after the subcommand. STUDY is a TOML file, or its name in manifests/.
"""

app = typer.Typer(
    name="vlmunl",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: vlmunl run quick",
)


@app.callback(invoke_without_command=True)
def _globals(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(help="The workspace; default: VLMUNL_WORKSPACE, or found upwards from the current directory."),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="The store; default: VLMUNL_STORE, or store/ in the workspace.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, and what workers print.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    ctx.obj = Globals(workspace=workspace, store=store, json=json, quiet=quiet, debug=debug)
    if show_version:
        version.version(ctx)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")


for _name, _module, _command, _panel in (
    ("init", init, init.init, "Do"),
    ("run", run, run.run, "Do"),
    ("submit", submit, submit.submit, "Do"),
    ("cancel", cancel, cancel.cancel, "Do"),
    ("fetch", fetch, fetch.fetch, "Do"),
    ("imprint", imprint, imprint.imprint, "Do one stage"),
    ("gate", gate, gate.gate, "Do one stage"),
    ("unlearn", unlearn, unlearn.unlearn, "Do one stage"),
    ("eval", eval_, eval_.eval_, "Do one stage"),
    ("aggregate", aggregate, aggregate.aggregate, "Do one stage"),
    ("tables", tables, tables.tables, "Do one stage"),
    ("sync", sync, sync.sync, "Do"),
    ("status", status, status.status, "Look"),
    ("logs", logs, logs.logs, "Look"),
    ("show", show, show.show, "Look"),
    ("trace", trace, trace.trace, "Look"),
    ("diff", diff, diff.diff, "Look"),
    ("report", report, report.report, "Look"),
    ("methods", methods, methods.methods, "Look"),
    ("models", models, models.models, "Look"),
    ("routes", routes, routes.routes, "Look"),
    ("doctor", doctor, doctor.doctor, "Look"),
    ("version", version, version.version, "Look"),
):
    _examples = "\n\n".join(f"$ {line}" for line in _module.EXAMPLES)
    app.command(_name, rich_help_panel=_panel, epilog=f"Examples:\n\n{_examples}")(_command)
app.add_typer(benchmarks, rich_help_panel="Look")
app.add_typer(group, rich_help_panel="Keep")
