"""`interlock secrets`: sets, lists and deletes the secrets of workflows on a server.

Laws:
- A value is typed unseen, or read from a pipe: on a command line others would see it.
- No value is printed.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import call_api
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption
from interlock.cli.words import harmless
from interlock_client.rest import path
from interlock_protocol.types import JsonObject

app = typer.Typer(help="Secrets of workflows: set, listed without their values, deleted.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of A to Z, 0 to 9 and _.")]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", help="Of one namespace, not of the whole account.", metavar="NAME", show_default=False),
]


@app.command(name="set")
def set_secret(
    name: Name,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", help="Where it may be sent; * is everywhere. Can be given again.", metavar="HOST"),
    ] = None,
    workflows: Annotated[
        list[str] | None,
        typer.Option("--workflow", help="Which may use it; * is all. Can be given again.", metavar="ID"),
    ] = None,
    script: Annotated[bool | None, typer.Option("--script/--no-script", help="Whether scripts are given it.")] = None,
    namespace: NamespaceOption = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Store a secret, or replace it. Its value is asked for, or read from a pipe."""
    target = Target.find(url, token)
    given: dict[str, Any] = {"hosts": hosts, "workflows": workflows, "script": script}
    body = {"value": _value(name)} | {field: value for field, value in given.items() if value not in (None, [])}
    made = call_api(target, "PUT", _path(namespace, "secrets", name), body)
    _say(f"{name} is set. It may go to {_words(made, 'hosts', 'every host')}, for {_words(made, 'workflows', 'all')}.")


@app.command(name="list")
def list_secrets(namespace: NamespaceOption = None, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Show which secrets there are, and where they may go."""
    found = call_api(Target.find(url, token), "GET", _path(namespace, "secrets"))
    table = Table("name", "hosts", "workflows", "scripts", "source", "set", box=None, pad_edge=False)
    for each in found.get("secrets", []):
        table.add_row(*(Text(harmless(cell), no_wrap=True) for cell in _row(each)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)


@app.command(name="delete")
def delete_secret(
    name: Name, namespace: NamespaceOption = None, url: UrlOption = DEFAULT_URL, token: TokenOption = None
) -> None:
    """Delete a stored secret."""
    call_api(Target.find(url, token), "DELETE", _path(namespace, "secrets", name))
    _say(f"{name} is deleted.")


@app.command(name="rotate")
def rotate_secrets(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Seal all stored values with the first key, so that older ones can go."""
    done = call_api(Target.find(url, token), "POST", "/secrets/keys/rotate")
    _say(f"Sealed with the first key: {done.get('rotated')}.")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value = getpass.getpass(f"{name}: ")
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not value:
        raise Failure("There is no value: type it, or send it through a pipe.", ExitCode.USAGE)
    return value


def _path(namespace: str | None, *parts: str) -> str:
    return path(*parts) + ("" if namespace is None else f"?namespace={quote(namespace, safe='')}")


def _row(secret: JsonObject) -> Sequence[str]:
    return (
        str(secret.get("name")),
        _words(secret, "hosts", "*"),
        _words(secret, "workflows", "*"),
        "yes" if secret.get("script") else "no",
        str(secret.get("source")),
        str(secret.get("updated_at") or ""),
    )


def _words(secret: JsonObject, field: str, everything: str) -> str:
    listed = secret.get(field)
    names = [str(each) for each in listed] if isinstance(listed, list) else []
    return everything if "*" in names else ", ".join(names) or "none"


def _say(sentence: str) -> None:
    print(harmless(sentence), flush=True)  # noqa: T201 - this is what a command line does
