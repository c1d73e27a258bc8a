"""Redis or PostgreSQL is gone: it refuses or, worse, is silent. What clients and steps see of it; nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from tests.faults.proxy import Proxy, proxied
from tests.faults.workflows import workflows
from tests.support.live import (
    Live,
    Message,
    Talk,
    continue_with,
    events_of,
    eventually,
    indexes_of,
    live_server,
    names_of,
    storage_settings,
)
from tests.support.talk import http

from interlock.engine.driving.writer import BATCH_EVENTS

SOON = 8.0
"""Seconds within which a refusal comes, however the fault looks; a few, on a machine that has nothing else to do."""

BACK = 30.0
"""Seconds within which everything goes on again."""


@dataclass
class Stormy:
    """A server whose Redis and PostgreSQL are reached through proxies."""

    live: Live
    redis: Proxy
    postgres: Proxy

    def fault(self, name: str) -> AbstractContextManager[None]:
        """Such as `redis down`."""
        service, _, kind = name.partition(" ")
        proxy: Proxy = getattr(self, service)
        way: Callable[[], AbstractContextManager[None]] = getattr(proxy, kind)
        return way()


@pytest_asyncio.fixture
async def stormy(tmp_path: Path, redis_url: str, postgres_url: str) -> AsyncIterator[Stormy]:
    async with AsyncExitStack() as stack:
        own = storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        settings = stack.enter_context(own)
        redis = await stack.enter_async_context(proxied(port_of(settings["redis_url"])))
        postgres = await stack.enter_async_context(proxied(port_of(settings["database_url"])))
        settings["redis_url"] = through(settings["redis_url"], redis)
        settings["database_url"] = through(settings["database_url"], postgres)
        yield Stormy(await stack.enter_async_context(aside(settings)), redis, postgres)


@asynccontextmanager
async def aside(settings: Message) -> AsyncIterator[Live]:
    """The server, without holding up the loop that the proxies need."""
    server = live_server(workflows, **settings)
    live = await asyncio.to_thread(server.__enter__)
    try:
        yield live
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def through(url: str, proxy: Proxy) -> str:
    """The same service, by way of a proxy."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(str(parts.port), str(proxy.port))))


FAULTS = ["redis down", "redis black_hole", "postgres down", "postgres black_hole"]


async def answer_to(talk: Talk, request: Message, request_id: str) -> Message:
    await talk.send(request, request_id=request_id)
    return (await talk.until("ack", "error", request_id=request_id, seconds=SOON))[-1]


@pytest.mark.parametrize("fault", FAULTS)
async def test_starts_and_decisions_are_unavailable_soon_and_work_again(stormy: Stormy, fault: str) -> None:
    async with stormy.live.talk() as talk, http(stormy.live) as alice:
        output = (await talk.until_pause(await talk.start("confirm")))[-1]
        decision, start = continue_with(output, confirmed=True), {"action": "start-workflow", "workflow_id": "quick"}
        with stormy.fault(fault):
            for request_id, request in (("decide", decision), ("start", start), ("again", decision)):
                answer = await answer_to(talk, request, request_id)
                assert (answer["event"], answer.get("code")) == ("error", "unavailable"), answer
                assert answer["retryable"] is True
            async with asyncio.timeout(SOON):
                response = await alice.client.post("/workflows/quick/runs", json={}, timeout=SOON)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            await talk.settled()

        async def is_decided() -> bool:
            return bool((await answer_to(talk, decision, "decide later"))["event"] == "ack")

        await eventually(is_decided, BACK)
        ended = await talk.until("WorkflowCompleted", run_id=output["run_id"], seconds=BACK)
        heard = events_of(talk.heard, output["run_id"])
        assert names_of(heard).count("StepContinued") == 1
        assert indexes_of(heard) == list(range(len(heard)))
        assert ended


@pytest.mark.parametrize("fault", FAULTS)
async def test_followers_stay_connected_and_go_on(stormy: Stormy, fault: str, tmp_path: Path) -> None:
    files = {"gate": str(tmp_path / "gate"), "mark": str(tmp_path / "mark")}
    async with stormy.live.talk() as starter, stormy.live.talk() as follower:
        run_id = await starter.start("count", {"count": 40, **files})
        await follower.send(action="reconnect", run_id=run_id)
        await follower.until("RunResponseContentEvent", run_id=run_id)
        with stormy.fault(fault):
            await follower.settled()
            (tmp_path / "gate").touch()
            await starter.settled()
        for talk in (starter, follower):
            await talk.until("WorkflowCompleted", run_id=run_id, seconds=BACK)
            heard = events_of(talk.heard, run_id)
            assert indexes_of(heard) == list(range(len(heard)))
            assert [each["content"] for each in heard if each["event"] == "RunResponseContentEvent"] == [
                f"{number} " for number in range(40)
            ]


@pytest.mark.parametrize("fault", ["postgres down", "postgres black_hole"])
async def test_list_stays_and_has_what_changed_meanwhile(stormy: Stormy, fault: str, tmp_path: Path) -> None:
    files = {"gate": str(tmp_path / "gate"), "mark": str(tmp_path / "mark")}
    async with stormy.live.talk() as starter, stormy.live.talk() as page, stormy.live.talk() as late:
        await page.send(action="follow-runs")
        await page.until("runs_listed")
        run_id = await starter.start("count", {"count": 40, **files})
        await page.until_changed("RUNNING", run_id)
        with stormy.fault(fault):
            (tmp_path / "gate").touch()
            await starter.until("WorkflowCompleted", run_id=run_id, seconds=BACK)
            await late.send(action="follow-runs", request_id="late")
            assert (await late.next())["event"] == "ack"
            await page.settled()
        listed = await late.until("runs_listed", seconds=BACK)
        assert [each["run"]["run_id"] for each in listed if each["event"] == "run_changed"] == [run_id]
        await page.until_changed("COMPLETED", run_id, seconds=BACK)


@pytest.mark.parametrize("fault", ["redis down", "redis black_hole"])
async def test_running_step_goes_on_until_its_memory_of_unsent_entries_is_full(
    stormy: Stormy, fault: str, tmp_path: Path
) -> None:
    mark, amount = tmp_path / "mark", 8 * BATCH_EVENTS
    files = {"gate": str(tmp_path / "gate"), "mark": str(mark)}
    (tmp_path / "gate").touch()
    async with stormy.live.talk() as talk:
        run_id = await talk.start("count", {"count": amount, **files})
        await talk.until("RunResponseContentEvent", run_id=run_id)

        def taken() -> int:
            return int(mark.read_text() or 0) if mark.exists() else 0

        with stormy.fault(fault):
            before = taken()
            await eventually(lambda: taken() >= before + BATCH_EVENTS // 2)
            await eventually(lambda: has_stopped(taken))
            # What is in flight, and what was gathered behind it.
            assert taken() <= before + 3 * BATCH_EVENTS
        await talk.until("WorkflowCompleted", run_id=run_id, seconds=BACK + 60)
        heard = events_of(talk.heard, run_id)
        assert indexes_of(heard) == list(range(len(heard)))
        contents = [each["content"] for each in heard if each["event"] == "RunResponseContentEvent"]
        assert contents == [f"{number} " for number in range(amount)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_run_that_goes_from_step_to_step_meanwhile_fails_nothing_and_repeats_nothing(
    stormy: Stormy, fault: str, tmp_path: Path
) -> None:
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    async with stormy.live.talk() as talk:
        run_id = await talk.start("several", {"gate": str(gate), "mark": str(mark)}, session_id="shared")
        await eventually(mark.exists)
        with stormy.fault(fault):
            gate.touch()
            await talk.settled()
            await unavailable(talk)
        ended = (await talk.until("WorkflowCompleted", "WorkflowError", run_id=run_id, seconds=BACK))[-1]
        assert ended["event"] == "WorkflowCompleted"
        heard = events_of(talk.heard, run_id)
        assert indexes_of(heard) == list(range(len(heard)))
        assert names_of(heard).count("StepCompleted") == 3
    assert mark.read_text() == "begun\n"


@pytest.mark.parametrize("fault", FAULTS)
async def test_step_that_runs_isn_t_broken_off_by_what_its_sibling_needs(
    stormy: Stormy, fault: str, tmp_path: Path
) -> None:
    gate, mark, sooner = tmp_path / "gate", tmp_path / "mark", tmp_path / "sooner"
    async with stormy.live.talk() as talk:
        files = {"gate": str(gate), "mark": str(mark), "sooner": str(sooner)}
        run_id = await talk.start("beside", files, session_id="shared")
        await eventually(mark.exists)
        with stormy.fault(fault):
            sooner.touch()
            await unavailable(talk)
        await talk.until("StepCompleted", run_id=run_id, step_name="remember", seconds=BACK)
        gate.touch()
        ended = (await talk.until("WorkflowCompleted", "WorkflowError", run_id=run_id, seconds=BACK))[-1]
        assert ended["event"] == "WorkflowCompleted"
    assert mark.read_text() == "begun\n"


async def unavailable(talk: Talk) -> None:
    """Until the server has noticed."""
    numbers = count()

    async def is_refused() -> bool:
        answer = await answer_to(talk, {"action": "start-workflow", "workflow_id": "quick"}, f"start {next(numbers)}")
        return bool(answer["event"] == "error")

    await eventually(is_refused)


async def has_stopped(taken: Callable[[], int]) -> bool:
    """Whether a step takes nothing more for as long as hundreds of its yields take."""
    before = taken()
    await asyncio.sleep(0.5)
    return bool(taken() == before)
