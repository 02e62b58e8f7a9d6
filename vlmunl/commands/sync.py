"""`vlmunl sync STUDY`: publish a study on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vlmunl.commands.options import Sets

if TYPE_CHECKING:
    from vlmunl.commands.session import Session
    from vlmunl.hub.client import Hub
    from vlmunl.hub.published import Publication
    from vlmunl.hub.push import Outcome
    from vlmunl.out import Out

EXAMPLES = (
    "vlmunl sync quick --dry-run",
    "vlmunl sync quick --create",
    "vlmunl sync quick --repo me/forgetting --tag paper-v1",
    "vlmunl sync quick --status",
    "vlmunl sync quick --verify --deep",
    "vlmunl sync --pull me/forgetting@paper-v1",
)


def sync(
    ctx: typer.Context,
    study: Annotated[
        str | None,
        typer.Argument(metavar="STUDY", help="A study's name in manifests/, or a path to its TOML file."),
    ] = None,
    sets: Sets = None,
    repo: Annotated[
        str,
        typer.Option(metavar="OWNER/NAME", help="The repository; default: the one that the study names (sync.repo)."),
    ] = "",
    revision: Annotated[str, typer.Option(help="The branch.")] = "main",
    create: Annotated[bool, typer.Option("--create", help="Make the repository or the branch if it is not there.")] = (
        False
    ),
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Who may see it. A new repository is private unless --public.",
            show_default=False,
        ),
    ] = None,
    set_visibility: Annotated[
        bool, typer.Option("--set-visibility", help="Change that of a repository that is there already.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete what lies in the study's folder on the Hub and is not published now."),
    ] = False,
    transport: Annotated[
        Literal["auto", "lfs", "xet"], typer.Option(help="How large files travel; auto: Xet where the Hub has it.")
    ] = "auto",
    tag: Annotated[list[str] | None, typer.Option(help="A tag beside manifest-...; tags are never moved.")] = None,
    allow_secret: Annotated[
        list[str] | None, typer.Option(metavar="RULE:PATH", help="What the secret scan found there is no secret.")
    ] = None,
    force_path: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Replace this file or folder, though somebody else wrote it."),
    ] = None,
    max_retries: Annotated[int, typer.Option(min=0, max=50, help="How often what fails is tried again.")] = 5,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds that the Hub may be silent.")] = 60.0,
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="Another Hub; default: HF_ENDPOINT, or the public one.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the token from it; default: HF_TOKEN, or `hf auth login`.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; write nothing.")] = False,
    pull: Annotated[
        str,
        typer.Option(
            metavar="REPO[@REV]",
            help="Bring a published study here, every byte checked; STUDY only if it holds several.",
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="With --pull: published files take the place of others here.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Is everything on the Hub as it is here? Nothing is downloaded.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="With --verify: download everything and hash it.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say what is published where, and what would change; write nothing.")
    ] = False,
) -> None:
    """Publish what a study's evidence reaches: adapters, rows, results, tables, a model card. One commit, checked.

    What is there already is not sent again. Before any byte leaves, everything is searched for secrets. Records are
    published without host, user and paths. --pull brings a published study here; nothing is overwritten unless --force.
    """
    from vlmunl.commands import sync_reading
    from vlmunl.commands.session import globals_of, open_session
    from vlmunl.hub.client import Hub, find_token
    from vlmunl.hub.preflight import Wishes
    from vlmunl.hub.push import Options
    from vlmunl.hub.scan import Allowed

    def hub_of(name: str, at: str) -> Hub:
        token = find_token(token_file)
        return Hub(repo=name, revision=at, endpoint=endpoint, token=token, timeout=timeout, retries=max_retries)

    _check_together(study, sets, pull=pull, force=force, verify=verify, deep=deep, status=status, dry_run=dry_run)
    if pull:
        sync_reading.pull(globals_of(ctx), study, hub_of, pull, force=force)
        return
    session = open_session(ctx, study or "", sets, write=False)
    hub = hub_of(repo or _repo_of(session), revision)
    if verify:
        sync_reading.verify(session, hub, deep=deep)
        return
    if status:
        sync_reading.status(session, hub)
        return
    options = Options(
        wishes=Wishes(create=create, private=private, set_visibility=set_visibility),
        prune=prune,
        transport=transport,
        tags=tuple(dict.fromkeys(tag or ())),
        allowed=tuple(Allowed.parse(text) for text in allow_secret or ()),
        forced=tuple(force_path or ()),
        dry_run=dry_run,
    )
    _push(session, hub, options)


def _check_together(
    study: str | None,
    sets: list[str] | None,
    *,
    pull: str,
    force: bool,
    verify: bool,
    deep: bool,
    status: bool,
    dry_run: bool,
) -> None:
    """Raise UsageError for options that do not go together."""
    from vlmunl.errors import UsageError

    if sum([bool(pull), verify, status, dry_run]) > 1:
        raise UsageError("--pull, --verify, --status and --dry-run are four different things", "choose one")
    if pull and sets:
        raise UsageError("--set does not go with --pull: a study comes as it was published")
    if force and not pull:
        raise UsageError("--force goes with --pull", "to replace a file on the Hub: --force-path PATH")
    if deep and not verify:
        raise UsageError("--deep goes with --verify")
    if study is None and not pull:
        raise UsageError("which study?", "vlmunl sync STUDY; or, to bring one here: vlmunl sync --pull REPO")


def _repo_of(session: Session) -> str:
    """The study's own repository.

    Raises:
        UsageError: it names none.
    """
    from vlmunl.errors import UsageError

    study = session.plan.study
    if not study.sync.repo:
        raise UsageError(
            f"{study.path} names no repository to publish in",
            'write it into the study: [sync] repo = "owner/name"; or say it: --repo owner/name',
        )
    return study.sync.repo


def _push(session: Session, hub: Hub, options: Any) -> None:
    from vlmunl.commands.byte_progress import ByteProgress
    from vlmunl.hub.push import Push
    from vlmunl.hub.signals import interruptible
    from vlmunl.hub.study import published_study

    out = session.out
    publication = published_study(session.plan, session.store, session.workspace, hub.repo)
    out.line(f"{publication.study}  ->  {hub.shown} on {hub.redact(hub.endpoint)}")
    with interruptible(), ByteProgress(out, hub.repo) as progress:
        push = Push(
            publication=publication,
            hub=hub,
            store=session.store,
            options=options,
            say=out.note,
            progress=lambda verb: progress,
        )
        outcome = push.run()
    _tell(out, hub, publication, outcome)
    out.document(_document(hub, publication, outcome))


def _tell(out: Out, hub: Hub, publication: Publication, outcome: Outcome) -> None:
    from vlmunl.commands.byte_progress import size
    from vlmunl.out import count

    changes = outcome.changes
    for sign, paths in (
        ("+", [file.path for file in changes.add]),
        ("~", [file.path for file in changes.update]),
        ("-", changes.delete),
    ):
        for path in paths if outcome.commit is None else ():
            out.line(f"  {sign} {path}")
    for finding in outcome.warnings:
        out.line(f"  warning: {finding}")
    for kept in publication.inventory.withheld:
        out.line(f"  not published: {kept.output} of {kept.cell}: {kept.reason}")
    for pdf, why in publication.outdated.items():
        out.line(f"  not published: {pdf}: {why}; make it anew: vlmunl tables {publication.study} --pdf")
    seen = "private" if outcome.is_private else "public"
    what = f"{count(len(changes.send), 'file')}, {size(changes.size)}"
    if outcome.commit is None:
        made = "" if outcome.exists else f"; the repository would be made, {seen}"
        out.line(f"would send {what} ({changes}), {len(changes.keep)} unchanged{made}; nothing was written")
        return
    if not outcome.made_commit:
        out.line(f"nothing to do: all {count(len(publication.files), 'file')} are there, as they are here")
    else:
        out.line(f"sent {what} ({changes}) by {outcome.transport}, {len(changes.keep)} unchanged; {seen}")
    out.line(f"commit    {outcome.commit}")
    out.line(f"tag       {publication.tag}")
    out.line(f"look at   {hub.redact(hub.endpoint)}/{hub.repo}/tree/{publication.tag}")


def _document(hub: Hub, publication: Publication, outcome: Outcome) -> dict[str, Any]:
    changes = outcome.changes
    return {
        "schema": 1,
        "study": publication.study,
        "dry_run": outcome.commit is None,
        "endpoint": hub.redact(hub.endpoint),
        "repo": hub.repo,
        "revision": hub.revision,
        "private": outcome.is_private,
        "created": outcome.created,
        "head": changes.head or None,
        "commit": outcome.commit,
        "made_commit": outcome.made_commit,
        "tag": publication.tag,
        "manifest_sha256": publication.manifest_sha256,
        "transport": outcome.transport,
        "add": [file.path for file in changes.add],
        "update": [file.path for file in changes.update],
        "delete": list(changes.delete),
        "unchanged": len(changes.keep),
        "bytes": changes.size,
        "warnings": [str(finding) for finding in outcome.warnings],
        "not_published": [
            *(f"{kept.cell}/{kept.output}" for kept in publication.inventory.withheld),
            *publication.outdated,
        ],
    }
