"""The inbox in a terminal, and asking from a script."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cli.conftest import Cli
from tests.support.live import BOB, PATIENCE, ROOT

PROJECT = "org_scripts"


def address_in(cli: Cli, question: str) -> str:
    """The address of Bob's item that asks this, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        listed = cli("inbox", INTERLOCK_TOKEN=BOB).stdout
        found = next((line for line in listed.splitlines() if question in line), None)
        if found is not None:
            return found.split()[0]
    raise AssertionError(question)


@pytest.mark.parametrize(
    ("way", "code", "outcome"), [("--yes", 0, "approved by bob: fine"), ("--no", 1, "rejected by bob: fine")]
)
def test_script_asks_and_goes_on_only_where_it_is_approved(cli: Cli, way: str, code: int, outcome: str) -> None:
    question = f"Deploy with {way}?"
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(
            cli, "ask", question, "--to", "bob", "--project", PROJECT, "--timeout", "10m", INTERLOCK_TOKEN=ROOT
        )
        address = address_in(cli, question)
        shown = cli("inbox", address, INTERLOCK_TOKEN=BOB)
        assert '"status": "pending"' in shown.stdout
        decided = cli("inbox", address, way, "--comment", "fine", INTERLOCK_TOKEN=BOB)
        assert '"status": "completed"' in decided.stdout
        asked = asking.result()
    assert (asked.returncode, asked.stdout.strip()) == (code, outcome)
    gone = cli("inbox", address, INTERLOCK_TOKEN=BOB)
    assert (gone.returncode, "Nothing with this address waits" in " ".join(gone.stderr.split())) == (1, True)


def test_nobody_in_time_is_no_approval(cli: Cli) -> None:
    asked = cli("ask", "Anybody?", "--to", "bob", "--project", PROJECT, "--timeout", "1s", INTERLOCK_TOKEN=ROOT)
    assert (asked.returncode, asked.stdout.strip()) == (1, "expired")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ask", "?", "--to", "bob", "--project", PROJECT, "--timeout", "soon"), 2),
        (("ask", "?", "--to", "bob", "--project", "no project"), 5),
        (("inbox", "nonsense"), 2),
        (("inbox", "req-1.run-1"), 1),
        (("inbox", "req-1.run-1", "--yes", "--no"), 2),
        (("inbox", "req-1.run-1", "--answer", "[1]"), 2),
        (("inbox", "req-1.run-1", "--answer", "{"), 2),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    done = cli(*arguments, INTERLOCK_TOKEN=ROOT)
    assert done.returncode == code
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
