"""What a client sends is what arrives, or is refused at once; and what it doesn't know yet doesn't end it."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from tests.support.live import ALICE, PATIENCE, Live

from interlock_client import Disconnected, connect, link
from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.messages import RunChanged, StepSkipped, parse_server_message

NOT_JSON: list[Any] = [math.nan, math.inf, -math.inf, 2**64, -(2**63) - 1, "\ud800"]


@pytest.mark.parametrize("place", ["message", "in a list", "in an object"])
@pytest.mark.parametrize("value", NOT_JSON, ids=repr)
async def test_what_json_has_not_is_refused_and_not_sent_as_something_else(
    live: Live, codec: Any, value: Any, place: str
) -> None:
    message = {"message": value, "in a list": [1, value], "in an object": {"a": {"b": value}}}[place]
    async with connect(live.http_url, token=ALICE, codec=codec) as client:
        with pytest.raises(ValueError, match=r"\w"):
            await client.start("once", message=message)
        assert await (await client.start("once", message="after")).wait() == "done"


async def test_message_that_is_too_big_for_the_client_ends_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(live.http_url, token=ALICE) as client:
        run_id = (await client.start("once", message="x" * 5000)).run_id
    monkeypatch.setattr(link, "MAX_FRAME_BYTES", 2000)  # more than it takes to connect, less than an event
    async with asyncio.timeout(PATIENCE), connect(live.http_url, token=ALICE) as client:
        with pytest.raises(Disconnected) as ended:
            await (await client.follow(run_id)).wait()
    assert ended.value.close_code == CloseCode.MESSAGE_TOO_BIG


def test_only_what_would_go_the_same_way_again_is_final() -> None:
    final = {code for code in range(1000, 5000) if not may_reconnect(code)}
    assert final == {1009, *range(4000, 4500)}


def test_words_of_a_later_server_are_read_as_text() -> None:
    pending = [{"id": "r", "step_id": "s", "step_name": "n", "kind": "requires_vote", "step_type": "Machine"}]
    times = {"created_at": 1, "updated_at": 1}
    run = {
        "run_id": "1",
        "workflow_id": "w",
        "session_id": "s",
        "user_id": "u",
        "status": "SLEEPING",
        "epoch": 1,
        **times,
    }
    told = {"event": "run_changed", "list": "l", "seq": 1, "matches": True, "pending": pending}
    changed = parse_server_message({**told, "run": {**run, "pending": pending}})
    assert isinstance(changed, RunChanged)
    assert (changed.run.status, changed.pending[0].step_type) == ("SLEEPING", "Machine")
    assert changed.to_wire()["run"]["status"] == "SLEEPING"
    step = {"step_id": "s", "step_name": "n", "step_index": 0, "step_path": ["n"], "visit": 1}
    base = {"created_at": 1, "workflow_id": "w", "workflow_name": "w", "run_id": "1", "session_id": "s"}
    skipped = parse_server_message({"event": "StepSkipped", **base, **step, "reason": "superseded", "event_index": 0})
    assert isinstance(skipped, StepSkipped)
    assert str(skipped.reason) == "superseded"
