"""Instances that wait for a time, on each storage: they sleep, and are woken."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.http.v1.conftest import FREE, TOKENS
from tests.http.v1.machines import END, machine
from tests.support.api_v1 import api
from tests.support.live import STORAGES, Live, eventually, live_server, storage_settings

from interlock import State, Transition, Wait
from interlock.engine.driving import driver

STATES = {
    "begin": State(wait=Wait(seconds=1), transitions=[Transition("later")]),
    "later": State(wait=Wait(seconds=3600), transitions=[Transition("end")]),
    "end": END,
}
WORKFLOWS = [
    machine("waits", "begin", STATES),
    machine("naps", "begin", {**STATES, "later": STATES["end"]}),
]


@pytest.fixture(scope="module", params=STORAGES)
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with (
        pytest.MonkeyPatch.context() as patch,
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
    ):
        patch.setattr(driver, "SHORT_WAIT_MS", 0)
        with live_server(WORKFLOWS, tokens=json.dumps(TOKENS), **FREE, **settings) as server:
            yield server


async def test_instance_sleeps_until_its_time_and_says_so_in_its_history(live: Live) -> None:
    async with api(live) as alice:
        done = await alice.create("naps")
        assert done["status"] == "completed"
        events = (await alice.get(f"/workflows/instances/{done['id']}/history"))["events"]
        (started,) = [each for each in events if (each["type"], each["subtype"]) == ("step", "started")]
        assert started["until"] > started["timestamp"]
        assert [each["trigger"] for each in events if each["type"] == "transition"] == ["timeout"]


async def test_instance_is_cancelled_while_it_sleeps(live: Live) -> None:
    async with api(live) as alice:
        path = (
            f"/workflows/instances/{(await alice.post('/workflows/waits/instances', {}, 201, Prefer='wait=0'))['id']}"
        )

        async def is_later() -> bool:
            shown = await alice.get(path)
            assert shown["status"] == "running"
            return bool(shown["current_state"] == "later")

        await eventually(is_later)
        await alice.post(path + "/cancel", {"reason": "enough"})
        assert (await alice.get(path))["status"] == "cancelled"
