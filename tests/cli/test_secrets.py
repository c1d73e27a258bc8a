"""`interlock secrets` on a real server: what is stored, what is shown, and that no value is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.support.live import ALICE, ROOT

from interlock.cli.exits import ExitCode

VALUE = "a-value-of-the-tests"


def test_a_secret_is_set_from_a_pipe_listed_with_its_fence_and_deleted(cli: Cli) -> None:
    options = ["--host", "api.example.com", "--workflow", "pay", "--script"]
    done = cli("secrets", "set", "CLI_KEY", *options, INTERLOCK_TOKEN=ROOT, piped=VALUE + "\n")
    assert done.returncode == ExitCode.COMPLETED, done.stderr
    listed = cli("secrets", "list", INTERLOCK_TOKEN=ROOT)
    (row,) = [line.split() for line in listed.stdout.splitlines() if line.startswith("CLI_KEY")]
    assert row[1:5] == ["api.example.com", "pay", "yes", "stored"]
    assert VALUE not in done.stdout + listed.stdout
    rotated = cli("secrets", "rotate", INTERLOCK_TOKEN=ROOT)
    assert "0" in rotated.stdout
    deleted = cli("secrets", "delete", "CLI_KEY", INTERLOCK_TOKEN=ROOT)
    assert deleted.returncode == ExitCode.COMPLETED
    again = cli("secrets", "delete", "CLI_KEY", INTERLOCK_TOKEN=ROOT)
    assert "not found" in again.stderr


@pytest.mark.parametrize(
    ("name", "token", "typed", "told", "code"),
    [
        ("KEY", ALICE, VALUE, "secrets:manage", ExitCode.UNREACHABLE),
        ("KEY", ROOT, "", "There is no value", ExitCode.USAGE),
        ("KEY", ROOT, "short", "8 character", ExitCode.ERROR),
    ],
)
def test_why_nothing_is_stored_is_told(cli: Cli, name: str, token: str, typed: str, told: str, code: Any) -> None:
    done = cli("secrets", "set", name, INTERLOCK_TOKEN=token, piped=typed)
    assert told in done.stderr
    assert done.returncode == code
