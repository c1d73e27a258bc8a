"""What the bridge does for whoever sends it too much: no more than the server itself would."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from interlock.bridges.agentos import routes
from interlock.bridges.agentos.history import History
from interlock.bridges.agentos.routes import FORM, LISTED, Request, continue_, resume, runs_of_session
from interlock.bridges.agentos.socket import Conversation
from interlock.http.bodies import MAX_FIELDS
from interlock_protocol.limits import (
    MAX_CLIENT_DEPTH,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)

PART = 16 * 1024
LIMIT = 4 * 1024 * 1024
MANY_VALUES = b"[" + b"[]," * MAX_VALUES + b"[]]"
MANY_FIELDS = b"&".join([b"a=b"] * (MAX_FIELDS + 1))


class Asked:
    """A request to the bridge, and what reaches the server behind it."""

    def __init__(self, body: bytes, kind: str, *headers: tuple[bytes, bytes]) -> None:
        self.parts = [body[at : at + PART] for at in range(0, len(body), PART)]
        self.taken = 0
        self.passed_on = b""
        self.status = 0
        scope = {
            "type": "http",
            "method": "POST",
            "query_string": b"",
            "headers": [(b"content-type", kind.encode()), *headers],
        }
        of = {"workflow_id": "confirm", "run_id": "r"}
        self.request = Request(self.app, scope, self.receive, self.send, cast("Any", None), of, LIMIT)

    async def receive(self) -> dict[str, Any]:
        part = self.parts.pop(0)
        self.taken += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed_on = (await receive())["body"]
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("respond", [continue_, resume])
async def test_no_more_is_read_of_a_stranger_than_the_server_would(respond: Any) -> None:
    asked = Asked(b"x" * (LIMIT // 2), FORM)
    await respond(asked.request)
    assert asked.taken <= MAX_UNAUTHENTICATED_BYTES + PART


async def test_whoever_has_a_token_may_send_a_whole_message() -> None:
    asked = Asked(b"x" * (LIMIT // 2), "text/plain", (b"authorization", b"Bearer some"))
    await continue_(asked.request)
    assert len(asked.passed_on) == LIMIT // 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, MANY_FIELDS),
        ("application/json", b'{"step_requirements": ' + MANY_VALUES + b"}"),
    ],
)
async def test_what_is_beyond_a_bound_is_passed_on_unread(
    kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        pytest.fail("it was parsed")

    monkeypatch.setattr(routes, "parse_qsl", never)
    monkeypatch.setattr(json, "loads", never)
    asked = Asked(body, kind, (b"authorization", b"Bearer some"))
    await continue_(asked.request)
    assert asked.passed_on == body


async def test_requirements_of_a_form_are_not_read_beyond_the_bound_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was parsed"))
    asked = Asked(b"step_requirements=" + MANY_VALUES, FORM, (b"authorization", b"Bearer some"))
    await continue_(asked.request)
    assert asked.passed_on.startswith(b"step_requirements=")


async def test_resuming_with_too_many_fields_is_refused() -> None:
    asked = Asked(MANY_FIELDS, FORM, (b"authorization", b"Bearer some"))
    await resume(asked.request)
    assert (asked.status, asked.passed_on) == (400, b"")


# ── On the socket ───────────────────────────────────────────────────────────────────────────────────────


async def _is_translated(conversation: Conversation, frames: list[str], text: str) -> bool:
    """Whether a frame is more than passed on as it came."""
    frames.append(text)
    return (await conversation.receive())["text"] is not text


def _conversation(frames: list[str]) -> Conversation:
    async def receive() -> Any:
        return {"type": "websocket.receive", "text": frames.pop()}

    async def send(message: Any) -> None:
        pass

    scope: dict[str, Any] = {"subprotocols": [], "extensions": {}}
    return Conversation(scope, receive, send, cast("Any", None), token=None, limit=LIMIT)


def _said(event: str) -> Any:
    return {"type": "websocket.send", "text": json.dumps({"event": event})}


SMALL = json.dumps({"action": "ping"})
MUCH = {
    "long": json.dumps({"action": "ping", "x": "x" * MAX_UNAUTHENTICATED_BYTES}),
    "long in bytes": json.dumps(
        {"action": "ping", "x": "\u20ac" * (MAX_UNAUTHENTICATED_BYTES // 2)}, ensure_ascii=False
    ),
    "deep": f'{{"action":"ping","x":{"[" * MAX_UNAUTHENTICATED_DEPTH}{"]" * MAX_UNAUTHENTICATED_DEPTH}}}',
}
TOO_MUCH = {
    "long in bytes": json.dumps({"action": "ping", "x": "\u20ac" * (LIMIT // 2)}, ensure_ascii=False),
    "deep": f'{{"action":"ping","x":{"[" * MAX_CLIENT_DEPTH}{"]" * MAX_CLIENT_DEPTH}}}',
    "many values": f'{{"action":"ping","x":{MANY_VALUES.decode()}}}',
}


@pytest.mark.parametrize("what", MUCH)
async def test_of_a_stranger_no_more_is_looked_at_than_by_the_server(what: str) -> None:
    """Also of one whose token has run out."""
    frames: list[str] = []
    conversation = _conversation(frames)
    assert await _is_translated(conversation, frames, SMALL)
    assert not await _is_translated(conversation, frames, MUCH[what])
    await conversation.send(_said("authenticated"))
    assert await _is_translated(conversation, frames, MUCH[what])
    await conversation.send(_said("auth_required"))
    assert not await _is_translated(conversation, frames, MUCH[what])
    await conversation.send(_said("authenticated"))
    assert await _is_translated(conversation, frames, MUCH[what])


@pytest.mark.parametrize("what", TOO_MUCH)
async def test_of_nobody_more_is_looked_at_than_by_the_server(what: str) -> None:
    frames: list[str] = []
    conversation = _conversation(frames)
    await conversation.send(_said("authenticated"))
    assert not await _is_translated(conversation, frames, TOO_MUCH[what])


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────


_ROW = {"workflow_id": "w", "user_id": "u", "created_at": 0}


class Counting:
    """A server that counts requests, and lets so many through; and a reader of logs, which notes whose it reads."""

    def __init__(self, permits: int) -> None:
        self.permits = permits
        self.read: list[str] = []
        self.told: list[dict[str, Any]] = []

    async def app(self, scope: Any, _: Any, send: Any) -> None:
        self.permits -= 1
        run_id = scope["path"].rpartition("/")[2]
        output = {"event": "WorkflowRunOutput", "run_id": run_id, "status": "PAUSED", "created_at": 0}
        if self.permits < 0:
            content: Any = {"error": "Wait.", "code": "rate_limited"}
        elif scope["path"] == "/runs":
            content = {"runs": [{**_ROW, "run_id": f"r{number}"} for number in range(LISTED)]}
        else:
            content = {"output": output}
        await send({"type": "http.response.start", "status": 429 if self.permits < 0 else 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    async def until(self, run_id: str) -> History:
        self.read.append(run_id)
        return History()

    async def send(self, message: Any) -> None:
        if message.get("body"):
            self.told = json.loads(message["body"])


async def test_each_log_that_a_list_reads_is_counted_as_a_request() -> None:
    """The runs beyond what may be asked for are told as the server's own lists have them."""
    counting = Counting(permits=1 + 20)
    scope = {"type": "http", "method": "GET", "query_string": b"", "headers": []}
    none = cast("Any", None)
    await runs_of_session(
        Request(counting.app, scope, none, counting.send, cast("Any", counting), {"session_id": "s"}, LIMIT)
    )
    assert counting.read == [f"r{number}" for number in range(20)]
    assert [each["run_id"] for each in counting.told] == [f"r{number}" for number in range(LISTED)]
    assert ["status" in each for each in counting.told] == [True] * 20 + [False] * 30
