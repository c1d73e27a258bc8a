"""The events that receivers are told of, and what they are sent of one.

Law: what is sent is the same for each attempt of a delivery, byte by byte. Its `data` is as the run's settlement wrote
it, and isn't read here.

Source: `docs/webhooks.md`, "What arrives".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from interlock.store.ports.webhooks import Due
from interlock.workflow.program import MilestoneEvent

EVENTS: Final = tuple(each.value for each in MilestoneEvent)

TEST_EVENT: Final = "webhook.test"
"""What is sent when somebody asks for a test; it can't be subscribed to."""


def body_of(due: Due) -> bytes:
    """Return what is sent."""
    at = datetime.fromtimestamp(due.at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    facts = json.dumps({"event": due.event, "delivery_id": due.id, "timestamp": at, "sequence": due.seq})
    return f'{facts[:-1]}, "data": {due.data}}}'.encode()
