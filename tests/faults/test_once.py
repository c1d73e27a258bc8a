"""Two servers on one PostgreSQL and one Redis: what has to happen once happens once, whichever of them is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
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

import interlock.app
from interlock.store.port import IDEMPOTENCY_SECONDS

MANY = 20


@pytest.fixture
def storage(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[dict[str, Any]]:
    with storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings:
        yield settings


@pytest.fixture
def nodes(storage: dict[str, Any]) -> Iterator[tuple[Live, Live]]:
    with ExitStack() as stack:
        one, two = (stack.enter_context(live_server(workflows, **storage)) for _ in range(2))
        yield one, two


async def rows(storage: dict[str, Any], query: str, *parameters: Any) -> list[Any]:
    """What the database has."""
    connection = await asyncpg.connect(storage["database_url"].replace("+asyncpg", ""))
    try:
        return list(await connection.fetch(query, *parameters))
    finally:
        await connection.close()


async def answered(talk: Talk, request: Message, request_id: str) -> Message:
    await talk.send(request, request_id=request_id)
    return (await talk.until("ack", "error", request_id=request_id))[-1]


# ── Idempotency keys ────────────────────────────────────────────────────────────────────────────────────


async def test_same_key_at_the_same_time_on_two_servers_starts_one_run(
    nodes: tuple[Live, Live], storage: dict[str, Any]
) -> None:
    one, two = nodes
    async with one.talk() as first, two.talk() as second:
        for number in range(MANY):
            start = {"action": "start-workflow", "workflow_id": "quick", "idempotency_key": f"key {number}"}
            answers = await asyncio.gather(*(answered(talk, start, f"start {number}") for talk in (first, second)))
            assert names_of(answers) == ["ack", "ack"], answers
            (run_id,) = {each["run_id"] for each in answers}
            for talk in (first, second):
                if not any(each["event"] == "WorkflowCompleted" for each in events_of(talk.heard, run_id)):
                    await talk.until("WorkflowCompleted", run_id=run_id)
                heard = events_of(talk.heard, run_id)
                assert indexes_of(heard) == list(range(len(heard)))
                assert names_of(heard).count("WorkflowStarted") == 1
        (count,) = await rows(storage, "SELECT count(*) FROM runs")
        assert count[0] == MANY


async def test_same_key_at_the_same_time_on_two_servers_decides_once(nodes: tuple[Live, Live]) -> None:
    one, two = nodes
    async with one.talk() as first, two.talk() as second:
        for number in range(MANY // 2):
            output = (await first.until_pause(await first.start("confirm")))[-1]
            decision = {**continue_with(output, confirmed=True), "idempotency_key": f"key {number}"}
            answers = await asyncio.gather(*(answered(talk, decision, f"go {number}") for talk in (first, second)))
            assert names_of(answers) == ["ack", "ack"], answers
            await first.until("WorkflowCompleted", run_id=output["run_id"])
            assert names_of(events_of(first.heard, output["run_id"])).count("StepContinued") == 1


async def test_old_keys_are_forgotten_meanwhile_and_young_ones_work(
    storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interlock.app, "CHORES_SECONDS", 0.05)
    with ExitStack() as stack:
        one, two = (stack.enter_context(live_server(workflows, **storage)) for _ in range(2))
        async with one.talk() as first, two.talk() as second:
            start = {"action": "start-workflow", "workflow_id": "quick"}
            old = await answered(first, {**start, "idempotency_key": "old"}, "old")
            young = await answered(first, {**start, "idempotency_key": "young"}, "young")
            ago = IDEMPOTENCY_SECONDS * 1000
            await rows(storage, "UPDATE idempotency_keys SET created_at = created_at - $1 WHERE key = 'old'", ago)

            async def kept() -> list[str]:
                return [each["key"] for each in await rows(storage, "SELECT key FROM idempotency_keys")]

            async def is_gone() -> bool:
                return "old" not in await kept()

            await eventually(is_gone)
            assert await kept() == ["young"]
            again = await answered(second, {**start, "idempotency_key": "young"}, "young again")
            assert again["run_id"] == young["run_id"]
            anew = await answered(second, {**start, "idempotency_key": "old"}, "old again")
            assert anew["run_id"] != old["run_id"]


# ── Timers ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_timeout_fires_once_on_two_servers(nodes: tuple[Live, Live], storage: dict[str, Any]) -> None:
    one, two = nodes
    async with one.talk() as first, two.talk() as second:
        run_ids = [await talk.start("brief") for talk in (first, second) for _ in range(MANY // 2)]

        async def have_ended() -> bool:
            left = await rows(storage, "SELECT 1 FROM runs WHERE status <> 'COMPLETED'")
            return not left

        await eventually(have_ended, 30)
        for run_id in run_ids:
            await first.send(action="reconnect", run_id=run_id)
            await first.until("replay", run_id=run_id)
            # It follows from 0 once more; what counts is what the log has.
            events = {each["event_index"]: each for each in await until_end(first, run_id)}
            assert list(events) == list(range(len(events)))
            (resolved,) = [each for each in events.values() if each["event"] == "StepContinued"]
            assert resolved["resolved_by"] == "timeout"
        audit = await rows(storage, "SELECT run_id, resolved_by FROM decisions")
        assert Counter(each["run_id"] for each in audit) == dict.fromkeys(run_ids, 1)
        assert {each["resolved_by"] for each in audit} == {"timeout"}
        assert not await rows(storage, "SELECT 1 FROM runs WHERE next_timer IS NOT NULL")


async def until_end(talk: Talk, run_id: str) -> list[Message]:
    return events_of(await talk.until("WorkflowCompleted", run_id=run_id), run_id)


# ── Rate limits ─────────────────────────────────────────────────────────────────────────────────────────


async def test_limit_of_a_user_holds_on_two_servers_together(storage: dict[str, Any]) -> None:
    with ExitStack() as stack:
        limited = {**storage, "rate_limit_per_user": "10/minute"}
        one, two = (stack.enter_context(live_server(workflows, **limited)) for _ in range(2))
        async with one.talk() as first, two.talk() as second:
            start = {"action": "start-workflow", "workflow_id": "quick"}
            answers = [
                await answered(talk, start, f"{name} {number}")
                for number in range(10)
                for name, talk in (("one", first), ("two", second))
            ]
            assert names_of(answers) == ["ack"] * 10 + ["error"] * 10
            assert {each["code"] for each in answers[10:]} == {"rate_limited"}
            await second.settled()
