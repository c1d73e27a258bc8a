"""Threads that begin again, over HTTP and on the socket: each pass has an id and a history of its own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.api_v1 import Api, api
from tests.support.live import ALICE, Live

from interlock import DeclarationError, Machine, State, Transition
from interlock_client import connect

ASKS = {"type": "message", "message": "Ready?"}
ROUNDS = {
    "name": "rounds",
    "initial_state": "both",
    "states": {
        "both": {
            "type": "parallel",
            "threads": {"a": "ask"},
            "transitions": [{"target": "end", "condition": {"field": "enough", "equals": True}}, {"target": "both"}],
        },
        "ask": {"type": "halting", "presentation": ASKS, "accepts": {}, "transitions": [{"target": "end"}]},
        "end": {"type": "terminal"},
    },
}


async def test_a_thread_that_begins_again_has_an_id_of_its_own(machine_live: Live) -> None:
    async with api(machine_live) as alice, connect(machine_live.http_url, token=ALICE) as client:
        version = (await alice.post("/workflows", ROUNDS, 201))["version_id"]
        await alice.post(f"/workflows/rounds/versions/{version}/publish")
        instance = await alice.create("rounds")
        path = f"/workflows/instances/{instance['id']}"

        told = await alice.post(f"{path}/threads/thread_a/resume", {"input": {"n": 1}})
        assert threads(told) == {"thread_main": "both", "thread_a": "end", "thread_a_2": "ask"}
        assert [each["id"] for each in (await alice.get(f"{path}/threads"))["threads"]] == list(threads(told))
        refused = await alice.refused("POST", f"{path}/threads/thread_a/resume", {"input": {"n": 2}})
        assert refused == (409, "concurrent_modification")
        missing = await alice.refused("POST", f"{path}/threads/thread_a_3/resume", {"input": {}})
        assert missing == (404, "thread_not_found")

        run = await client.follow(instance["id"])
        async for _ in run:
            if [each.thread_id for each in run.pending] == ["thread_a_2"]:
                break
        (pause,) = run.pending
        await pause.submit(n=2, enough=True)
        done = await client.instances.wait_for(instance["id"], "completed")
        assert (done.status, done.workflow_data) == ("completed", {"n": 2, "enough": True})

        passes = {each: await subtypes(alice, path, each) for each in ("thread_a", "thread_a_2", "thread_a_3")}
        assert passes["thread_a"] == passes["thread_a_2"]
        assert passes["thread_a"] == ["thread_started", "entered", "resumed", "state_change", "thread_completed"]
        assert passes["thread_a_3"] == []


def threads(instance: Any) -> dict[str, str]:
    return {each["id"]: each["current_state"] for each in instance["threads"]}


async def subtypes(client: Api, path: str, thread: str) -> list[str]:
    return [each["subtype"] for each in (await client.get(f"{path}/history", thread=thread))["events"]]


def test_no_thread_is_called_as_a_later_pass_of_another_is() -> None:
    states = {
        "a": State(threads={"t": "b", "t_2": "b"}, transitions=[Transition("b")]),
        "b": State(is_terminal=True),
    }
    with pytest.raises(DeclarationError, match="begins again"):
        Machine("m", states, initial_state="a")
