"""The WebSocket, spoken to in the manner of the peer's published examples: a plain client that reads `event` and
`event_index`, and knows nothing else of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import ALICE, PATIENCE, Live, served
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from interlock.bridges.agentos.socket import SUBPROTOCOL

WORKFLOW = "content-creation-workflow"
END = ("WorkflowCompleted", "WorkflowError", "WorkflowCancelled")
Event = dict[str, Any]


class Client:
    """A connection, and what was heard on it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, action: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"action": action, **fields}))

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            event: Event = json.loads(await self.socket.recv())
        return event

    async def until(self, *names: str) -> list[Event]:
        events = [await self.next()]
        while events[-1]["event"] not in names:
            events.append(await self.next())
        return events


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    async with connect(url, compression=None, proxy=None, **options) as socket:
        yield Client(socket)


@asynccontextmanager
async def greeted(url: str, **options: Any) -> AsyncIterator[Client]:
    """A client that needs no token, and was told so."""
    async with client(url, **options) as peer:
        hello = await peer.next()
        assert (hello["event"], hello["requires_auth"]) == ("connected", False), hello
        yield peer


def indexes(events: list[Event]) -> list[int]:
    return [event["event_index"] for event in events if "event_index" in event]


# ── Who is spoken to so ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/agentos/workflows/ws", None),
        ("/agentos/workflows/ws", "interlock.v1.json"),
        ("/workflows/ws?dialect=agentos", None),
        ("/workflows/ws", SUBPROTOCOL),
    ],
)
async def test_connection_that_asks_for_it_is_spoken_to_so(beside: Live, path: str, offered: str | None) -> None:
    subprotocols = None if offered is None else [Subprotocol(offered)]
    async with client(f"ws://127.0.0.1:{beside.port}{path}", subprotocols=subprotocols) as peer:
        assert peer.socket.subprotocol == (SUBPROTOCOL if offered == SUBPROTOCOL else None)
        assert (await peer.next())["requires_auth"] is True
        await peer.send("authenticate", token=ALICE)
        assert (await peer.next())["event"] == "authenticated"
        await peer.send("start-workflow", workflow_id=WORKFLOW, message="hello")
        assert "RunContent" in [event["event"] for event in await peer.until(*END)]


async def test_other_connections_are_spoken_to_as_ever(beside: Live, open_at_root: Live, off: Live) -> None:
    async with beside.talk() as talk, off.talk() as other:
        for each in (talk, other):
            await each.start(WORKFLOW)
            assert "RunResponseContentEvent" in [event["event"] for event in await each.until_end()]
    async with client(open_at_root.socket_url, subprotocols=[Subprotocol("interlock.v1.json")]) as peer:
        assert (await peer.next())["requires_auth"] is True
    async with client(f"{off.socket_url}?dialect=agentos") as peer:
        assert (await peer.next())["requires_auth"] is True


async def test_msgpack_is_spoken_beside_it(open_at_root: Live) -> None:
    async with open_at_root.connect(msgpack_frames=True) as talk:
        assert (await talk.next())["event"] == "connected"


async def test_tokens_are_asked_for_and_refused_as_ever(beside: Live) -> None:
    async with client(f"ws://127.0.0.1:{beside.port}/agentos/workflows/ws") as peer:
        await peer.next()
        await peer.send("start-workflow", workflow_id=WORKFLOW)
        assert (await peer.next())["event"] == "auth_required"
        await peer.send("authenticate", token="not one")
        refused = await peer.next()
        assert (refused["event"], refused["error_type"]) == ("auth_error", "invalid_token")


# ── In the manner of the examples ───────────────────────────────────────────────────────────────────────


async def test_stream_is_indexed_without_gaps_to_its_end(open_at_root: Live) -> None:
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("start-workflow", workflow_id=WORKFLOW, message="hello", session_id="s-1")
        events = await peer.until(*END)
        assert (events[0]["event"], events[-1]["event"]) == ("WorkflowStarted", "WorkflowCompleted")
        assert indexes(events) == list(range(len(events)))
        assert {event["session_id"] for event in events} == {"s-1"}
        assert [each["step_name"] for each in events[-1]["step_results"]] == ["research", "plan"]
        assert set(events[-1]["metrics"]["steps"]) == {"research", "plan"}


async def test_whoever_drops_off_catches_up_and_goes_on(open_at_root: Live) -> None:
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("start-workflow", workflow_id=WORKFLOW, message="hello", session_id="s-2")
        events = [await peer.next() for _ in range(5)]
    place = {"run_id": events[0]["run_id"], "workflow_id": WORKFLOW, "session_id": "s-2"}
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("reconnect", **place, last_event_index=events[-1]["event_index"])
        rest = await peer.until(*END)
    first, *_ = rest
    assert first["event"] in ("catch_up", "subscribed", "replay")
    assert first["message"].endswith(".")
    seen = set(indexes(events)) | set(indexes(rest))
    assert seen == set(range(max(seen) + 1))


async def test_finished_run_is_replayed_whole_whatever_index_is_given(open_at_root: Live) -> None:
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("start-workflow", workflow_id=WORKFLOW, message="hello")
        events = await peer.until(*END)
    for last in (None, -1, 0, 10, 10_000):
        async with greeted(open_at_root.socket_url) as peer:
            await peer.send("reconnect", run_id=events[0]["run_id"], workflow_id=WORKFLOW, last_event_index=last)
            replay, *again = await peer.until(*END)
            assert (replay["event"], replay["total_events"]) == ("replay", len(events))
            assert again == events


@pytest.mark.parametrize("whole", [True, False], ids=["echoed whole", "as the guide has it"])
async def test_pause_is_answered_on_the_same_connection(open_at_root: Live, whole: bool) -> None:
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("start-workflow", workflow_id="confirm", message="hello")
        *_, step, pause = await peer.until("WorkflowPaused")
        assert (step["event"], step["requires_confirmation"]) == ("StepPaused", True)
        (asked,) = pause["step_requirements"]
        names = ("step_id", "step_name", "step_index", "step_type", "requires_confirmation")
        answer = {**(asked if whole else {name: asked[name] for name in names}), "confirmed": True}
        place = {"workflow_id": "confirm", "run_id": pause["run_id"], "session_id": pause["session_id"]}
        await peer.send("continue-workflow", **place, step_requirements=[answer])
        rest = await peer.until(*END)
        assert (rest[0]["event"], rest[-1]["content"]) == ("StepContinued", "echo echo hello")


async def test_ping_and_what_is_wrong_are_answered(open_at_root: Live) -> None:
    async with greeted(open_at_root.socket_url) as peer:
        await peer.send("ping")
        assert (await peer.next())["event"] == "pong"
        await peer.send("authenticate", token="any")
        assert (await peer.next())["event"] == "authenticated"
        for frame in (
            "no JSON",
            "[]",
            '{"action": "no such"}',
            '{"type": "start-workflow"}',
            '{"action": 7}',
            "x" * 2**20,
        ):
            await peer.socket.send(frame)
            assert (await peer.next())["event"] == "error"
        await peer.send("start-workflow", workflow_id="no such")
        assert "error" in await peer.next()
        await peer.send("reconnect", run_id="no such", last_event_index=3)
        assert (await peer.next())["code"] == "run_not_found"


async def test_message_of_somebody_who_is_known_may_be_as_large_as_any(beside: Live) -> None:
    async with client(beside.socket_url, subprotocols=[Subprotocol(SUBPROTOCOL)]) as peer:
        await peer.next()
        await peer.send("authenticate", token=ALICE)
        await peer.until("authenticated")
        await peer.send("start-workflow", workflow_id=WORKFLOW, message="x" * 500_000)
        assert (await peer.until(*END))[-1]["event"] == "WorkflowCompleted"


async def test_server_of_the_command_line_speaks_it_on_the_path_of_its_own_socket(tmp_path: Path) -> None:
    server = served("tests.bridges.agentos.workflows:workflows", tmp_path, agentos="beside")
    with server.start():
        async with client(server.socket_url, subprotocols=[Subprotocol(SUBPROTOCOL)]) as peer:
            assert (await peer.next())["event"] == "connected"
            await peer.send("authenticate", token=ALICE)
            await peer.until("authenticated")
            await peer.send("start-workflow", workflow_id=WORKFLOW, message="x")
            assert "RunContent" in [event["event"] for event in await peer.until(*END)]


# ── Who needs no token ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"additional_headers": {"Forwarded": "for=192.0.2.7"}},
        {"additional_headers": {"Via": "1.1 proxy"}},
        {"additional_headers": {"Sec-Fetch-Site": "cross-site"}},
    ],
    ids=["forwarded for", "forwarded", "via", "of another site"],
)
async def test_what_does_not_come_straight_from_this_machine_needs_a_token(open_at_root: Live, options: Any) -> None:
    async with client(open_at_root.socket_url, **options) as peer:
        assert (await peer.next())["requires_auth"] is True
        await peer.send("start-workflow", workflow_id=WORKFLOW)
        assert (await peer.next())["event"] == "auth_required"


async def test_page_of_this_machine_needs_no_token_and_one_of_elsewhere_is_refused(open_at_root: Live) -> None:
    async with greeted(open_at_root.socket_url, origin=Origin("http://localhost:3000")):
        pass
    async with client(open_at_root.socket_url, origin=Origin("https://evil.example")) as peer:
        async with asyncio.timeout(PATIENCE):
            await peer.socket.wait_closed()
        assert peer.socket.close_code == 4403
