"""The errors of all instances over /api/v1."""

from __future__ import annotations

from typing import Any

from tests.support.api_v1 import Api, api
from tests.support.live import Live, eventually


async def fail(alice: Api, workflow: str, code: str) -> Any:
    """The error of an instance that has failed."""
    body = (await alice.ask("POST", f"/workflows/{workflow}/instances", {"input": {"code": code}})).json()
    instance = body["data"]["id"] if "data" in body else body["error"]["details"]["instance_id"]

    async def errors() -> list[Any]:
        return [each for each in await found(alice) if each["instance_id"] == instance]

    (error,) = await eventually(errors)  # the answer doesn't wait for the list
    return error


async def found(caller: Api, **query: Any) -> list[Any]:
    return list((await caller.get("/workflows/errors", **query))["errors"])


async def test_an_error_is_an_event_of_a_history_and_there_for_who_may_read_the_instance(
    machine_live_on_each: Live,
) -> None:
    async with (
        api(machine_live_on_each) as alice,
        api(machine_live_on_each, "token-bob") as bob,
        api(machine_live_on_each, "token-root") as root,
        api(machine_live_on_each, "token-far") as far,
    ):
        error = await fail(alice, "failing", "http_error")
        instance = error["instance_id"]
        event = await alice.get(f"/workflows/instances/{instance}/events/{error['id']}")
        assert (event["type"], event["state"], event["timestamp"]) == ("error", "work", error["timestamp"])
        assert error == {
            **{name: error[name] for name in ("id", "timestamp")},
            "instance_id": instance,
            "workflow_name": "failing",
            "version_id": None,
            "namespace": "user_alice",
            "state": "work",
            "thread_id": "thread_main",
            "code": "http_error",
            "message": "the logic failed",
            "fatal": True,
        }
        assert error in await found(root, namespace="user_alice")
        assert (await found(bob), await found(far)) == ([], [])


async def test_errors_are_filtered_and_pages_make_up_the_whole(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        for workflow, code in (("failing", "script_error"), ("broken", ""), ("failing", "http_timeout")):
            await fail(alice, workflow, code)
        whole = await found(alice)
        times = [each["timestamp"] for each in whole]
        assert times == sorted(times, reverse=True)
        for field, query in (("workflow_name", "workflow_name"), ("code", "code"), ("namespace", "namespace")):
            value = whole[0][field]
            assert await found(alice, **{query: value}) == [each for each in whole if each[field] == value]
        at = times[1]
        assert await found(alice, since=at) == [each for each in whole if each["timestamp"] > at]
        assert await found(alice, until=at) == [each for each in whole if each["timestamp"] < at]
        paged: list[Any] = []
        page = await alice.get("/workflows/errors", limit=1)
        while True:
            paged += page["errors"]
            cursor = page["pagination"]["next_cursor"]
            assert page["pagination"]["has_more"] is (cursor is not None)
            if cursor is None:
                break
            page = await alice.get("/workflows/errors", limit=1, cursor=cursor)
        assert paged == whole


async def test_what_is_asked_wrongly_is_refused(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        for query in ("limit=0", "limit=1001", "since=yesterday", "cursor=x", "namespace=%20"):
            assert (await alice.refused("GET", f"/workflows/errors?{query}"))[0] == 400, query
