"""Subscriptions of webhooks and their deliveries, as the command line asks for them and speaks of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from interlock.cli.http import call_api
from interlock.cli.target import Target
from interlock.cli.words import in_short
from interlock_client.rest import path
from interlock_protocol.types import JsonObject

INSTANCE: Final = "workflow.instance."
INTERACTION: Final = "interaction."
EVENTS: Final = (
    *(INSTANCE + name for name in ("created", "halted", "resumed", "completed", "failed", "cancelled")),
    *(INTERACTION + name for name in ("created", "responded", "completed", "expired", "cancelled")),
)
TEST_SECONDS: Final = 15.0
"""How long is waited for what becomes of a test event."""

_LOOK_SECONDS: Final = 0.1


def subscribe(target: Target, address: str, events: Sequence[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make a subscription, and return it, with its secret."""
    fields = {name: value for name, value in given.items() if value is not None}
    body: JsonObject = {"url": address, "events": named(events), **fields}
    return call_api(target, "POST", path("webhooks", "subscriptions"), body)


def unsubscribe(target: Target, subscription: str) -> None:
    """Delete a subscription."""
    call_api(target, "DELETE", place_of(subscription))


def tested(target: Target, subscription: str) -> dict[str, Any]:
    """Send a test event, and return its delivery once it was attempted, or after `TEST_SECONDS`."""
    delivery = call_api(target, "POST", place_of(subscription, "test"))
    deadline = time.monotonic() + TEST_SECONDS
    while not attempts_of(delivery) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        delivery = call_api(target, "GET", path("webhooks", "deliveries", str(delivery.get("id"))))
    return delivery


def attempts_of(delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attempts of a delivery."""
    found = delivery.get("attempts")
    return list(found) if isinstance(found, list) else []


def attempt_words(attempt: Mapping[str, Any]) -> str:
    """An attempt in a few words: `200 in 12 ms`, `no answer in 5000 ms: …`."""
    code, response = attempt.get("code"), in_short(attempt.get("response") or "", 120)
    took = f"{'no answer' if code is None else code} in {attempt.get('duration_ms')} ms"
    return f"{took}: {response}" if response and code not in (200, 201, 202, 204) else took


def short_event(told: Mapping[str, Any]) -> str:
    """The name of an event, without what all have in common."""
    return str(told.get("event")).removeprefix(INSTANCE)


def status_of(subscription: Mapping[str, Any]) -> str:
    """How a subscription is, in a few words."""
    if subscription.get("status") == "disabled":
        return f"disabled ({_BECAUSE.get(str(subscription.get('disabled_because')), 'by the server')})"
    return "resting (its receiver keeps failing)" if subscription.get("resting") else str(subscription.get("status"))


_BECAUSE: Final = {"asked": "as asked", "gone": "its receiver answered 410", "failing": "it failed for three days"}


def named(events: Sequence[str] | None) -> list[Any]:
    """Events by their whole names; all, if none is named."""
    return [each if "." in each else INSTANCE + each for each in events] if events else list(EVENTS)


def place_of(subscription: str, *parts: str, **query: Any) -> str:
    """The path of a subscription, or of something of it."""
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    return path("webhooks", "subscriptions", subscription, *parts) + (f"?{asked}" if asked else "")
