"""The page about webhooks: its tables have all that there is, and its code takes what is signed, and nothing else."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.docs.reading import blocks, read, table, ticked

from interlock.http.v1.webhook_shapes import CreateSubscription
from interlock.store.ports.webhooks import DELIVERIES_KEPT_SECONDS, DeliveryStatus
from interlock.webhooks.events import EVENTS
from interlock.webhooks.schedule import FAILING_MS, FIRST_PROBE_MS, LAST_PROBE_MS, RESTS_FROM
from interlock.webhooks.sending import ATTEMPT_SECONDS, SHOWN
from interlock.webhooks.service import LONGEST_URL, MOST_SUBSCRIPTIONS
from interlock.webhooks.signing import LONGEST_SECRET, SHORTEST_SECRET, Signed, headers, new_secret

PAGE = "docs/webhooks.md"
BODY = '{"event": "workflow.instance.halted", "data": {"name": "Zoë — 日本"}}'.encode()

Sent: TypeAlias = tuple[Mapping[str, str], bytes, str]


def sent(secrets: Sequence[str], body: bytes = BODY, *, at: float = 0.0) -> dict[str, str]:
    """The headers of a delivery, `at` seconds from now."""
    signed = Signed("del_1", "workflow.instance.halted", 3, 0, int(time.time() + at))
    return {name.lower(): value for name, value in headers(signed, body, secrets).items()}


def cases() -> tuple[list[Sent], list[Sent]]:
    """Deliveries that are genuine, and others."""
    secret, other = new_secret(), new_secret()
    signed = sent([secret])
    genuine: list[Sent] = [
        (signed, BODY, secret),
        (sent([other, secret]), BODY, secret),  # while it is replaced
        (sent([other, secret]), BODY, other),
    ]
    forged: list[Sent] = [
        (signed, BODY + b" ", secret),
        (signed, BODY, other),
        (signed | {"webhook-id": "del_2"}, BODY, secret),
        (signed | {"webhook-timestamp": str(int(time.time()) + 1)}, BODY, secret),
        (signed | {"webhook-signature": "v1,"}, BODY, secret),
        (signed | {"webhook-signature": "v1,ä"}, BODY, secret),
        (signed | {"webhook-signature": ""}, BODY, secret),
        (sent([secret], at=-400), BODY, secret),
        (sent([secret], at=400), BODY, secret),
    ]
    return genuine, forged


def in_python(deliveries: Sequence[Sent], _: Path) -> list[bool]:
    (block,) = blocks(PAGE, "python")
    namespace: dict[str, Any] = {}
    block.run(namespace)
    return [namespace["is_genuine"](*delivery) for delivery in deliveries]


def in_node(deliveries: Sequence[Sent], folder: Path) -> list[bool]:
    (block,) = blocks(PAGE, "js")
    each = "isGenuine(each.headers, Buffer.from(each.body, 'base64'), each.secret)"
    program = f"{block.text}\nconsole.log(JSON.stringify(JSON.parse(process.argv[2]).map((each) => {each})));\n"
    (folder / "verify.mjs").write_text(program)
    return run(["node", "verify.mjs"], deliveries, folder)


GO_MAIN = """
func main() {
	var given []struct {
		Headers map[string]string
		Body    []byte
		Secret  string
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &given); err != nil {
		panic(err)
	}
	found := []bool{}
	for _, each := range given {
		headers := http.Header{}
		for name, value := range each.Headers {
			headers.Set(name, value)
		}
		found = append(found, IsGenuine(headers, each.Body, each.Secret))
	}
	told, _ := json.Marshal(found)
	fmt.Println(string(told))
}
"""


def in_go(deliveries: Sequence[Sent], folder: Path) -> list[bool]:
    (block,) = blocks(PAGE, "go")
    imports = 'import (\n\t"encoding/json"\n\t"fmt"\n\t"os"\n'
    (folder / "main.go").write_text(block.text.replace("import (\n", imports, 1) + GO_MAIN)
    return run(["go", "run", "main.go"], deliveries, folder)


def run(command: list[str], deliveries: Sequence[Sent], folder: Path) -> list[bool]:
    """What a program says of deliveries; the test is skipped where the language isn't installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    given = [
        {"headers": fields, "body": base64.b64encode(body).decode(), "secret": secret}
        for fields, body, secret in deliveries
    ]
    done = subprocess.run(
        [*command, json.dumps(given)], cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: list[bool] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("judge", [in_python, in_node, in_go])
def test_code_of_the_page_takes_what_is_signed_and_refuses_what_is_forged_or_late(
    judge: Callable[[Sequence[Sent], Path], list[bool]], tmp_path: Path
) -> None:
    genuine, forged = cases()
    assert judge([*genuine, *forged], tmp_path) == [True] * len(genuine) + [False] * len(forged)


def test_page_has_the_events_the_headers_the_statuses_and_the_fields_of_a_subscription() -> None:
    text = read(PAGE)
    assert [ticked(event)[0] for event, _ in table(text, "event")] == list(EVENTS)
    named = {name.lower() for names, _ in table(text, "header") for name in ticked(names)}
    assert named == {name.lower() for name in sent([new_secret()])}
    assert [ticked(status)[0] for status, _ in table(text, "status")] == [each.value for each in DeliveryStatus]
    assert {ticked(field)[0] for field, _ in table(text, "field")} == set(CreateSubscription.model_fields)


def test_page_names_the_limits() -> None:
    text = read(PAGE)
    limits = dict(table(text, "what"))
    assert limits["subscriptions of an account"] == str(MOST_SUBSCRIPTIONS)
    assert limits["an address"] == f"{LONGEST_URL:,} characters"
    assert limits["how long deliveries are kept"] == f"{DELIVERIES_KEPT_SECONDS // 86400} days"
    assert limits["what is kept of an answer"] == f"{SHOWN:,} characters"
    assert (RESTS_FROM, FAILING_MS) == (10, 3 * 86_400_000)  # "ten failures in a row", "three days"
    probes = f"after {FIRST_PROBE_MS // 1000} seconds, and then the more seldom the longer it\nfails"
    assert f"{probes}, every {LAST_PROBE_MS // 60_000} minutes" in text
    assert f"Anything but a `2xx` in {ATTEMPT_SECONDS:g} seconds" in text
    assert f"{SHORTEST_SECRET} to {LONGEST_SECRET:,} printable" in text
