"""`interlock users`, `groups` and `clients`: the directory of a server.

Laws:
- A password is asked for without being shown, or is the first line of what is piped in; it is never an option, which
  other users of the machine could read.
- A service account's secret is printed alone on standard output, once; the rest goes to standard error.
- Nothing of a server's answer is an instruction to the terminal.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any
from urllib.parse import quote, urlencode

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import ApiRefused, call_api
from interlock.cli.target import Target
from interlock.cli.words import harmless
from interlock_protocol.types import JsonObject, JsonValue

_PAGE = 200


def add_user(target: Target, fields: JsonObject, *, signs_in: bool, out: IO[str]) -> None:
    """Add a person, and print their id.

    Args:
        signs_in: whether the server signs them in, so that they need a password.

    Raises:
        Failure: the server refuses, or the two passwords differ.
    """
    password: JsonObject = {"password": new_password()} if signs_in else {}
    say(out, call_api(target, "POST", "/users", {**fields, **password})["id"])


def list_users(target: Target, *, out: IO[str]) -> None:
    """Print all people, a line each: id, user name, scopes, groups."""
    for user in _all(target, "/users", "users"):
        state = "disabled" if user.get("disabled") else _listed(user.get("scopes"))
        say(out, "\t".join((str(user.get("id")), str(user.get("username")), state, _listed(user.get("groups")))))


def change_user(target: Target, who: str, fields: JsonObject) -> None:
    """Change a person, who is named by their user name or their id."""
    call_api(target, "PATCH", f"/users/{quoted(id_of(target, who))}", fields)


def set_password(target: Target, who: str) -> None:
    """Set a person's password."""
    user_id = id_of(target, who)
    call_api(target, "PATCH", f"/users/{quoted(user_id)}", {"password": new_password()})


def add_group(target: Target, name: str, issuer: str | None) -> None:
    """Add a group."""
    call_api(target, "POST", "/groups", {"name": name, **({} if issuer is None else {"issuer": issuer})})


def list_groups(target: Target, *, out: IO[str]) -> None:
    """Print all groups, a line each: name, and issuer if it has one."""
    for group in call_api(target, "GET", "/groups").get("groups", []):
        say(out, "\t".join((str(group.get("name")), str(group.get("issuer") or ""))).rstrip("\t"))


def regroup(target: Target, name: str, join: Sequence[str], leave: Sequence[str], *, out: IO[str]) -> None:
    """Put people into a group, take others out, and print who is in it then."""
    members = f"/groups/{quoted(name)}/members"
    for method, people in (("PUT", join), ("DELETE", leave)):
        for who in people:
            call_api(target, method, f"{members}/{quoted(id_of(target, who))}")
    for member in _all(target, members, "members"):
        say(out, "\t".join((str(member.get("id")), str(member.get("name")))))


def add_client(target: Target, fields: JsonObject, *, out: IO[str], err: IO[str]) -> None:
    """Add a service account, and print its secret, which nobody can read again."""
    made = call_api(target, "POST", "/clients", fields)
    say(err, f"client_id      {made.get('client_id')}")
    say(err, "client_secret  (is shown only now)")
    say(out, made.get("client_secret"))


def list_clients(target: Target, *, out: IO[str]) -> None:
    """Print all service accounts, a line each: id, name, scopes."""
    for client in _all(target, "/clients", "clients"):
        state = "revoked" if client.get("revoked") else _listed(client.get("scopes"))
        say(out, "\t".join((str(client.get("client_id")), str(client.get("name")), state)))


def revoke_client(target: Target, client_id: str) -> None:
    """Have a service account count no more."""
    call_api(target, "DELETE", f"/clients/{quoted(client_id)}")


def new_password(ask: Callable[[str], str] = getpass.getpass) -> str:
    """Ask for a new password, twice; or take the first line of what is piped in.

    Raises:
        Failure: the two differ, or there is none.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise Failure("Pipe the password in, as one line.", ExitCode.USAGE)
        return password
    password = ask("Password: ")
    if ask("Once more: ") != password:
        raise Failure("These are two different passwords; nothing was changed.", ExitCode.USAGE)
    return password


def id_of(target: Target, who: str) -> str:
    """The id of a person whose user name or id this is."""
    found = call_api(target, "GET", f"/users?{urlencode({'username': who})}").get("users")
    if isinstance(found, list) and found:
        return str(found[0]["id"])
    try:
        return str(call_api(target, "GET", f"/users/{quoted(who)}")["id"])
    except ApiRefused as refused:
        if refused.reason != "user_not_found":
            raise
        raise Failure(f"There is no user {harmless(who)!r}.", ExitCode.ERROR) from None


def _all(target: Target, path: str, name: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        query = urlencode({"limit": _PAGE, **({} if cursor is None else {"cursor": cursor})})
        page = call_api(target, "GET", f"{path}?{query}")
        yield from page.get(name, [])
        cursor = page.get("next_cursor")
        if cursor is None:
            return


def _listed(values: JsonValue) -> str:
    return ",".join(map(str, values)) if isinstance(values, list) else ""


def quoted(text: str) -> str:
    """Return a text as a part of a path."""
    return quote(text, safe="")


def say(out: IO[str], line: object) -> None:
    """Print a line, whatever is in it."""
    print(harmless(str(line)).replace("\n", " "), file=out, flush=True)
