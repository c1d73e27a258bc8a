"""`interlock users`, `groups` and `clients`, on a real server."""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.live import ALICE, ROOT, Live
from typer.testing import CliRunner

from interlock.cli import people
from interlock.cli.commands import app
from interlock.cli.exits import Failure

PASSWORD = "correct horse battery"


@dataclass
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def interlock(live: Live, *arguments: str, token: str = ROOT, said: str = "") -> Ended:
    """Run a command in this process: others show that it is the same in one of its own."""
    result = CliRunner().invoke(app, [*arguments, "--url", live.http_url, "--token", token], input=said)
    if isinstance(result.exception, Failure):
        return Ended(int(result.exception.code), result.stdout, f"{result.exception}\n")
    return Ended(result.exit_code, result.stdout, result.stderr)


def post(live: Live, path: str, **fields: Any) -> Any:
    request = urllib.request.Request(
        live.http_url + path, json.dumps(fields).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_people_groups_and_service_accounts_from_first_to_last(live: Live) -> None:
    assert interlock(live, "groups", "add", "cli-finance").returncode == 0
    options = ["--scope", "workflows:read", "--scope", "workflows:execute", "--group", "cli-finance"]
    added = interlock(live, "users", "add", "cli-alice", *options, said=f"{PASSWORD}\n")
    assert (added.returncode, added.stderr) == (0, "")
    user_id = added.stdout.strip()
    assert PASSWORD not in added.stdout
    assert post(live, "/login", username="cli-alice", password=PASSWORD)["token"]
    listed = interlock(live, "users", "list").stdout
    assert f"{user_id}\tcli-alice\tworkflows:execute,workflows:read\tcli-finance\n" in listed
    left = interlock(live, "groups", "members", "cli-finance", "--remove", "cli-alice")
    assert (left.returncode, left.stdout) == (0, "")
    assert interlock(live, "groups", "members", "cli-finance", "--add", user_id).stdout == f"{user_id}\tcli-alice\n"
    assert interlock(live, "users", "passwd", user_id, said="a new good password\n").returncode == 0
    assert post(live, "/login", username="cli-alice", password="a new good password")["token"]
    assert interlock(live, "users", "disable", "cli-alice").returncode == 0
    assert f"{user_id}\tcli-alice\tdisabled" in interlock(live, "users", "list").stdout
    robot = interlock(live, "clients", "add", "cli-robot", "--scope", "workflows:read")
    (secret,) = robot.stdout.split()
    client_id = next(line.split()[1] for line in robot.stderr.splitlines() if line.startswith("client_id"))
    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert post(live, "/oauth/token", **fields)["access_token"]
    assert interlock(live, "clients", "revoke", client_id).returncode == 0
    assert f"{client_id}\tcli-robot\trevoked\n" in interlock(live, "clients", "list").stdout


def test_refusals_are_a_sentence_and_a_code(live: Live) -> None:
    forbidden = interlock(live, "users", "list", token=ALICE)
    assert (forbidden.returncode, "users:manage" in forbidden.stderr) == (5, True)
    unknown = interlock(live, "users", "disable", "nobody-at-all")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no user 'nobody-at-all'.\n")
    short = interlock(live, "users", "add", "cli-bob", said="short\n")
    assert (short.returncode, "10 to 256" in short.stderr) == (1, True)
    none = interlock(live, "users", "add", "cli-bob")
    assert (none.returncode, none.stderr) == (2, "Pipe the password in, as one line.\n")


def test_password_that_is_typed_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    typed = iter(["one password", "another one", "the same", "the same"])
    with pytest.raises(Failure, match="two different"):
        people.new_password(lambda _: next(typed))
    assert people.new_password(lambda _: next(typed)) == "the same"
