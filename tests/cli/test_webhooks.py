"""`interlock webhooks`: what its receiver takes for genuine, and says of it; and all of it on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.cli.conftest import Cli, OpenTerminal
from tests.support.live import ALICE, ROOT

from interlock.cli.exits import ExitCode
from interlock.cli.listen import LATE_SECONDS, Numbers, fault_of, in_words
from interlock.cli.subscriptions import EVENTS, attempt_words, status_of
from interlock.webhooks import events
from interlock.webhooks.signing import Signed, headers, new_secret

SECRET, OTHER = new_secret(), new_secret()
PLAIN = "whsec_your_webhook_secret_min_32_chars"
NOW = 1_800_000_000.0
HALTED: dict[str, Any] = {
    "event": "workflow.instance.halted",
    "data": {
        "instance_id": "inst_1",
        "workflow_name": "approval",
        "current_state": "ask",
        "halting_presentation": {"title": "Really?\x1b[2J"},
    },
}


def sent(*secrets: str, body: bytes = b"{}", at: float = NOW, retry: int = 0, number: int = 1) -> dict[str, str]:
    signed = Signed("del_1", "workflow.instance.halted", number, retry, int(at))
    return {name.lower(): value for name, value in headers(signed, body, secrets).items()}


def test_events_are_those_that_there_are() -> None:
    assert EVENTS == events.EVENTS


@pytest.mark.parametrize("secret", [SECRET, PLAIN], ids=["made", "own"])
def test_what_is_signed_is_taken_also_while_its_secret_is_replaced(secret: str) -> None:
    for fields in (sent(secret), sent(OTHER, secret), sent(secret, OTHER)):
        assert fault_of(fields, b"{}", secret, NOW) is None


@pytest.mark.parametrize(
    ("fields", "body", "told"),
    [
        ({}, b"{}", "it isn't signed"),
        (sent(OTHER), b"{}", "another secret's"),
        (sent(SECRET), b"{} ", "another secret's"),
        (sent(SECRET) | {"webhook-id": "del_2"}, b"{}", "another secret's"),
        (sent(SECRET) | {"x-interactor-signature": "sha256=00"}, b"{}", "X-Interactor-Signature"),
        (sent(SECRET) | {"webhook-signature": "v1,ä"}, b"{}", "another secret's"),
        (sent(SECRET, at=NOW - LATE_SECONDS - 1), b"{}", "five minutes"),
        (sent(SECRET, at=NOW + LATE_SECONDS + 1), b"{}", "five minutes"),
        (sent(SECRET) | {"webhook-timestamp": "now"}, b"{}", "it isn't signed"),
    ],
)
def test_what_isnt_genuine_is_refused_with_why(fields: Mapping[str, str], body: bytes, told: str) -> None:
    assert told in (fault_of(fields, body, SECRET, NOW) or "")


def test_line_says_what_arrived_and_can_do_nothing_to_a_terminal() -> None:
    body, numbers = json.dumps(HALTED).encode(), Numbers()
    line = in_words(sent(SECRET, body=body, retry=2), body, numbers)
    words = ["halted", "approval", "inst_1", "at ask", "#1", "asks “Really?", "verified", "attempt 3"]
    assert [word for word in words if word not in line] == []
    assert line.isprintable()
    assert in_words({}, b"\xff no JSON", numbers)


def test_gaps_and_repetitions_of_each_run_are_told() -> None:
    numbers = Numbers()
    told = [numbers.remark(run, number) for run, number in [("a", 1), ("a", 2), ("b", 7), ("a", 4), ("a", 4), ("a", 9)]]
    assert told == ["", "", "", "gap: 3 didn't come", "came again", "gap: 5 to 8 didn't come"]


def test_words_for_a_subscription_and_an_attempt() -> None:
    assert status_of({"status": "active", "resting": False}) == "active"
    assert "resting" in status_of({"status": "active", "resting": True})
    assert status_of({"status": "disabled", "disabled_because": "gone"}) == "disabled (its receiver answered 410)"
    assert attempt_words({"code": 200, "duration_ms": 12, "response": "thanks"}) == "200 in 12 ms"
    assert attempt_words({"code": None, "duration_ms": 5, "response": "refused"}) == "no answer in 5 ms: refused"


# ── On a real server ────────────────────────────────────────────────────────────────────────────────────


def test_listener_shows_what_a_run_tells_is_managed_meanwhile_and_deletes_its_subscription(
    cli: Cli, terminal: OpenTerminal
) -> None:
    root = {"INTERLOCK_TOKEN": ROOT}
    with terminal("webhooks", "listen", "--event", "created", "--event", "halted", **root) as listener:
        listener.expect("Listening at http://127.0.0.1:")
        made = re.search(r"whsub_\w+", listener.expect("Ctrl-C"))
        assert made is not None
        listener.expect("webhook.test")
        listener.expect("verified")
        for command, told in (
            (["list"], "created, halted"),
            (["show", made[0]], "status: active"),
            (["change", made[0], "--description", "to try it"], "active"),
            (["test", made[0]], "It arrived: 200"),
            (["deliveries", made[0], "--status", "delivered"], "webhook.test"),
            (["replay", made[0], "--since", "2026-01-20T12:00:00Z"], "Sent again: "),
        ):
            done = cli("webhooks", *command, **root)
            assert (told in done.stdout, done.returncode) == (True, ExitCode.COMPLETED), done.stdout + done.stderr
        rotated = cli("webhooks", "rotate", made[0], **root)
        assert rotated.stdout.startswith("whsec_")
        cli("webhooks", "test", made[0], **root)  # the old secret, which the listener knows, signs too
        listener.interrupt()
        listener.expect(f"{made[0]} is deleted.")
        assert listener.end() == ExitCode.COMPLETED
        assert "Refused" not in listener.said
    assert made[0] not in cli("webhooks", "list", **root).stdout


@pytest.mark.parametrize(
    ("arguments", "token", "told", "code"),
    [
        (["add", "http://10.0.0.1/"], ROOT, "INTERLOCK_WEBHOOK_ALLOW", ExitCode.ERROR),
        (["listen", "--address", "http://10.0.0.1/"], ROOT, "WEBHOOK_ALLOW=127.0.0.1", ExitCode.UNREACHABLE),
        (["list"], ALICE, "webhooks:manage", ExitCode.UNREACHABLE),
        (["change", "whsub_x"], ROOT, "--address", ExitCode.USAGE),
        (["replay", "whsub_x"], ROOT, "--since", ExitCode.USAGE),
        (["show", "whsub_x"], ROOT, "not found", ExitCode.UNREACHABLE),
    ],
)
def test_what_cant_be_done_is_told_in_a_sentence(
    cli: Cli, arguments: list[str], token: str, told: str, code: ExitCode
) -> None:
    done = cli("webhooks", *arguments, INTERLOCK_TOKEN=token)
    assert (told in done.stderr, done.returncode) == (True, code), done.stderr
