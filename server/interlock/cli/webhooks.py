"""`interlock webhooks`: who is told of what happens in runs, what was delivered, and a receiver to try it with.

Laws:
- A secret is typed unseen, or read from a pipe: on a command line others would see it. One that the server made is
  printed alone on standard output, once.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import call_api
from interlock.cli.subscriptions import (
    EVENTS,
    INSTANCE,
    attempt_words,
    attempts_of,
    named,
    place_of,
    short_event,
    status_of,
    subscribe,
    tested,
)
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption
from interlock.cli.words import harmless
from interlock_client.rest import path
from interlock_protocol.types import JsonObject

app = typer.Typer(
    help="Webhooks: who is told of what happens in runs, and what was delivered.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Of the subscription: whsub_….")]
EventOption = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        help="What it tells of: halted, completed, …. Can be given again; by default all.",
        metavar="EVENT",
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", help="Of whose runs; by default those of the whole account.", metavar="NAME"),
]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="What it is for.", metavar="TEXT")]
SecretOption = Annotated[
    bool, typer.Option("--secret", help="Use a secret of your own, which is asked for, or read from a pipe.")
]


@app.command()
def add(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where events are sent: https://….")],
    event: EventOption = None,
    namespace: NamespaceOption = None,
    description: DescriptionOption = None,
    secret: SecretOption = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Make a subscription, and print its secret: this once."""
    target = Target.find(url, token)
    given = {"namespace_filter": namespace, "description": description, "secret": asked_secret() if secret else None}
    made = subscribe(target, address, event, given)
    say(f"{made.get('id')} tells {address} of {_events(made)}.", err=True)
    _show_secret(made)


@app.command(name="list")
def list_subscriptions(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """List the subscriptions: id, status, address, events, namespace."""
    target = Target.find(url, token)
    rows = [
        (each.get("id"), status_of(each), each.get("url"), _events(each), each.get("namespace_filter"))
        for each in _pages(target, path("webhooks", "subscriptions"), "subscriptions")
    ]
    _table(("id", "status", "address", "events", "namespace"), rows)


@app.command()
def show(subscription: Id, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Show a subscription: how it is, and since when."""
    found = call_api(Target.find(url, token), "GET", place_of(subscription))
    for name, value in {**found, "status": status_of(found), "events": _events(found)}.items():
        if value not in (None, "") and name not in ("resting", "disabled_because"):
            say(f"{name.replace('_', ' ')}: {value}")


@app.command()
def change(
    subscription: Id,
    address: Annotated[str | None, typer.Option("--address", help="Another address.", metavar="ADDRESS")] = None,
    event: EventOption = None,
    description: DescriptionOption = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Let it go on, or pause it.", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Change a subscription, pause it, or let it go on. What isn't named stays as it is."""
    given: dict[str, Any] = {"url": address, "events": named(event) if event else None, "description": description}
    if enable is not None:
        given["status"] = "active" if enable else "disabled"
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise Failure("Say what is to be different: --address, --event, --description, --enable.", ExitCode.USAGE)
    changed = call_api(Target.find(url, token), "PATCH", place_of(subscription), body)
    say(f"{subscription} is {status_of(changed)}, and tells {changed.get('url')} of {_events(changed)}.")


@app.command()
def delete(subscription: Id, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Delete a subscription, and its deliveries."""
    call_api(Target.find(url, token), "DELETE", place_of(subscription))
    say(f"{subscription} is deleted.")


@app.command()
def rotate(
    subscription: Id,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="All receivers know the new secret: the old one signs no more.")
    ] = False,
    secret: SecretOption = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Give it another secret, and print it: this once. For 24 hours the old one signs too."""
    target = Target.find(url, token)
    if confirm:
        call_api(target, "POST", place_of(subscription, "rotate", "confirm"))
        say(f"Only the new secret signs what {subscription} is told.")
        return
    body: JsonObject = {"secret": asked_secret()} if secret else {}
    made = call_api(target, "POST", place_of(subscription, "rotate"), body)
    say(f"The old secret signs too until {made.get('rotating_until')}, or until --confirm.", err=True)
    _show_secret(made)


@app.command(name="test")
def send_test(subscription: Id, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Send a test event, and say what became of it."""
    target = Target.find(url, token)
    delivery = tested(target, subscription)
    tried = attempts_of(delivery)
    if not tried:
        raise Failure("Nothing was sent yet; `interlock webhooks deliveries` shows what becomes of it.", ExitCode.LEFT)
    if delivery.get("status") != "delivered":
        raise Failure(f"It didn't arrive: {attempt_words(tried[-1])}.", ExitCode.ERROR)
    say(f"It arrived: {attempt_words(tried[-1])}.")


@app.command()
def deliveries(
    subscription: Id,
    status: Annotated[
        str | None, typer.Option("--status", help="pending, delivered, dead or dropped.", metavar="STATUS")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Of this run.", metavar="RUN")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", metavar="N", min=1, max=100)] = 20,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List what was delivered, and what wasn't, the newest first."""
    query = {"status": status, "instance_id": run, "limit": limit}
    found = call_api(Target.find(url, token), "GET", place_of(subscription, "deliveries", **query))
    rows = [
        (
            each.get("id"),
            each.get("status"),
            short_event(each),
            each.get("instance_id"),
            each.get("sequence"),
            each.get("created_at"),
            "; ".join(attempt_words(attempt) for attempt in attempts_of(each)[-1:]),
        )
        for each in found.get("deliveries", [])
    ]
    _table(("id", "status", "event", "run", "number", "created", "last attempt"), rows)


@app.command()
def replay(
    what: Annotated[
        str, typer.Argument(metavar="ID", help="A delivery, del_…; or, with --since, a subscription, whsub_….")
    ],
    since: Annotated[
        str | None, typer.Option("--since", help="All that happened since this time, in ISO 8601.", metavar="TIME")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Deliver one again, or everything since a time."""
    target = Target.find(url, token)
    if since is not None:
        done = call_api(target, "POST", place_of(what, "replay", since=since))
        say(f"Sent again: {done.get('replayed')}.")
        return
    if what.startswith("whsub_"):
        raise Failure("Say from when on, with --since, or name a delivery: del_….", ExitCode.USAGE)
    call_api(target, "POST", path("webhooks", "deliveries", what, "replay"))
    say(f"{what} is sent again.")


@app.command()
def listen(
    port: Annotated[int, typer.Option("--port", help="Where to listen; 0 is a free one.", min=0, max=65535)] = 0,
    forward: Annotated[
        str | None, typer.Option("--forward", help="Send everything on to this address, too.", metavar="URL")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Where the server reaches this; by default on this machine.", metavar="URL"),
    ] = None,
    event: EventOption = None,
    namespace: NamespaceOption = None,
    secret: Annotated[
        bool, typer.Option("--secret", help="Don't subscribe, but check with this secret, which is asked for.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each body as it came.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Receive webhooks here, and print them, checked, until Ctrl-C. The subscription for it goes then."""
    from interlock.cli.listen import Listener

    known = asked_secret() if secret else None
    target = None if secret else Target.find(url, token)
    given = {"namespace_filter": namespace, "description": "interlock webhooks listen"}
    listener = Listener(port=port, forward=forward, as_json=as_json, out=sys.stdout, err=sys.stderr)
    raise typer.Exit(listener.run(target, known, address=address, events=event, given=given))


def asked_secret() -> str:
    """A secret that is typed unseen, or read from a pipe."""
    if sys.stdin.isatty():
        value = getpass.getpass("Secret: ")
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not value:
        raise Failure("There is no secret: type it, or send it through a pipe.", ExitCode.USAGE)
    return value


def say(sentence: str, *, err: bool = False) -> None:
    """Print a line."""
    print(harmless(sentence), file=sys.stderr if err else sys.stdout, flush=True)


def _pages(target: Target, place: str, name: str) -> Iterable[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = call_api(target, "GET", place + ("" if cursor is None else f"?{urlencode({'cursor': cursor})}"))
        yield from page.get(name, [])
        cursor = page.get("pagination", {}).get("next_cursor")
        if cursor is None:
            return


def _events(subscription: Mapping[str, Any]) -> str:
    names = [str(each) for each in subscription.get("events") or ()]
    return "all events" if set(names) >= set(EVENTS) else ", ".join(each.removeprefix(INSTANCE) for each in names)


def _show_secret(made: Mapping[str, Any]) -> None:
    if made.get("secret"):
        say("Its secret isn't shown again:", err=True)
        say(str(made["secret"]))


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(harmless("" if cell is None else str(cell)), no_wrap=True) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)
