"""Tickets: a stream without a token, for one path and some minutes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import structlog
from tests.http.workflows import workflows
from tests.support.live import BOB, JWT_SECRET, NOBODY, Live, Message, live_server, storage_settings
from tests.support.talk import Http, decided, http, path_of

from interlock.http import tickets


async def paused(talk: Http) -> Message:
    """A run that waits."""
    return (await talk.start("confirm"))[-1]


def stream_of(run: Message) -> str:
    return f"{path_of(run)}/resume"


async def ticket_for(talk: Http, path: str) -> Message:
    response = await talk.post("/stream-tickets", {"path": path})
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    issued: Message = response.json()
    return issued


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_ticket_opens_its_stream_as_often_as_one_likes(live_on_each: Live) -> None:
    async with http(live_on_each) as alice, http(live_on_each, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        query = {"ticket": issued["ticket"], "last_event_index": run["event_index"], "epoch": run["epoch"]}
        for _ in range(3):
            async with page.stream("GET", stream_of(run), params=query) as stream:
                await stream.until("subscribed")
        place = {"Last-Event-ID": f"{run['epoch']}-0"}  # as a browser that comes back says it
        async with page.stream("GET", stream_of(run), params={"ticket": issued["ticket"]}, headers=place) as stream:
            heard = await stream.until("WorkflowRunOutput")
        assert [each["event_index"] for each in heard if "event_index" in each] == list(
            range(1, run["event_index"] + 1)
        )


async def test_stream_of_a_ticket_goes_on_to_the_end(live: Live) -> None:
    async with http(live) as alice, http(live, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        query = {"ticket": issued["ticket"], "last_event_index": run["event_index"], "epoch": run["epoch"]}
        async with page.stream("GET", stream_of(run), params=query) as stream:
            await stream.until("subscribed")
            await alice.events("POST", f"{path_of(run)}/continue", json=decided(run, confirmed=True))
            assert (await stream.rest())[-1]["event"] == "WorkflowCompleted"


@pytest.fixture
def two_nodes(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[tuple[Live, Live]]:
    with ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        one, other = (stack.enter_context(live_server(workflows, **settings)) for _ in range(2))
        yield one, other


async def test_ticket_of_one_node_is_honoured_and_revoked_on_another(two_nodes: tuple[Live, Live]) -> None:
    one, other = two_nodes
    async with http(one) as alice, http(other) as alice_elsewhere, http(other, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        async with page.stream("GET", stream_of(run), params={"ticket": issued["ticket"]}) as stream:
            await stream.until("WorkflowRunOutput")
        assert (await alice_elsewhere.ask("DELETE", f"/stream-tickets/{issued['id']}")).status_code == 204
        async with http(one, None) as page_here:
            answer = await page_here.get(stream_of(run), params={"ticket": issued["ticket"]})
        assert refusal(answer) == (401, "invalid_token")


async def test_ticket_is_good_for_its_path_alone(live: Live) -> None:
    async with http(live) as alice, http(live, None) as page:
        one, other = await paused(alice), await paused(alice)
        query = {"ticket": (await ticket_for(alice, stream_of(one)))["ticket"]}
        assert refusal(await page.get(stream_of(other), params=query)) == (401, "invalid_token")
        for path in ("/runs", "/workflows", path_of(one)):
            assert refusal(await page.get(path, params=query)) == (401, "auth_required"), path
        answer = await page.post(f"{path_of(one)}/continue", decided(one, confirmed=True), params=query)
        assert refusal(answer) == (401, "auth_required")
        assert refusal(await page.post("/stream-tickets", {"path": stream_of(one)}, params=query))[0] == 401


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "x" * 3_000, "\udcff" * 3])
async def test_what_is_no_ticket_opens_nothing(live: Live, ticket: str) -> None:
    async with http(live) as alice, http(live, None) as page:
        run = await paused(alice)
        answer = await page.get(f"{stream_of(run)}?ticket={ticket.encode('utf-8', 'surrogateescape').hex()}")
        assert refusal(answer) == (401, "invalid_token")


async def test_expired_ticket_is_said_to_be_and_forgotten(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "LIFE", -timedelta(seconds=1))
    async with http(live) as alice, http(live, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        answer = await page.get(stream_of(run), params={"ticket": issued["ticket"]})
        assert refusal(answer) == (401, "expired_token")


async def test_ticket_lives_for_ten_minutes_and_no_longer_than_its_token(live: Live) -> None:
    now = datetime.now(UTC)
    soon = int((now + timedelta(seconds=90)).timestamp())
    claims = {"sub": "alice", "exp": soon, "scope": "workflows:execute"}
    token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
    async with http(live) as alice, http(live, token) as alice_for_a_while:
        run = await paused(alice)
        long, short = await ticket_for(alice, stream_of(run)), await ticket_for(alice_for_a_while, stream_of(run))
    lives = datetime.fromtimestamp(long["expires_at"] / 1000, UTC) - now
    assert timedelta(minutes=9) < lives < timedelta(minutes=11)
    assert short["expires_at"] == soon * 1000


async def test_stream_ends_with_the_ticket_that_opened_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "LIFE", timedelta(seconds=6))
    async with http(live) as alice, http(live, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        query = {"ticket": issued["ticket"], "last_event_index": run["event_index"], "epoch": run["epoch"]}
        async with page.stream("GET", stream_of(run), params=query) as stream:
            assert (await stream.rest())[-1]["code"] == "expired_token"


async def test_ticket_is_for_what_one_may_see(live: Live) -> None:
    async with http(live) as alice:
        run = await paused(alice)
    for token in (BOB, NOBODY):
        async with http(live, token) as other:
            answer = await other.post("/stream-tickets", {"path": stream_of(run)})
            assert refusal(answer) == (404, "run_not_found")
    async with http(live, None) as stranger:
        assert refusal(await stranger.post("/stream-tickets", {"path": stream_of(run)})) == (401, "auth_required")


async def test_rights_are_asked_again_each_time(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with http(live) as alice, http(live, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        monkeypatch.setattr("interlock.engine.commands.runs.may", lambda *_: False)
        answer = await page.get(stream_of(run), params={"ticket": issued["ticket"]})
        assert refusal(answer) == (404, "run_not_found")


async def test_nobody_revokes_the_ticket_of_another(live: Live) -> None:
    async with http(live) as alice, http(live, BOB) as bob, http(live, None) as page:
        run = await paused(alice)
        issued = await ticket_for(alice, stream_of(run))
        assert (await bob.ask("DELETE", f"/stream-tickets/{issued['id']}")).status_code == 204
        async with page.stream("GET", stream_of(run), params={"ticket": issued["ticket"]}) as stream:
            await stream.until("WorkflowRunOutput")


@pytest.mark.parametrize(
    "path",
    ["", "/runs", "/workflows/confirm/runs/x", "/workflows/confirm/runs/x/resume?snapshot=true", "https://x/resume", 5],
)
async def test_ticket_is_for_a_stream(live: Live, path: Any) -> None:
    async with http(live) as alice:
        assert refusal(await alice.post("/stream-tickets", {"path": path})) == (422, "invalid_message")


async def test_no_ticket_is_kept_or_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with said_by_structlog() as said, live_server(workflows, data_dir=tmp_path, log_level="debug") as live:
        async with http(live) as alice, http(live, None) as page:
            run = await paused(alice)
            issued = await ticket_for(alice, stream_of(run))
            async with page.stream("GET", stream_of(run), params={"ticket": issued["ticket"]}) as stream:
                await stream.until("WorkflowRunOutput")
            await page.get(stream_of({**run, "run_id": "run-x"}), params={"ticket": issued["ticket"]})
    on_disk = all_in(tmp_path)
    assert issued["id"].encode() in on_disk
    assert issued["ticket"].encode() not in on_disk
    server_said = [each.getMessage() for each in caplog.records if not each.name.startswith("http")]
    assert not [each for each in [*server_said, *said] if issued["ticket"] in each]


def all_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@contextmanager
def said_by_structlog() -> Iterator[list[str]]:
    said: list[str] = []
    processors = structlog.get_config()["processors"]

    def note(_: Any, __: str, event: Any) -> Any:
        said.append(str(event))
        return event

    processors.insert(0, note)
    try:
        yield said
    finally:
        processors.remove(note)
