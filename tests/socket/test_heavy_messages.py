"""The worst that one message can be made of, in each field of each action: it is answered shortly, and meanwhile others
are served.

How long others wait is taken as how much the server's thread works before they get their `pong`: on a machine that has
more to do, a wait says little.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.socket.refusals import paused
from tests.support.live import BOB, Live, Message, Talk
from websockets.exceptions import ConnectionClosed

from interlock_protocol.limits import MAX_FAULTS, MAX_LIST, MAX_MESSAGE_BYTES, MAX_VALUES

OTHERS_WAIT_SECONDS = 2.0
"""How much the server may work before another client has its `pong`: far over what it does."""

MAX_ANSWER_BYTES = 32 * 1024

ROOM = MAX_MESSAGE_BYTES - 1024


def full(element: str) -> str:
    """A list that fills a message."""
    return f"[{','.join([element] * (ROOM // (len(element) + 1)))}]"


def most(element: str, weight: int) -> str:
    """A list of as many values as a message may hold, or nearly."""
    return f"[{','.join([element] * ((MAX_VALUES - 100) // weight))}]"


CONTENTS = {
    "wrong elements": full("1"),
    "empty lists": full("[]"),
    "objects": full("{}"),
    "a thousand wrong elements": json.dumps([1] * MAX_LIST),
    "a thousand objects": json.dumps([{}] * MAX_LIST),
    "a thousand names": json.dumps([{"name": f"n{number}", "id": "x", "value": 1} for number in range(MAX_LIST)]),
    "as many numbers as there may be": most("0.1", 1),
    "as many lists as there may be": most("[]", 2),
    "as deep as it may be": most("[" * 50 + "]" * 50, 51),
    "as many keys as there may be": json.dumps({f"k{number}": 1 for number in range(MAX_VALUES - 100)}),
    "a thousand keys": json.dumps({f"k{number}": 1 for number in range(MAX_LIST)}),
    "a long key": json.dumps({"k" * ROOM: 1}),
    "a long text": json.dumps("x" * ROOM),
    "escapes": json.dumps("é" * (ROOM // 6)),
    "brackets in a text": json.dumps(",[{" * (ROOM // 3)),
    "a long number": "9" * ROOM,
    "a long fraction": "0." + "9" * (ROOM - 2),
    "open brackets": "[" * ROOM,
}

DECIDED = '{"action":"continue-workflow","workflow_id":"WORKFLOW","run_id":"RUN","step_requirements":%s}'
ONE = DECIDED % '[{"id":"ID",%s}]'

FIELDS = {
    "message": '{"action":"start-workflow","workflow_id":"confirm","message":CONTENT}',
    "message with a key": '{"action":"start-workflow","workflow_id":"stream","idempotency_key":"k","message":CONTENT}',
    "user_id": '{"action":"start-workflow","workflow_id":"confirm","user_id":CONTENT}',
    "token": '{"action":"authenticate","token":CONTENT}',
    "request_id": '{"action":"ping","request_id":CONTENT}',
    "something unknown": '{"action":"ping","unknown":CONTENT}',
    "action": '{"action":CONTENT}',
    "run_id": '{"action":"reconnect","run_id":CONTENT}',
    "reason": '{"action":"cancel-workflow","workflow_id":"confirm","run_id":"run-x","reason":CONTENT}',
    "status": '{"action":"follow-runs","filter":{"status":CONTENT}}',
    "step_requirements": DECIDED % "CONTENT",
    "error_requirements": DECIDED.replace("step_req", "error_req") % "CONTENT",
    "user_input": ONE % '"user_input":CONTENT',
    "a value of user_input": ONE % '"user_input":{"tone":CONTENT}',
    "user_input_schema": ONE % '"user_input_schema":CONTENT',
    "selected_choices": ONE % '"selected_choices":CONTENT',
    "edited_output": ONE % '"confirmed":true,"edited_output":CONTENT',
    "rejection_feedback": ONE % '"confirmed":false,"rejection_feedback":CONTENT',
    "executor_requirements": ONE % '"executor_requirements":CONTENT',
    "user_feedback_schema": ONE % '"executor_requirements":[{"id":"t","user_feedback_schema":CONTENT}]',
    "selected_options": ONE
    % '"executor_requirements":[{"id":"t","user_feedback_schema":[{"selected_options":CONTENT}]}]',
    "edited_args": ONE % '"executor_requirements":[{"id":"t","confirmation":true,"edited_args":CONTENT}]',
    "what is only echoed": ONE % '"step_output":CONTENT',
}


@pytest.fixture(autouse=True, scope="module")
def _nothing_of_other_tests_is_collected() -> Iterator[None]:
    """The server is a thread of the tests' process: a collection would look at all that the suite has made so far."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def worked() -> float:
    """How much the server's thread has worked, in seconds; where the system can't tell, how many have passed."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic()
    threads = (each for each in threading.enumerate() if each.name == "live server" and each.ident is not None)
    return sum(time.clock_gettime(time.pthread_getcpuclockid(each.ident or 0)) for each in threads)


async def work_before_pong(talk: Talk, frames: Sequence[str], other: Talk) -> float:
    """How much the server works, in seconds, on frames before another client has its `pong`."""
    before = worked()
    with contextlib.suppress(ConnectionClosed):  # a stranger isn't let say as much
        await asyncio.gather(*(talk.socket.send(frame) for frame in frames))
    await other.send(action="ping")
    await other.until("pong")
    return worked() - before


def refusals(messages: list[Message]) -> Iterator[Message]:
    return (each for each in messages if each["event"] == "error")


def assert_short(refusal: Message) -> None:
    details = refusal.get("details")
    assert len(json.dumps(refusal)) <= MAX_ANSWER_BYTES
    assert not isinstance(details, list) or len(details) <= MAX_FAULTS


async def sent_and_answered(talk: Talk, other: Talk, frame: str) -> list[Message]:
    """What comes of a frame, while which the other client isn't kept waiting."""
    assert await work_before_pong(talk, [frame], other) < OTHERS_WAIT_SECONDS
    return await talk.settled()


@pytest.mark.parametrize("field", FIELDS)
async def test_worst_content_of_each_field_holds_nobody_up(live: Live, field: str) -> None:
    frame = FIELDS[field]
    workflow = "routes" if field == "selected_choices" else "ask"
    async with live.talk() as talk, live.talk(BOB) as other:
        output = await paused(talk, workflow)
        id_ = output["step_requirements"][0]["id"]
        for name, where in (("WORKFLOW", workflow), ("RUN", output["run_id"]), ("ID", id_)):
            frame = frame.replace(name, where)
        for content in CONTENTS.values():
            for refusal in refusals(await sent_and_answered(talk, other, frame.replace("CONTENT", content))):
                assert_short(refusal)


@pytest.mark.parametrize("content", CONTENTS)
async def test_worst_content_before_authentication_holds_nobody_up(live: Live, content: str) -> None:
    for frame in ('{"action":"authenticate","token":%s}', '{"action":"start-workflow","message":%s}'):
        async with live.connect() as stranger, live.talk(BOB) as other:
            assert await work_before_pong(stranger, [frame % CONTENTS[content]], other) < OTHERS_WAIT_SECONDS


def every_way(output: Message) -> dict[str, Any]:
    """Lists of requirements, each as long as it may be."""
    (asked,) = output["step_requirements"]
    filled = {"user_input": {"tone": "formal", "copies": 2}}
    return {
        "unknown ids": [{"id": f"req-{number}", **filled} for number in range(MAX_LIST)],
        "unknown steps": [{"step_id": f"s-{number}", **filled} for number in range(MAX_LIST)],
        "its own id, and ever another answer": [
            {"id": asked["id"], "user_input": {"tone": str(number)}} for number in range(MAX_LIST)
        ],
        "only echoes": [asked] * MAX_LIST,
    }


async def test_longest_lists_of_requirements_hold_nobody_up(live: Live) -> None:
    async with live.talk() as talk, live.talk(BOB) as other:
        output = await paused(talk, "ask")
        base = {"action": "continue-workflow", "workflow_id": "ask", "run_id": output["run_id"]}
        for requirements in every_way(output).values():
            answers = await sent_and_answered(talk, other, json.dumps({**base, "step_requirements": requirements}))
            (refusal,) = refusals(answers)
            assert_short(refusal)


async def test_many_heavy_messages_at_once_let_others_in_between(live: Live) -> None:
    frame = FIELDS["status"].replace("CONTENT", CONTENTS["wrong elements"])
    async with live.talk() as talk, live.talk(BOB) as other:
        assert await work_before_pong(talk, [frame] * 12, other) < OTHERS_WAIT_SECONDS
        answers = await talk.settled()
        assert [each["code"] for each in refusals(answers)] == ["message_too_large"] * 12
