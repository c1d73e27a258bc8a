"""Whether receivers take what is signed, by verifiers that nobody here has changed, and refuse whatever isn't."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from interlock.webhooks.signing import Signed, headers, is_secret, key_of, new_secret

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "clients/web/node_modules/standardwebhooks"
PRINTED = "whsec_your_webhook_secret_min_32_chars"
BODY = '{"event":"workflow.instance.halted","data":{"name":"Zoë, \\"quoted\\" — 日本"}}'

SECRETS = {
    "made": "whsec_" + base64.b64encode(bytes(range(32))).decode(),
    "without padding": "whsec_" + base64.b64encode(bytes(range(31))).decode().rstrip("="),
    "base64 without whsec_": base64.b64encode(bytes(range(60, 99))).decode(),
    "printed in the reference": PRINTED,
    "of one's own": "a secret, of one's own: 32 chars!".replace(" ", "_"),
}
IN_NODE = {name: each for name, each in SECRETS.items() if name != "without padding"}  # npm's library takes none


def sent(secrets: Sequence[str], body: str = BODY, *, at: float | None = None, name: str = "del_1") -> dict[str, str]:
    signed = Signed(name, "workflow.instance.halted", 3, 2, int(time.time() if at is None else at))
    return dict(headers(signed, body.encode(), secrets))


def is_raw(secret: str) -> bool:
    return key_of(secret) == secret.encode()


def taken(secret: str, fields: Mapping[str, str], body: str = BODY) -> bool:
    webhook = Webhook(secret.encode() if is_raw(secret) else secret)
    try:
        webhook.verify(body, dict(fields))
    except WebhookVerificationError:
        return False
    return True


def test_headers_are_those_of_both_families() -> None:
    fields = sent([PRINTED], at=1_705_752_000)
    assert {name for name in fields if not name.endswith(("ignature",))} == {
        "Content-Type",
        "X-Interactor-Event",
        "X-Interactor-Delivery",
        "X-Interactor-Timestamp",
        "X-Interactor-Retry-Count",
        "X-Interlock-Sequence",
        "webhook-id",
        "webhook-timestamp",
    }
    assert fields["Content-Type"] == "application/json"
    assert (fields["X-Interactor-Event"], fields["X-Interactor-Retry-Count"]) == ("workflow.instance.halted", "2")
    assert fields["webhook-id"] == fields["X-Interactor-Delivery"] == "del_1"
    assert fields["webhook-timestamp"] == fields["X-Interactor-Timestamp"] == "1705752000"
    assert fields["X-Interlock-Sequence"] == "3"


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_library_of_pypi_takes_what_was_sent_and_nothing_else(secret: str) -> None:
    fields = sent([secret])
    assert taken(secret, fields)
    assert not taken(secret, fields, BODY + " ")
    assert not taken(secret, {**fields, "webhook-id": "del_2"})
    assert not taken(secret, {**fields, "webhook-timestamp": str(int(fields["webhook-timestamp"]) + 1)})
    assert not taken(secret, sent([secret], at=time.time() - 301))
    assert not taken(secret, sent([new_secret()]))


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_verifiers_in_node_take_what_was_sent_and_nothing_else() -> None:
    cases: list[tuple[str, str, Mapping[str, str], str, bool, bool]] = []
    for name, secret in IN_NODE.items():
        fields = sent([secret])
        late, stamp = sent([secret], at=time.time() - 302), str(int(fields["webhook-timestamp"]) - 1)
        moved = {**fields, "webhook-timestamp": stamp, "X-Interactor-Timestamp": stamp}
        cases += [
            (f"{name}: sent", secret, fields, BODY, True, True),
            (f"{name}: another body", secret, fields, BODY + " ", False, False),
            (f"{name}: another id", secret, {**fields, "webhook-id": "del_2"}, BODY, True, False),
            (f"{name}: late", secret, late, BODY, False, False),
            (f"{name}: another time", secret, moved, BODY, False, False),
            (f"{name}: another secret", secret, sent([new_secret()]), BODY, False, False),
            (f"{name}: replaced, and the old one is known", secret, sent([new_secret(), secret]), BODY, True, True),
            (f"{name}: replaced, and the new one is known", secret, sent([secret, new_secret()]), BODY, False, True),
        ]
    given = [
        {"secret": secret, "raw": is_raw(secret), "headers": dict(fields), "body": body}
        for _, secret, fields, body, *_ in cases
    ]
    found = in_node(given)
    has_library = LIBRARY.exists()
    for (name, *_, reference, library), said in zip(cases, found, strict=True):
        assert said == {"reference": reference, "library": library if has_library else None}, name


def in_node(given: Sequence[Any]) -> Sequence[Any]:
    lines = "".join(json.dumps(each) + "\n" for each in given)
    script = Path(__file__).with_name("verifiers.cjs")
    done = subprocess.run(
        ["node", script, LIBRARY], input=lines, capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_both_secrets_count_for_the_library_while_one_is_replaced() -> None:
    new, old = new_secret(), PRINTED
    fields = sent([new, old])
    assert taken(new, fields)
    assert taken(old, fields)
    assert (
        fields["X-Interactor-Signature"] == sent([old], at=int(fields["webhook-timestamp"]))["X-Interactor-Signature"]
    )


@given(st.text(max_size=80))
def test_every_text_keys_something_and_only_proper_ones_may_be_secrets(text: str) -> None:
    assert key_of(text + "!") == (text + "!").encode()
    if is_secret(text):
        assert len(text) >= 32
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text


def test_made_secret_may_be_one_and_is_always_another() -> None:
    assert is_secret(new_secret())
    assert len(key_of(new_secret())) == 32
    assert new_secret() != new_secret()
