"""What the tests of refusals on a socket share."""

from __future__ import annotations

from typing import Any

from tests.support.live import Message, Talk

KIB = 1024


def assert_refused(answer: Message, code: str, **fields: Any) -> None:
    """It is an `error` with this code and these fields, and says something to people."""
    assert answer["event"] == "error", answer
    assert answer["code"] == code, answer
    assert len(answer["error"].split()) >= 3, answer
    assert answer["retryable"] is (code in ("unavailable", "rate_limited"))
    assert fields.items() <= answer.items(), answer


async def refusal(talk: Talk, message: Message) -> Message:
    """The only answer to a message; the connection lives after it."""
    await talk.send(message, request_id="asked")
    (answer,) = await talk.settled()
    assert answer.get("request_id") == "asked"
    return answer


async def paused(talk: Talk, workflow_id: str) -> Message:
    """The `WorkflowRunOutput` of a run that waits."""
    run_id = await talk.start(workflow_id)
    return (await talk.until_pause(run_id))[-1]
