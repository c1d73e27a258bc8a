"""The commands of the directory, and their options; their work is in `interlock.cli.people`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue

Who = Annotated[str, typer.Argument(metavar="USER", help="Their user name, or their id.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="A scope that they have; may be given several times.", metavar="SCOPE"),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group that they are in; may be given several times.", metavar="NAME"),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", help="A namespace that they own; may be given several times.", metavar="NAME"),
]
Issuer = Annotated[
    str | None, typer.Option("--issuer", help="The identity provider, as its tokens say it.", metavar="ISSUER")
]


def _group(help_: str) -> typer.Typer:
    return typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None)


users = _group("Manage the people whom the server knows.")
groups = _group("Manage their groups.")
clients = _group("Manage service accounts.")
notify = _group("Try how people are told that they are waited for.")


@notify.callback()
def _notify() -> None:
    """So that `test` is named, though there is no other command."""


@users.command(name="add")
def add_user(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user name.")],
    scope: Scopes = None,
    group: Groups = None,
    namespace: Namespaces = None,
    user_id: Annotated[
        str | None, typer.Option("--id", help="Their id; by default a new one.", metavar="ID", show_default=False)
    ] = None,
    issuer: Issuer = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="What the identity provider calls them.", metavar="SUB")
    ] = None,
    is_admin: Annotated[
        bool, typer.Option("--admin", help="Write an admin into the server's own database, without a token.")
    ] = False,
    account: Annotated[
        str | None, typer.Option("--account", help="The admin's account; by default `default`.", metavar="NAME")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="The database of `--admin`. [env: INTERLOCK_DATABASE_URL]", metavar="URL"),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add a person, and print their id. Asks for a password, or reads it from the input."""
    from interlock.cli.people import add_user as add

    if is_admin:
        from interlock.cli.first_admin import add_admin

        if scope or group or namespace or issuer or subject:
            raise Failure("An admin has everything: give no scopes, groups, namespaces and issuer.", ExitCode.USAGE)
        return add_admin(name, account or DEFAULT_ACCOUNT, user_id, database_url, out=sys.stdout)
    if account is not None or database_url is not None:
        raise Failure("Give --account and --database-url with --admin; else the token says it.", ExitCode.USAGE)
    fields = {"username": name, **_powers(scope, group, namespace)}
    chosen: JsonObject = {"id": user_id, "issuer": issuer, "subject": subject}
    fields.update({field: value for field, value in chosen.items() if value is not None})
    return add(Target.find(url, token), fields, signs_in=issuer is None, out=sys.stdout)


@users.command(name="list")
def list_users(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """List people: id, user name, scopes, groups."""
    from interlock.cli.people import list_users as listing

    listing(Target.find(url, token), out=sys.stdout)


@users.command(name="disable")
def disable_user(user: Who, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Sign a person out everywhere, and let them in no more."""
    from interlock.cli.people import change_user

    change_user(Target.find(url, token), user, {"disabled": True})


@users.command(name="enable")
def enable_user(user: Who, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Let a person in again."""
    from interlock.cli.people import change_user

    change_user(Target.find(url, token), user, {"disabled": False})


@users.command(name="passwd")
def set_password(user: Who, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Set a person's password, and sign them out everywhere. Asks for it, or reads it from the input."""
    from interlock.cli.people import set_password as setting

    setting(Target.find(url, token), user)


@users.command(name="notify")
def notify_user(
    user: Who,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", help="Have them told there, such as mail=ada@example.com.", metavar="CHANNEL=ADDRESS"),
    ] = None,
    off: Annotated[
        list[str] | None, typer.Option("--off", help="Tell them nothing by this channel.", metavar="CHANNEL")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List at which addresses a person is told that they are waited for, after changing them."""
    from interlock.cli.notices import change_addresses

    change_addresses(Target.find(url, token), user, at or (), off or (), out=sys.stdout)


@notify.command(name="test")
def send_test(user: Who, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Send a person a test by each channel for which they have an address, and print how it went."""
    from interlock.cli.notices import send_test as sending

    sending(Target.find(url, token), user, out=sys.stdout)


@groups.command(name="add")
def add_group(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name.")],
    issuer: Issuer = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add a group, whose members are the directory's, or those whom an identity provider's tokens name."""
    from interlock.cli.people import add_group as adding

    adding(Target.find(url, token), name, issuer)


@groups.command(name="list")
def list_groups(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """List groups."""
    from interlock.cli.people import list_groups as listing

    listing(Target.find(url, token), out=sys.stdout)


@groups.command(name="members")
def members(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name.")],
    add: Annotated[list[str] | None, typer.Option("--add", help="Put this user into it first.", metavar="USER")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Take this user out first.", metavar="USER")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List who is in a group of the directory, after putting people in or taking them out."""
    from interlock.cli.people import regroup

    regroup(Target.find(url, token), name, add or (), remove or (), out=sys.stdout)


@clients.command(name="add")
def add_client(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    scope: Scopes = None,
    group: Groups = None,
    namespace: Namespaces = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add a service account, and print its secret, which isn't shown again."""
    from interlock.cli.people import add_client as adding

    fields = {"name": name, **_powers(scope, group, namespace)}
    adding(Target.find(url, token), fields, out=sys.stdout, err=sys.stderr)


@clients.command(name="list")
def list_clients(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """List service accounts: id, name, scopes."""
    from interlock.cli.people import list_clients as listing

    listing(Target.find(url, token), out=sys.stdout)


@clients.command(name="revoke")
def revoke_client(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Have a service account, and its tokens, count no more."""
    from interlock.cli.people import revoke_client as revoking

    revoking(Target.find(url, token), client_id)


def _powers(scope: list[str] | None, group: list[str] | None, namespace: list[str] | None) -> JsonObject:
    lists = {"scopes": scope, "groups": group, "namespaces": namespace}
    given: dict[str, JsonValue] = {name: [*values] for name, values in lists.items() if values}
    return given
