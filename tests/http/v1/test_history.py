"""The history of an instance over /api/v1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.http.v1.machines import END
from tests.support.api_v1 import Api, api, error_of
from tests.support.live import ROOT, Live, live_server

from interlock import Machine, State, Transition, Workflow
from interlock.http.v1 import history_pages
from interlock.http.v1.history_pages import Histories, Wanted
from interlock.log.port import Batch, Entry, Head
from interlock_protocol.codec import event_body
from interlock_protocol.types import RunStatus


async def story(alice: Api) -> tuple[str, list[Any]]:
    """An instance that has ended, and its whole history."""
    instance = await alice.create("purchase", {"amount": 20_000})
    for _ in range(2):
        instance = await alice.resume(instance, {"approved": True})
    assert instance["status"] == "completed"
    path = f"/workflows/instances/{instance['id']}"
    return path, (await alice.get(f"{path}/history"))["events"]


async def test_history_tells_what_happened(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        path, events = await story(alice)
        assert [(each["type"], each["subtype"]) for each in events] == [
            ("lifecycle", "created"),
            *[("step", "started"), ("step", "completed"), ("transition", "state_change")],
            *[("halt", "entered"), ("halt", "resumed"), ("transition", "state_change")],
            *[("halt", "entered"), ("halt", "resumed"), ("transition", "state_change")],
            ("lifecycle", "completed"),
        ]
        assert events[0]["initial_state"] == "submit"
        changes = [each.get("changes") for each in events if each["type"] == "transition"]
        submitted = {"added": {"amount": 20_000, "status": "pending"}}
        assert changes == [submitted, {"added": {"approved": True}}, None]
        assert [each["timestamp"] for each in events] == sorted(each["timestamp"] for each in events)
        whole = await alice.get(f"{path}/history")
        assert (whole["status"], whole["workflow_id"]) == ("completed", "purchase")
        assert whole["pagination"] == {"has_more": False, "next_cursor": None}


async def test_history_is_filtered(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        path, events = await story(alice)

        async def found(**query: Any) -> list[Any]:
            return list((await alice.get(f"{path}/history", **query))["events"])

        assert await found(types="halt") == [each for each in events if each["type"] == "halt"]
        assert await found(types="halt, transition") == [
            each for each in events if each["type"] in ("halt", "transition")
        ]
        at = events[5]["timestamp"]
        assert await found(since=at) == [each for each in events if each["timestamp"] > at]
        assert await found(until=at) == [each for each in events if each["timestamp"] < at]
        assert await found(since=at.replace("Z", "+00:00")) == await found(since=at)
        assert await found(thread="thread_main") == [each for each in events if "thread" in each]
        assert await found(thread="thread_x") == []


async def test_threads_have_histories_of_their_own(machine_live: Live) -> None:
    async with api(machine_live) as alice:
        instance = await alice.create("threads")
        path = f"/workflows/instances/{instance['id']}"
        await alice.post(f"{path}/threads/thread_finance/resume", {"input": {"ok": 1}})
        events = (await alice.get(f"{path}/history", thread="thread_finance"))["events"]
        assert {each["thread"] for each in events} == {"thread_finance"}
        assert [each["subtype"] for each in events] == [
            *("thread_started", "entered", "resumed", "state_change", "thread_completed")
        ]


async def test_pages_make_up_the_whole(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        path, events = await story(alice)
        for limit in (1, 2, 3, len(events)):
            paged: list[Any] = []
            query: dict[str, Any] = {"limit": limit, "include_data": True}
            while True:
                page = await alice.get(f"{path}/history", **query)
                paged += page["events"]
                cursor = page["pagination"]["next_cursor"]
                assert page["pagination"]["has_more"] is (cursor is not None)
                if cursor is None:
                    break
                assert len(page["events"]) == limit
                query["cursor"] = cursor
            assert [{key: each[key] for key in each if key != "workflow_data"} for each in paged] == events


async def test_data_is_that_of_each_moment(machine_live_on_each: Live) -> None:
    async with api(machine_live_on_each) as alice:
        path, _ = await story(alice)
        events = (await alice.get(f"{path}/history", include_data=True))["events"]
        submitted = {"amount": 20_000, "status": "pending"}
        approved = {**submitted, "approved": True}
        assert [each["workflow_data"] for each in events] == [{}] * 3 + [submitted] * 3 + [approved] * 5
        for each in events:
            alone = await alice.get(f"{path}/events/{each['id']}", include_data=True)
            assert alone == each
            bare = await alice.get(f"{path}/events/{each['id']}")
            assert bare == {key: value for key, value in each.items() if key != "workflow_data"}


@pytest.mark.parametrize("id_", ["evt_1-0", "evt_1-9999", "evt_2-1", "evt_x", "1-1", "evt_1-1%20"])
async def test_unknown_event_is_not_found(machine_live: Live, id_: str) -> None:
    async with api(machine_live) as alice:
        path, _ = await story(alice)
        response = await alice.ask("GET", f"{path}/events/{id_}")
        assert (response.status_code, error_of(response)["code"]) == (404, "event_not_found")


@pytest.mark.parametrize(
    "query",
    [
        {"types": "halt,tree"},
        {"since": "yesterday"},
        {"until": "2026-13-01T00:00:00Z"},
        {"limit": 1001},
        {"limit": 0},
        {"cursor": "x"},
        {"cursor": "aTEtMQ"},
        {"include_data": "maybe"},
    ],
)
async def test_wrong_filter_is_named(machine_live: Live, query: dict[str, Any]) -> None:
    async with api(machine_live) as alice:
        path, _ = await story(alice)
        response = await alice.ask("GET", f"{path}/history", **query)
        error = error_of(response)
        assert (response.status_code, error["code"]) == (400, "invalid_request")
        assert [each["field"] for each in error["details"]] == list(query)


async def test_trimmed_past_is_a_gap(tmp_path: Path) -> None:
    states = {
        "work": State(lambda step: {"n": step.workflow_data.get("n", 0) + 1}, ways()),
        "end": END,
    }
    looping = Workflow(id="looping", steps=[Machine("looping", states, initial_state="work")])
    free = {"limit_creations": "off", "limit_reads": "off"}
    with live_server([looping], data_dir=tmp_path, max_log_events=1000, **free) as live:
        async with api(live, ROOT) as root:
            made = await root.client.post("/workflows/looping/instances", json={})
            instance = made.json()["data"]
            assert (instance["status"], instance["current_state"]) == ("completed", "end")
            assert instance["workflow_data"] == {"n": 400}
            path = f"/workflows/instances/{instance['id']}"
            page = (await root.client.get(f"{path}/history", params={"limit": 1000})).json()["data"]
            assert page["gap"] is True
            assert page["events"][-1]["subtype"] == "completed"
            shown = (await root.client.get(path)).json()["data"]
            assert (shown["current_state"], shown["workflow_data"]) == ("end", {"n": 400})


def ways() -> list[Transition]:
    return [Transition("work", {"field": "n", "operator": "lt", "value": 400}), Transition("end")]


# ── Bounds ──────────────────────────────────────────────────────────────────────────────────────────────


class LongLog:
    """A log of transitions, which counts what was read of it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.read = 0
        self.runs = self

    async def logged_from(self, run_id: str, index: int) -> list[Batch]:
        last = min(index + 200, self.length)
        self.read += last - index
        entries = tuple(Entry(event_body(transition(each)), None) for each in range(index, last))
        return [Batch(1, index, entries)] if entries else []


def transition(index: int) -> dict[str, Any]:
    return {
        "event": "StateChanged",
        "created_at": index,
        "thread_id": "thread_main",
        "from_state": "a",
        "to_state": "b",
        "trigger": "automatic",
        "changes": {"added": {f"k{index}": index}} if index < 100 else {"updated": {"k0": {"from": 0, "to": index}}},
    }


async def test_first_page_of_a_long_history_reads_no_more_than_it_needs() -> None:
    log: Any = LongLog(10_000)
    head = Head("run", 1, 10_000, RunStatus.RUNNING, frozenset(), None, 1)
    page = await Histories().page(log, head, Wanted(limit=100))
    assert (len(page.entries), page.next_index) == (100, 100)
    assert log.read <= 200


async def test_data_of_a_later_page_begins_where_the_last_page_ended() -> None:
    log: Any = LongLog(5_000)
    head = Head("run", 1, 5_000, RunStatus.RUNNING, frozenset(), None, 1)
    histories, place, is_last = Histories(), None, False
    while not is_last:
        page = await histories.page(log, head, Wanted(limit=1000, include_data=True, cursor=place))
        last: Any = page.entries[-1]
        assert last["workflow_data"]["k0"] == int(last["id"].partition("-")[2])
        place, is_last = page.next_index, page.next_index is None
    assert log.read <= 7_000


async def test_data_that_is_kept_for_later_pages_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_pages, "KEPT_BYTES", 5_000)
    histories = Histories()
    for number in range(20):
        log: Any = LongLog(200)
        head = Head(f"run-{number}", 1, 200, RunStatus.RUNNING, frozenset(), None, 1)
        page = await histories.page(log, head, Wanted(limit=150, include_data=True))
        assert page.next_index == 150
    kept = [histories._data.get(place) for place in list(histories._data)]
    assert 1 <= len(kept) < 20
    assert sum(len(json.dumps(each, separators=(",", ":"))) for each in kept) <= 5_000


async def test_filter_that_fits_little_looks_at_a_bounded_part_at_a_time() -> None:
    log: Any = LongLog(25_000)
    head = Head("run", 1, 25_000, RunStatus.RUNNING, frozenset(), None, 1)
    places = []
    place: int | None = 0
    while place is not None:
        page = await Histories().page(log, head, Wanted(types=frozenset({"halt"}), cursor=place))
        assert page.entries == []
        place = page.next_index
        places.append(place)
    assert places == [10_000, 20_000, None]
