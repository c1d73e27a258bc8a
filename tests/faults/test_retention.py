"""What isn't kept any more: asked for it, a server says so, and gives a snapshot in its place.

Source: `docs/durability.md`, "How long things are kept".
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.socket.workflows import workflows
from tests.support.live import (
    STORAGES,
    continue_with,
    events_of,
    eventually,
    indexes_of,
    live_server,
    names_of,
    storage_settings,
)

from interlock import app


@pytest.mark.parametrize("storage", STORAGES)
async def test_long_run_keeps_its_latest_events_and_goes_on(
    storage: str, tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    with (
        storage_settings(storage, tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings, max_log_events=1000) as live,
    ):
        async with live.talk() as talk:
            run_id = await talk.start("streamed-confirm", {"count": 3000})
            paused = (await talk.until_pause(run_id))[-1]
            tail = paused["event_index"] + 1

            async def trimmed() -> bool:
                await talk.send(action="unfollow", run_id=run_id)
                await talk.send(action="reconnect", run_id=run_id, last_event_index=0)
                told = await talk.until("gap", "subscribed", run_id=run_id)
                return names_of(told)[-1] == "gap"

            await eventually(trimmed)
            gap = talk.heard[-1]
            assert tail - 1000 - 256 <= gap["earliest_event_index"] <= tail - 1000
            assert gap["requested_event_index"] < gap["earliest_event_index"]
            assert (gap["epoch"], gap["next_event_index"]) == (1, tail)
            snapshot = await talk.next()
            assert (snapshot["event"], snapshot["as_of"]) == ("WorkflowRunOutput", tail - 1)

            first = gap["earliest_event_index"]
            await talk.send(action="unfollow", run_id=run_id)
            await talk.send(action="reconnect", run_id=run_id, last_event_index=first - 1)
            kept = events_of(await talk.until_pause(run_id))
            assert indexes_of(kept) == list(range(first, tail))

            await talk.send(continue_with(snapshot, confirmed=True))
            assert indexes_of(events_of(await talk.until_end(run_id)))[0] == tail


@pytest.mark.parametrize("storage", STORAGES)
async def test_log_of_a_run_that_ended_long_ago_is_dropped_and_its_state_stays(
    storage: str, tmp_path: Path, redis_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RETENTION_SECONDS", 0.05)
    with (
        storage_settings(storage, tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings, keep_logs_days=1e-6) as live,
    ):
        async with live.talk() as talk:
            run_id = await talk.start("stream", {"count": 5})
            total = len(events_of(await talk.until_end(run_id)))

            async def dropped() -> bool:
                await talk.send(action="reconnect", run_id=run_id)
                return names_of(await talk.until("gap", "replay", run_id=run_id))[-1] == "gap"

            await eventually(dropped)
            gap, snapshot = talk.heard[-1], await talk.next()
            assert (gap["earliest_event_index"], gap["next_event_index"]) == (total, total)
            assert (snapshot["status"], snapshot["content"]) == ("COMPLETED", "0 1 2 3 4 ")
