"""What the bridge does for whoever sends it too much: no more than the server itself would."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from interlock.bridges.agentos import routes
from interlock.bridges.agentos.routes import FORM, Request, continue_, resume
from interlock.http.bodies import MAX_FIELDS
from interlock_protocol.limits import MAX_UNAUTHENTICATED_BYTES, MAX_VALUES

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
        none = cast("Any", None)
        self.request = Request(self.app, scope, self.receive, self.send, none, none, of, LIMIT)

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
