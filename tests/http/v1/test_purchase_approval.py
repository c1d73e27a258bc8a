"""A purchase approval in JSON, with scripts and a notification over HTTP, from its draft to its four ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from tests.http.v1.conftest import FREE, TOKENS
from tests.http.v1.machines import chosen
from tests.support.api_v1 import api
from tests.support.live import Live, live_server

NOW = "new Date().toISOString()"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    received: ClassVar[list[tuple[dict[str, str], Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def purchase_live(tmp_path_factory: pytest.TempPathFactory, receiver: str) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("purchase")
    options = {"tokens": json.dumps(TOKENS), "http_allow": receiver, **FREE}
    with live_server([chosen], data_dir=folder, **options) as live:
        yield live


def approval(title: str, *fields: dict[str, Any]) -> dict[str, Any]:
    approved = {"name": "approved", "type": "boolean", "label": "Approve?", "required": True}
    comment = {"name": "comment", "type": "string", "label": "Comment", "multiline": True}
    return {"type": "form", "title": title, "description": WHAT, "fields": [approved, *fields, comment]}


WHAT = "Purchase request for ${workflow_data.description} - $${workflow_data.amount}"
YES = {"field": "approved", "equals": True}


def over(amount: int) -> dict[str, Any]:
    return {"and": [YES, {"field": "amount", "operator": "gt", "value": amount}]}


def at_most(amount: int) -> dict[str, Any]:
    return {"field": "amount", "operator": "lte", "value": amount}


def stamped(status: str, **more: str) -> dict[str, Any]:
    said = "".join(f", {name}: {value}" for name, value in more.items())
    return {"type": "script", "code": f"return {{ ...workflow_data, status: '{status}', {status}_at: {NOW}{said} }}"}


def definition(receiver: str) -> dict[str, Any]:
    """Up to 1,000 approves itself, over 10,000 needs two people."""
    notify = [{"target": "notify"}]
    return {
        "name": "purchase_approval",
        "initial_state": "submit",
        "ai_guidance": "Purchases over 1,000 need a manager, over 10,000 a vice president too.",
        "states": {
            "submit": {
                "type": "action",
                "logic": {
                    "type": "script",
                    "code": f"console.log('got', input.id); return {{ ...input, at: {NOW}, status: 'pending' }}",
                },
                "transitions": [{"target": "auto_approved", "condition": at_most(1000)}, {"target": "manager"}],
            },
            "manager": {
                "type": "halting",
                "presentation": approval("Manager"),
                "transitions": [
                    {"target": "vp", "condition": over(10_000)},
                    {"target": "approved", "condition": YES},
                    {"target": "rejected"},
                ],
            },
            "vp": {
                "type": "halting",
                "presentation": approval("VP", {"name": "budget_code", "type": "string", "label": "Budget"}),
                "transitions": [{"target": "approved", "condition": YES}, {"target": "rejected"}],
            },
            "auto_approved": {
                "type": "action",
                "logic": stamped("approved", approved_by="'auto'"),
                "transitions": notify,
            },
            "approved": {"type": "action", "logic": stamped("approved"), "transitions": notify},
            "rejected": {"type": "action", "logic": stamped("rejected"), "transitions": notify},
            "notify": {
                "type": "action",
                "logic": {
                    "type": "http",
                    "method": "POST",
                    "url": f"http://{receiver}/notifications",
                    "body": {
                        "email": "${workflow_data.requester}",
                        "status": "${workflow_data.status}",
                        "amount": "${workflow_data.amount}",
                    },
                },
                "transitions": [{"target": "complete"}],
            },
            "complete": {"type": "terminal"},
        },
    }


@pytest.mark.parametrize(
    ("amount", "inputs", "path", "status"),
    [
        (500, [], ["submit", "auto_approved", "notify", "complete"], "approved"),
        (5000, [True], ["submit", "manager", "approved", "notify", "complete"], "approved"),
        (15000, [True, True], ["submit", "manager", "vp", "approved", "notify", "complete"], "approved"),
        (5000, [False], ["submit", "manager", "rejected", "notify", "complete"], "rejected"),
    ],
)
async def test_purchase_goes_its_way(
    purchase_live: Live, receiver: str, amount: int, inputs: list[bool], path: list[str], status: str
) -> None:
    Receiver.received.clear()
    async with api(purchase_live) as alice:
        whole = definition(receiver)
        assert await alice.post("/workflows/validate", whole) == {"valid": True}
        draft = await alice.post("/workflows", whole, 201)
        await alice.post(f"/workflows/purchase_approval/versions/{draft['version_id']}/publish")
        given = {"id": "PO-1", "amount": amount, "requester": "john@example.com", "description": "Laptop"}
        instance = await alice.create("purchase_approval", given, namespace="user_alice")
        for approved in inputs:
            assert instance["status"] == "halted"
            assert instance["halting_presentation"]["description"] == f"Purchase request for Laptop - ${amount}"
            instance = await alice.resume(instance, {"approved": approved})
        assert (instance["status"], instance["current_state"]) == ("completed", "complete")
        data = instance["workflow_data"]
        assert (data["status"], data["amount"], data["id"]) == (status, amount, "PO-1")
        shown = await alice.get(f"/workflows/instances/{instance['id']}")
        assert [each["state"] for each in shown["history"]] == path
        assert shown["history"][0]["logs"] == ["got PO-1"]
        ((headers, body),) = Receiver.received
        assert headers["X-Request-Id"].startswith("req_"), "that of the request that caused the call"
        assert body == {"email": "john@example.com", "status": status, "amount": amount}
        assert headers["Idempotency-Key"] == f"{instance['id']}:thread_main:notify:1:logic"


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (TRACEPARENT, TRACEPARENT),
        ("00-1-2-3", None),
        (None, None),
    ],
)
async def test_call_tells_the_request_and_the_trace_that_caused_it(
    purchase_live: Live, receiver: str, sent: str | None, told: str | None
) -> None:
    Receiver.received.clear()
    async with api(purchase_live) as alice:
        draft = await alice.post("/workflows", definition(receiver), 201)
        await alice.post(f"/workflows/purchase_approval/versions/{draft['version_id']}/publish")
        named = {"X_Request_Id": "order-7", **({} if sent is None else {"traceparent": sent})}
        given = {"input": {"id": "PO-1", "amount": 5}}
        await alice.post("/workflows/purchase_approval/instances", given, 201, **named)
    ((headers, _),) = Receiver.received
    assert (headers["X-Request-Id"], headers.get("traceparent")) == ("order-7", told)


async def test_script_that_can_not_be_parsed_is_told_with_its_line(purchase_live: Live, receiver: str) -> None:
    wrong = definition(receiver)
    wrong["states"]["submit"]["logic"]["code"] = "let a = 1;\nreturn 1 +;"
    async with api(purchase_live) as alice:
        told = await alice.post("/workflows/validate", wrong)
        (fault,) = told["errors"]
        assert fault["path"] == "states.submit.logic.code"
        assert "line 2" in fault["message"]


@pytest.mark.parametrize(
    ("logic", "code"),
    [
        ({"type": "script", "code": "throw new Error('no')"}, "script_error"),
        ({"type": "http", "method": "GET", "url": "http://127.0.0.1:1/"}, "http_error"),
    ],
)
async def test_failed_logic_is_an_error_of_its_kind(purchase_live: Live, logic: dict[str, Any], code: str) -> None:
    name = f"fails_{code}"
    states = {
        "work": {"type": "action", "logic": logic, "transitions": [{"target": "end"}]},
        "end": {"type": "terminal"},
    }
    async with api(purchase_live) as alice:
        draft = await alice.post("/workflows", {"name": name, "initial_state": "work", "states": states}, 201)
        await alice.post(f"/workflows/{name}/versions/{draft['version_id']}/publish")
        assert await alice.refused("POST", f"/workflows/{name}/instances", {}) == (500, code)
