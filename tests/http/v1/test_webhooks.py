"""The routes of webhooks: who sees and changes what, what is refused and why, and that a secret is told once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.docs.reading import blocks
from tests.http.v1.conftest import FREE
from tests.http.v1.machines import machines
from tests.support.api_v1 import Api, api, error_of
from tests.support.foreign import Foreign, Received, foreign, http
from tests.support.live import Live, eventually, live_server

from interlock.http.v1.webhook_shapes import EventName
from interlock.webhooks.events import EVENTS

OWNER, ADA, EVE, FAR, READER = "token-owner", "token-ada", "token-eve", "token-far", "token-reader"
STRANGER = "token-stranger"
EVERYTHING = ["webhooks:manage", "workflows:read", "workflows:write", "workflows:execute"]
TOKENS = [
    {"token": OWNER, "user_id": "robot", "scopes": ["webhooks:manage", "workflows:read"], "kind": "service"},
    {"token": ADA, "user_id": "ada", "scopes": ["webhooks:manage", "workflows:read"], "namespaces": ["shop"]},
    {"token": EVE, "user_id": "eve", "scopes": ["webhooks:manage"], "namespaces": ["shop"]},
    {"token": STRANGER, "user_id": "user", "scopes": EVERYTHING, "namespaces": ["user_123"]},
    {"token": FAR, "user_id": "ada", "scopes": ["admin"], "account": "acme"},
    {"token": READER, "user_id": "rex", "scopes": ["workflows:read"]},
]
SUBSCRIPTIONS = "/webhooks/subscriptions"
NOBODY = "http://127.0.0.1:1/hook"
"""An address that may be reached, and where nothing listens."""

OWN_SECRET = "whsec_your_webhook_secret_min_32_chars"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    options = {"tokens": json.dumps(TOKENS), "webhook_allow": "127.0.0.1", **FREE}
    with live_server(machines, data_dir=tmp_path_factory.mktemp("webhooks"), **options) as live:
        yield live


def wanted(**fields: Any) -> dict[str, Any]:
    return {"url": NOBODY, "events": ["workflow.instance.halted", "workflow.instance.completed"], **fields}


async def made(who: Api, **fields: Any) -> dict[str, Any]:
    subscription: dict[str, Any] = await who.post(SUBSCRIPTIONS, wanted(**fields), 201)
    return subscription


def path(subscription: dict[str, Any], more: str = "") -> str:
    return f"{SUBSCRIPTIONS}/{subscription['id']}{more}"


def test_every_event_can_be_asked_for() -> None:
    assert get_args(EventName) == EVENTS


async def test_subscription_is_answered_as_printed_and_its_secret_told_once_where_it_was_made(server: Live) -> None:
    async with api(server, OWNER) as owner:
        printed = await made(owner, secret=OWN_SECRET, namespace_filter="user_123")
        facts = {name: printed[name] for name in ("url", "events", "namespace_filter", "status")}
        assert facts == {**wanted(namespace_filter="user_123"), "status": "active"}
        assert printed["id"].startswith("whsub_")
        assert (printed["created_by"], printed["resting"], printed.get("secret")) == ("robot", False, None)
        own = await made(owner)
        assert own["secret"].startswith("whsec_")
        shown = await owner.get(path(own))
        assert {**shown, "secret": own["secret"]} == own
        rotated = await owner.post(path(own, "/rotate"), {})
        assert rotated["secret"] not in (None, own["secret"])
        assert rotated["rotating_until"]
        confirmed = await owner.post(path(own, "/rotate/confirm"))
        assert (confirmed["rotating_until"], "secret" in confirmed) == (None, False)
        everything = (await owner.ask("GET", SUBSCRIPTIONS)).text
        assert not any(secret in everything for secret in (OWN_SECRET, own["secret"], rotated["secret"]))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://10.0.0.1/"}, "invalid_webhook"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "invalid_webhook"),
        ({"url": "ftp://example.com/"}, "invalid_webhook"),
        ({"url": "http://user:pass@127.0.0.1/"}, "invalid_webhook"),
        ({"url": ""}, "invalid_request"),
        ({"events": []}, "invalid_request"),
        ({"events": ["workflow.instance.paused"]}, "invalid_request"),
        ({"secret": "short"}, "invalid_request"),
        ({"secret": "x" * 31 + " "}, "invalid_request"),
        ({"namespace_filter": "no/namespace"}, "invalid_request"),
        ({"secrets": "a field that there isn't"}, "invalid_request"),
    ],
)
async def test_what_cant_be_is_refused_with_the_field_and_never_with_the_secret(
    server: Live, fields: dict[str, Any], code: str
) -> None:
    async with api(server, OWNER) as owner:
        response = await owner.ask("POST", SUBSCRIPTIONS, wanted(**{"secret": OWN_SECRET, **fields}))
        assert (response.status_code, error_of(response)["code"]) == (400, code), response.text
        (field,) = {re.split(r"[.\[]", fault["field"])[0] for fault in error_of(response)["details"]}
        assert field in fields
        assert OWN_SECRET not in response.text
        if "10.0.0.1" in str(fields):
            assert "INTERLOCK_WEBHOOK_ALLOW" in error_of(response)["message"]


async def test_who_owns_a_part_of_the_account_manages_what_tells_of_that_part(server: Live) -> None:
    async with api(server, OWNER) as owner, api(server, ADA) as ada, api(server, FAR) as far:
        assert await ada.refused("POST", SUBSCRIPTIONS, wanted()) == (403, "forbidden")
        assert await ada.refused("POST", SUBSCRIPTIONS, wanted(namespace_filter="org_ops")) == (403, "forbidden")
        ours = await made(ada, namespace_filter="shop")
        whole, other = await made(owner), await made(owner, namespace_filter="org_ops")
        seen = {each["id"] for each in (await ada.get(SUBSCRIPTIONS))["subscriptions"]}
        assert ours["id"] in seen
        assert seen.isdisjoint({whole["id"], other["id"]})
        delivery = await owner.post(path(whole, "/test"), status=202)
        for who, hidden in ((ada, whole), (ada, other), (far, ours), (far, whole)):
            for method, more, given in (
                ("GET", "", None),
                ("PATCH", "", {"url": "http://127.0.0.1:2/"}),
                ("DELETE", "", None),
                ("POST", "/rotate", {}),
                ("POST", "/rotate/confirm", None),
                ("POST", "/test", None),
                ("GET", "/deliveries", None),
                ("POST", "/replay?since=2026-01-20T12:00:00Z", None),
            ):
                assert await who.refused(method, path(hidden, more), given) == (404, "subscription_not_found")
            for method, more in (("GET", ""), ("POST", "/replay")):
                asked = f"/webhooks/deliveries/{delivery['id']}{more}"
                assert await who.refused(method, asked) == (404, "delivery_not_found")
        assert (await owner.get(path(whole)))["updated_at"] == whole["updated_at"]


async def test_whoever_says_where_or_what_is_told_is_the_one_whose_rights_decide_what(server: Live) -> None:
    async with api(server, ADA) as ada, api(server, EVE) as eve:
        ours = await made(ada, namespace_filter="shop")
        assert (await eve.ask("PATCH", path(ours), {"description": "hers?"})).json()["data"]["created_by"] == "ada"
        turned = (await eve.ask("PATCH", path(ours), {"url": "http://127.0.0.1:2/"})).json()["data"]
        assert (turned["created_by"], turned["url"]) == ("eve", "http://127.0.0.1:2/")


async def test_paused_subscription_takes_no_test_and_no_replay_until_it_is_enabled(server: Live) -> None:
    async with api(server, OWNER) as owner:
        ours = await made(owner)
        delivery = await owner.post(path(ours, "/test"), status=202)
        assert (delivery["event"], delivery["instance_id"], delivery["status"]) == ("webhook.test", None, "pending")
        paused = (await owner.ask("PATCH", path(ours), {"status": "disabled"})).json()["data"]
        assert (paused["status"], paused["disabled_because"]) == ("disabled", "asked")
        since = "/replay?since=2026-01-20T12:00:00Z"
        for asked in (path(ours, "/test"), path(ours, since), f"/webhooks/deliveries/{delivery['id']}/replay"):
            assert await owner.refused("POST", asked) == (409, "subscription_disabled")
        enabled = (await owner.ask("PATCH", path(ours), {"status": "active"})).json()["data"]
        assert (enabled["status"], enabled["disabled_because"]) == ("active", None)
        assert (await owner.post(f"/webhooks/deliveries/{delivery['id']}/replay", status=202))["id"] == delivery["id"]
        assert await owner.refused("POST", path(ours, "/replay")) == (400, "invalid_request")
        assert await owner.refused("POST", path(ours, "/replay?since=yesterday")) == (400, "invalid_request")
        assert (await owner.post(path(ours, since), status=202))["replayed"] >= 0
        listed = await owner.get(path(ours, "/deliveries"), event="webhook.test")
        assert [each["id"] for each in listed["deliveries"]] == [delivery["id"]]
        assert (await owner.get(path(ours, "/deliveries"), instance_id="none"))["deliveries"] == []
        assert await owner.refused("GET", path(ours, "/deliveries?cursor=odd")) == (400, "invalid_request")
        assert (await owner.ask("DELETE", path(ours))).status_code == 204
        assert await owner.refused("GET", path(ours)) == (404, "subscription_not_found")
        assert await owner.refused("GET", f"/webhooks/deliveries/{delivery['id']}") == (404, "delivery_not_found")


async def test_idempotency_key_makes_one_subscription_and_its_kept_answer_has_no_secret(server: Live) -> None:
    key: dict[str, Any] = {"Idempotency_Key": "once"}
    async with api(server, OWNER) as owner, api(server, ADA) as ada:
        first = await owner.post(SUBSCRIPTIONS, wanted(), 201, **key)
        again = await owner.post(SUBSCRIPTIONS, wanted(), 201, **key)
        assert {**again, "secret": first["secret"]} == first
        assert again.get("secret") is None
        different = await owner.refused("POST", SUBSCRIPTIONS, wanted(url="http://127.0.0.1:2/"), **key)
        assert different == (409, "idempotency_key_reused")
        assert (await ada.post(SUBSCRIPTIONS, wanted(namespace_filter="shop"), 201, **key))["id"] != first["id"]
        tested = [await owner.post(path(first, "/test"), None, 202, **key) for _ in range(2)]
        assert tested[0] == tested[1]
        rotated = [await owner.post(path(first, "/rotate"), {}, **key) for _ in range(2)]
        assert [bool(each.get("secret")) for each in rotated] == [True, False]
        await owner.ask("DELETE", path(first))
        gone = await owner.refused("POST", SUBSCRIPTIONS, wanted(), **key)
        assert gone == (404, "subscription_not_found")


async def test_pages_make_up_the_whole_and_the_scope_is_named(server: Live) -> None:
    async with api(server, OWNER) as owner, api(server, READER) as reader:
        await made(owner)
        whole = [each["id"] for each in (await owner.get(SUBSCRIPTIONS, limit=100))["subscriptions"]]
        paged: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            page = await owner.get(SUBSCRIPTIONS, **query)
            paged += [each["id"] for each in page["subscriptions"]]
            if not page["pagination"]["has_more"]:
                break
            query["cursor"] = page["pagination"]["next_cursor"]
        assert paged == whole
        refused = await reader.ask("GET", SUBSCRIPTIONS)
        assert error_of(refused)["details"] == {"required_scope": "webhooks:manage"}


# ── What a stranger does with it ────────────────────────────────────────────────────────────────────────

APPROVAL = {
    "name": "approval_workflow",
    "initial_state": "request",
    "states": {
        "request": {
            "type": "action",
            "logic": {"type": "script", "code": "return { ...input, status: 'pending' }"},
            "transitions": [{"target": "await_approval"}],
        },
        "await_approval": {
            "type": "halting",
            "presentation": {
                "type": "form",
                "title": "Approval Required",
                "fields": [
                    {"name": "approved", "type": "boolean", "label": "Approve this request?"},
                    {"name": "comment", "type": "string", "label": "Comment"},
                ],
            },
            "transitions": [{"target": "approved"}],
        },
        "approved": {"type": "terminal"},
    },
}
VERIFIERS = Path(__file__).parents[2] / "webhooks" / "verifiers.cjs"


def taken_by_the_reference(deliveries: list[Received], secret: str) -> list[bool]:
    """What the verifier that the reference prints says of deliveries."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node here")
    names = {name.lower(): name for name in ("X-Interactor-Signature", "X-Interactor-Timestamp")}
    lines = [
        json.dumps(
            {
                "secret": secret,
                "raw": True,
                "headers": {names.get(name, name): value for name, value in each.headers.items()},
                "body": each.body.decode(),
            }
        )
        for each in deliveries
    ]
    done = subprocess.run(
        ["node", str(VERIFIERS), "none"], input="\n".join(lines), capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line)["reference"] for line in done.stdout.splitlines()]


async def arrived(receiver: Foreign, number: int) -> list[dict[str, Any]]:
    """The bodies of what arrived, once there are so many."""

    async def bodies() -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in receiver.received] if len(receiver.received) >= number else []

    found: list[dict[str, Any]] = await eventually(bodies)
    return found


def as_printed(body: dict[str, Any], printed: dict[str, Any]) -> dict[str, Any]:
    """A body with the ids and times of a printed one, each of which is of the kind that is printed."""
    ids = {"delivery_id": "del_", "timestamp": "20", "instance_id": "inst_", "version_id": "v_", "halt_id": ""}
    for place, example in ((body, printed), (body["data"], printed["data"])):
        for name in ids.keys() & example.keys():
            assert place[name].startswith(ids[name]), name
            place[name] = example[name]
    return body


async def test_stranger_subscribes_is_told_all_in_order_as_printed_and_unsubscribes(server: Live) -> None:
    async with foreign(http(200)) as receiver, api(server, STRANGER) as stranger:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        ours = await made(stranger, url=url, events=list(EVENTS), secret=OWN_SECRET, namespace_filter="user_123")
        version = await stranger.post("/workflows", APPROVAL, 201)
        await stranger.post(f"/workflows/approval_workflow/versions/{version['version_id']}/publish")
        given = {"request_id": "req_456", "amount": 5000}
        instance = await stranger.create("approval_workflow", given, namespace="user_123")
        await arrived(receiver, 2)
        await stranger.resume(instance, {"approved": True})
        told = await arrived(receiver, 4)

        assert [each["event"].rpartition(".")[2] for each in told] == ["created", "halted", "resumed", "completed"]
        assert [each["sequence"] for each in told] == [1, 2, 3, 4]
        assert [each.headers["x-interlock-sequence"] for each in receiver.received] == ["1", "2", "3", "4"]
        assert told[2]["data"]["resumed_by"] == "user"
        assert taken_by_the_reference(receiver.received, OWN_SECRET) == [True] * 4
        assert taken_by_the_reference(receiver.received, OWN_SECRET + "x") == [False] * 4
        for body, block in zip((told[1], told[3]), blocks("docs/webhooks.md", "json"), strict=True):
            printed = json.loads(block.text)
            assert as_printed(body, printed) == printed

        listed = await stranger.get(path(ours, "/deliveries"), instance_id=instance["id"])
        assert [each["sequence"] for each in listed["deliveries"]] == [4, 3, 2, 1]
        assert {each["status"] for each in listed["deliveries"]} == {"delivered"}
        assert [each["code"] for each in listed["deliveries"][0]["attempts"]] == [200]
        assert (await stranger.get(path(ours)))["last_success_at"]
        assert (await stranger.ask("DELETE", path(ours))).status_code == 204
        await stranger.create("approval_workflow", given, namespace="user_123")
        assert len(receiver.received) == 4
