"""Webhooks by the Python client: what is sent, and what comes back of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.api import Api, Reply, api_server, data, error
from tests.client.test_rest import Tokens

from interlock_client import Conflict, NotFound
from interlock_client.rest import Rest
from interlock_client.webhooks import Webhooks

PATH = "/api/v1/webhooks/subscriptions"
SUBSCRIPTION = {
    "id": "whsub_1",
    "url": "https://a.example/hook",
    "events": ["workflow.instance.halted"],
    "status": "active",
}
DELIVERY: dict[str, Any] = {
    "id": "del_1",
    "subscription_id": "whsub_1",
    "event": "workflow.instance.halted",
    "status": "dead",
    "sequence": 3,
    "attempts": [{"at": "2026-01-20T12:00:00Z", "code": 500, "duration_ms": 12, "response": "no"}],
}


@pytest.fixture
def server() -> Iterator[Api]:
    with api_server() as api:
        yield api


def client(server: Api) -> Webhooks:
    return Webhooks(Rest(server.url, Tokens("abc")))


def page(name: str, cursor: str | None, *items: Any) -> Reply:
    return data({name: items, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}})


async def test_subscriptions_are_made_listed_page_after_page_changed_rotated_and_deleted(server: Api) -> None:
    webhooks = client(server)
    server.next.append(data({**SUBSCRIPTION, "secret": "whsec_x"}, 201))
    server.next.extend([page("subscriptions", "more", SUBSCRIPTION), page("subscriptions", None, SUBSCRIPTION)])
    server.next.extend([data(SUBSCRIPTION)] * 4)
    server.next.append(Reply(204, b""))
    url, events = SUBSCRIPTION["url"], SUBSCRIPTION["events"]
    made = await webhooks.subscribe(str(url), list(events), namespace_filter="shop", idempotency_key="once")
    assert (made.secret, made.resting) == ("whsec_x", False)
    assert len(await webhooks.list()) == 2
    await webhooks.get("whsub_1")
    await webhooks.change("whsub_1", status="disabled")
    await webhooks.rotate("whsub_1")
    await webhooks.confirm("whsub_1")
    await webhooks.delete("whsub_1")
    assert server.received[0].headers["idempotency-key"] == "once"
    assert [(each.method, each.path, each.query, each.body) for each in server.received] == [
        ("POST", PATH, "", {"url": url, "events": events, "namespace_filter": "shop"}),
        ("GET", PATH, "limit=100", None),
        ("GET", PATH, "limit=100&cursor=more", None),
        ("GET", f"{PATH}/whsub_1", "", None),
        ("PATCH", f"{PATH}/whsub_1", "", {"status": "disabled"}),
        ("POST", f"{PATH}/whsub_1/rotate", "", {}),
        ("POST", f"{PATH}/whsub_1/rotate/confirm", "", {}),
        ("DELETE", f"{PATH}/whsub_1", "", None),
    ]


async def test_deliveries_are_listed_tried_and_replayed_one_or_all_since_a_time(server: Api) -> None:
    webhooks = client(server)
    server.next.extend([data(DELIVERY, 202), page("deliveries", None, DELIVERY)])
    server.next.extend([page("deliveries", "more", DELIVERY), page("deliveries", None, DELIVERY)])
    server.next.extend([data(DELIVERY), data(DELIVERY, 202), data({"replayed": 3}, 202)])
    await webhooks.test("whsub_1")
    found = await webhooks.deliveries("whsub_1", status="dead", instance_id="inst_1")
    assert [(each.code, each.duration_ms) for each in found.deliveries[0].attempts] == [(500, 12)]
    assert [each.id async for each in webhooks.all_deliveries("whsub_1")] == ["del_1", "del_1"]
    await webhooks.delivery("del_1")
    await webhooks.replay("del_1")
    assert await webhooks.replay_since("whsub_1", "2026-01-20T12:00:00Z") == 3
    assert [f"{each.method} {each.path.removeprefix('/api/v1/webhooks')} {each.query}" for each in server.received] == [
        "POST /subscriptions/whsub_1/test ",
        "GET /subscriptions/whsub_1/deliveries status=dead&instance_id=inst_1",
        "GET /subscriptions/whsub_1/deliveries ",
        "GET /subscriptions/whsub_1/deliveries cursor=more",
        "GET /deliveries/del_1 ",
        "POST /deliveries/del_1/replay ",
        "POST /subscriptions/whsub_1/replay since=2026-01-20T12%3A00%3A00Z",
    ]


async def test_refusals_are_of_their_kinds(server: Api) -> None:
    webhooks = client(server)
    server.next.extend([error(404, "delivery_not_found"), error(409, "subscription_disabled")])
    with pytest.raises(NotFound):
        await webhooks.delivery("del_2")
    with pytest.raises(Conflict):
        await webhooks.replay("del_1")
