"""The commands and their options; each command's work is in its own module.

Laws:
- A command imports only what it needs: `interlock chat` doesn't wait for the server's libraries.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interlock.cli.exits import ExitCode
from interlock.cli.people_commands import clients, groups, notify, users
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption, finish
from interlock_protocol.types import RunStatus

app = typer.Typer(
    name="interlock",
    help="Workflows that wait for a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def chat(
    workflow: Annotated[str | None, typer.Argument(metavar="WORKFLOW", help="The workflow to start.")] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="What to say to it.", metavar="TEXT", show_default=False)
    ] = None,
    message_json: Annotated[
        str | None,
        typer.Option("--message-json", help="What to say to it, as JSON.", metavar="JSON", show_default=False),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            help="A file with what to say to it: as JSON if its name ends in .json, else as text. - is the input.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    session: Annotated[str | None, typer.Option("--session", help="The session it belongs to.", metavar="ID")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Where the run is to be.", metavar="NAME", show_default=False)
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Join this run instead.", metavar="RUN")] = None,
    represented: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            help="As an admin, answer what asks this user; may be given more than once.",
            metavar="USER",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why you answer for them.", metavar="TEXT", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Start a run (or join one), watch it, and answer what it asks."""
    from interlock.cli.chat import Chat, Represented
    from interlock.cli.lines import Lines
    from interlock.cli.messages import message_of

    if (workflow is None) == (run is None):
        raise typer.BadParameter("name either a WORKFLOW to start, or a --run to join")
    if bool(represented) != bool(reason) or not all(represented or ()):
        raise typer.BadParameter("give --as and --reason together: whom you answer for, and why")
    said = message_of(message, message_json, file)
    target = Target.find(url, token)
    command = Chat(target, Console(highlight=False), Lines(), Represented(tuple(represented or ()), reason or ""))
    try:
        if run is not None:
            finish(lambda: command.join(run), target)
        else:
            finish(lambda: command.start(workflow or "", said, session, namespace), target)
    except KeyboardInterrupt:
        raise typer.Exit(command.leave()) from None


@app.command()
def follow(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    first: Annotated[int, typer.Option("--from", help="The first event to show.", metavar="INDEX", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as JSON.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Print the events of a run, one line each, until it ends."""
    from interlock.cli.follow import Follow

    target = Target.find(url, token)
    command = Follow(target, run, first=first, as_json=as_json, out=sys.stdout, err=sys.stderr)
    try:
        finish(command.to_the_end, target)
    except KeyboardInterrupt:
        raise typer.Exit(command.leave()) from None


@app.command()
def signal(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="What the signal is called.")],
    payload: Annotated[
        str | None, typer.Argument(metavar="[JSON]", help="What comes with it, as JSON.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            help="A file with what comes with it: as JSON if its name ends in .json, else as text. - is the input.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="With the same key it is sent once.", metavar="KEY", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Send a signal to a run, and print its id."""
    from interlock.cli.signal import send

    target = Target.find(url, token)
    finish(lambda: send(target, run, topic, payload, file, key, out=sys.stdout), target)


@app.command()
def inbox(
    item: Annotated[
        str | None,
        typer.Argument(metavar="[ITEM]", help="The address of one, to show or to decide.", show_default=False),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="Only in this namespace.", metavar="NAME", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve it.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Reject it.")] = False,
    answer: Annotated[
        str | None, typer.Option("--answer", help="Answer it, with an object.", metavar="JSON", show_default=False)
    ] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", help="What to say with it.", metavar="TEXT", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List what waits for you; show one item, or decide it."""
    from interlock.cli.inbox import Said, decide, show

    target, said = Target.find(url, token), Said(yes=yes, no=no, answer=answer, comment=comment)
    if item is None:
        finish(lambda: show(target, project, out=sys.stdout), target)
    else:
        finish(lambda: decide(target, item, project, said, out=sys.stdout), target)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked.")],
    to: Annotated[str, typer.Option("--to", help="A user id, or group:NAME.", metavar="WHO")],
    project: Annotated[str, typer.Option("--project", help="The namespace that it is asked in.", metavar="NAME")],
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="How long to wait: 30s, 10m, 2h.", metavar="TIME", show_default=False),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="What is shown above it.", metavar="TEXT", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Ask somebody for an approval, and wait: 0 if it is approved, else 1."""
    from interlock.cli.inbox import ask as asked

    target = Target.find(url, token)
    finish(lambda: asked(target, project, question, to, timeout, title, out=sys.stdout), target)


@app.command()
def runs(
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only these.", case_sensitive=False)] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this one.", metavar="ID")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only in there.", metavar="NAME")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", metavar="N", min=1)] = 20,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List runs, the newest first."""
    from interlock.cli.runs import list_runs, show_runs

    target = Target.find(url, token)
    of = status.value if status else None
    found = list_runs(target, status=of, workflow=workflow, namespace=namespace, limit=limit)
    show_runs(Console(highlight=False), found)


@app.command(name="token")
def show(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Print the token, and how to use it."""
    from interlock.cli.token import show_token

    show_token(Target.find(url, token), out=sys.stdout, err=sys.stderr)


@app.command()
def migrate(
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            help="The database; by default INTERLOCK_DATABASE_URL, or the file in the data folder.",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the database's tables up to date."""
    from interlock.cli.migrate import migrate_tables

    print(migrate_tables(database_url), flush=True)  # noqa: T201 - this is what a command line does


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check the settings, and everything that a server with them would stand on."""
    from interlock.cli.doctor import doctor as examine

    raise typer.Exit(examine(Console(highlight=False), as_json=as_json))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Definitions, in JSON or YAML.")],
) -> None:
    """Find all that is wrong with definitions, without a server."""
    from interlock.cli.definitions import validate as check

    raise typer.Exit(check(files, out=sys.stdout))


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Definitions, in JSON or YAML.")],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Publish definitions on a server, so that runs begin under them."""
    from interlock.cli.definitions import publish as publish_files

    raise typer.Exit(publish_files(Target.find(url, token), files, out=sys.stdout))


@app.command()
def diagram(
    what: Annotated[
        str, typer.Argument(metavar="FILE|NAME", help="A definition in a file, or the name of one on a server.")
    ],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Draw the states and transitions of a definition, as a diagram in Mermaid."""
    from interlock.cli.definitions import drawn

    print(drawn(what, lambda: Target.find(url, token)), end="", flush=True)  # noqa: T201 - this is what a command does


def _add_serve() -> None:
    from interlock.cli.serve import command

    app.command(name="serve")(command)


_add_serve()
app.add_typer(users, name="users")
app.add_typer(groups, name="groups")
app.add_typer(clients, name="clients")
app.add_typer(notify, name="notify")


def _add_audit() -> None:
    from interlock.cli.audit import app as audit

    app.add_typer(audit, name="audit")


def _add_secrets() -> None:
    from interlock.cli.secrets import app as secrets

    app.add_typer(secrets, name="secrets")


def _add_webhooks() -> None:
    from interlock.cli.webhooks import app as webhooks

    app.add_typer(webhooks, name="webhooks")


def _add_widgets() -> None:
    from interlock.cli.widgets import widgets

    app.add_typer(widgets, name="widgets")


_add_audit()
_add_secrets()
_add_webhooks()
_add_widgets()

__all__ = ["ExitCode", "app"]
