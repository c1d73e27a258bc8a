"""What an instance is about, how many there may be, and repeating one that failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from tests.http.v1.conftest import FREE, TOKENS
from tests.http.v1.machines import END, machine
from tests.support.api_v1 import api, error_of
from tests.support.live import Live, live_server

from interlock import Halting, Machine, State, StepInput, Transition, Workflow
from interlock.workflow.activities import LogicError
from interlock_client import ActionRefused, Conflict, connect

INSTANCES = "/workflows/instances"
MOST = 3
_down = [True]


class Order(BaseModel):
    order: int


def charge(step: StepInput) -> dict[str, Any]:
    if _down[0]:
        raise LogicError("script_error", "the bank is away")
    return {"charged": step.input.get("amount", 0)}


WORKFLOWS = [
    machine("waits", "ask", {"ask": State(halt=Halting(), transitions=[Transition("end")]), "end": END}),
    machine(
        "pays",
        "begin",
        {
            "begin": State(lambda _: {"begun": True}, [Transition("charge")]),
            "charge": State(charge, [Transition("end")]),
            "end": END,
        },
    ),
    machine(
        "asks-and-pays",
        "ask",
        {
            "ask": State(halt=Halting(), transitions=[Transition("charge")]),
            "charge": State(charge, [Transition("end")]),
            "end": END,
        },
    ),
    Workflow(
        "orders",
        steps=[
            Machine(
                "orders",
                {"ask": State(halt=Halting(), transitions=[Transition("end")]), "end": END},
                initial_state="ask",
            )
        ],
        business_key="${input.order}",
    ),
    Workflow(
        "typed",
        steps=[Machine("typed", {"end": State(is_terminal=True)}, initial_state="end")],
        input_schema=Order,
    ),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with live_server(
        WORKFLOWS, data_dir=folder, tokens=json.dumps(TOKENS), max_active_instances=MOST, **FREE
    ) as server:
        yield server


async def test_business_key_is_taken_until_its_instance_ends(live: Live) -> None:
    async with api(live) as alice, api(live, "token-bob") as bob:
        first = await alice.create("waits", business_key="order-1")
        assert first["business_key"] == "order-1"
        body = {"business_key": "order-1"}
        refused = await alice.ask("POST", "/workflows/waits/instances", body)
        assert (refused.status_code, error_of(refused)["code"]) == (409, "business_key_taken")
        assert error_of(refused)["details"] == {"instance_id": first["id"]}
        hidden = await bob.ask("POST", "/workflows/waits/instances", body)
        assert (hidden.status_code, error_of(hidden)["details"]) == (409, None), "he may not know of it"
        await alice.resume(first)
        second = await alice.create("waits", business_key="order-1")
        listed = await alice.get(INSTANCES, business_key="order-1")
        assert [each["id"] for each in listed["instances"]] == [second["id"], first["id"]]
        assert {each["business_key"] for each in listed["instances"]} == {"order-1"}
        assert (await alice.get(INSTANCES, business_key="order-2"))["instances"] == []
        await alice.resume(second)


async def test_key_is_free_as_soon_as_the_end_was_answered(live: Live) -> None:
    async with api(live) as alice:
        for _ in range(10):
            await alice.resume(await alice.create("waits", business_key="quick"))


async def test_definition_gives_the_business_key_of_its_input(live: Live) -> None:
    async with api(live) as alice:
        first = await alice.create("orders", {"order": 17})
        assert first["business_key"] == "17"
        assert await alice.refused("POST", "/workflows/orders/instances", {"input": {"order": "17"}}) == (
            409,
            "business_key_taken",
        )
        named = await alice.create("orders", {"order": 17}, business_key="mine")
        assert named["business_key"] == "mine"
        without = await alice.create("orders", {})
        assert "business_key" not in without
        too_long = {"input": {"order": "x" * 10_000}}
        assert await alice.refused("POST", "/workflows/orders/instances", too_long) == (400, "invalid_input")
        nul = {"input": {"order": "a\x00b"}}
        assert await alice.refused("POST", "/workflows/orders/instances", nul) == (400, "invalid_input")
        for each in (first, named, without):
            await alice.resume(each)


async def test_input_that_does_not_fit_is_told_by_the_name_that_it_has_here(live: Live) -> None:
    async with api(live) as alice:
        response = await alice.ask("POST", "/workflows/typed/instances", {"input": {"order": []}})
        error = error_of(response)
        assert (response.status_code, error["code"]) == (400, "invalid_input")
        assert [each["field"] for each in error["details"]] == ["input.order"]
        assert "message" not in error["message"]


async def test_namespace_has_no_more_active_instances_than_it_may(live: Live) -> None:
    async with api(live) as alice, api(live, "token-bob") as bob:
        made = [await alice.create("waits") for _ in range(MOST)]
        path = "/workflows/waits/instances"
        assert await alice.refused("POST", path, {}) == (429, "namespace_quota_exceeded")
        async with connect(live.http_url, token="token-alice") as client:
            with pytest.raises(ActionRefused) as refused:
                await client.start("waits", message={})
        assert refused.value.code == "namespace_quota_exceeded"
        await bob.resume(await bob.create("waits"))
        for each in made:
            await alice.resume(each)
        await alice.resume(await alice.create("waits"))


async def test_failed_instance_is_retried_from_where_it_failed(live: Live) -> None:
    _down[0] = True
    async with api(live) as alice:
        path = "/workflows/pays/instances"
        failed = await alice.ask("POST", path, {"input": {"amount": 5}, "business_key": "bill-1"})
        assert (failed.status_code, error_of(failed)["code"]) == (500, "script_error")
        first = error_of(failed)["details"]["instance_id"]
        retry = f"{INSTANCES}/{first}/retry"
        _down[0] = False
        again = await alice.post(retry, None, 201, Idempotency_Key="once")
        assert (again["retried_from"], again["status"], again["business_key"]) == (first, "completed", "bill-1")
        assert again["id"] != first
        assert again["workflow_data"] == {"begun": True, "charged": 5}
        assert (await alice.post(retry, None, 201, Idempotency_Key="once"))["id"] == again["id"]
        shown = await alice.get(f"{INSTANCES}/{again['id']}")
        assert [each["state"] for each in shown["history"]] == ["begin", "charge", "end"]
        events = (await alice.get(f"{INSTANCES}/{again['id']}/history", types="transition"))["events"]
        assert events[0]["trigger"] == "retry"
        assert await alice.refused("POST", f"{INSTANCES}/{again['id']}/retry") == (400, "instance_not_failed")
        assert await alice.refused("POST", f"{INSTANCES}/inst_nothing/retry") == (404, "instance_not_found")
        async with api(live, "token-bob") as bob:
            assert await bob.refused("POST", retry) == (404, "instance_not_found")


async def test_retry_of_a_retry_has_the_input_that_a_person_gave(live: Live) -> None:
    _down[0] = True
    async with api(live) as alice:
        instance = await alice.create("asks-and-pays", {"amount": 1})
        failed = await alice.ask("POST", f"{INSTANCES}/{instance['id']}/resume", {"input": {"amount": 7}})
        failed = await alice.ask("POST", f"{INSTANCES}/{error_of(failed)['details']['instance_id']}/retry")
        _down[0] = False
        again = await alice.post(f"{INSTANCES}/{error_of(failed)['details']['instance_id']}/retry", None, 201)
        assert again["workflow_data"] == {"amount": 7, "charged": 7}


async def test_client_retries_and_names_what_an_instance_is_about(live: Live) -> None:
    _down[0] = True
    async with connect(live.http_url, token="token-alice") as client:
        with pytest.raises(ActionRefused) as failed:
            await client.instances.create("pays", {"amount": 2}, business_key="bill-2")
        assert failed.value.run_id is not None
        _down[0] = False
        again = await client.instances.retry(failed.value.run_id)
        assert (again.retried_from, again.status) == (failed.value.run_id, "completed")
        waits = await client.instances.create("waits", business_key="bill-2")
        with pytest.raises(Conflict):
            await client.instances.create("waits", business_key="bill-2")
        assert [each.id for each in await client.instances.list(business_key="bill-2", workflow_name="waits")] == [
            waits.id
        ]
        await client.instances.cancel(waits)
