"""The one client of every system: the `websockets` library, `json.loads` for each frame, nothing more.

Only what the systems call things differs, and that is a `Wire`. No compression: the peer is faster without.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect

Event: TypeAlias = dict[str, Any]

_FAILURES = frozenset({"error", "auth_error", "auth_required", "gap", "WorkflowError", "WorkflowCancelled"})


class BenchError(RuntimeError):
    """A system did not do the work it was measured at."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a system calls things.

    Args:
        decode: a frame's event.
        content: the event that carries a delta.
        paused: the event that says that the run waits, and for what.
        decide: an approval of what such an event asks for, as `step_requirements`.
    """

    decode: Callable[[str], Any]
    content: str
    paused: str
    decide: Callable[[Event], list[Event]]


def _approve_by_id(paused: Event) -> list[Event]:
    return [{"id": requirement["id"], "confirmed": True} for requirement in paused["step_requirements"]]


def _approve_by_echo(paused: Event) -> list[Event]:
    """The peer takes whole requirements only: those it sent, with the answer written in."""
    return [{**requirement, "confirmed": True} for requirement in paused["step_requirements"]]


def _decode_peer(frame: str) -> Any:
    """The peer's run events are SSE text inside of a frame, its control messages plain JSON."""
    return json.loads(frame.partition("\ndata: ")[2] if frame.startswith("event: ") else frame)


INTERLOCK = Wire(json.loads, "RunResponseContentEvent", "WorkflowRunOutput", _approve_by_id)
PEER = Wire(_decode_peer, "RunContent", "WorkflowPaused", _approve_by_echo)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When a run's deltas arrived, and when it was asked for."""

    run_id: str
    asked_at: float
    times: list[float]

    @property
    def rate(self) -> float:
        """Deltas a second, from the first to the last."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    @property
    def rate_since_asked(self) -> float:
        return len(self.times) / (self.times[-1] - self.asked_at)


class Client:
    """One authenticated connection."""

    def __init__(self, connection: ClientConnection, wire: Wire) -> None:
        self._connection = connection
        self._wire = wire
        self.bytes_received = 0

    async def deltas_of_new_run(self, count: int) -> Arrivals:
        return await self._deltas("start-workflow", workflow_id="stream", message=str(count))

    async def deltas_of_finished_run(self, run_id: str) -> Arrivals:
        return await self._deltas("reconnect", workflow_id="stream", run_id=run_id)

    async def start(self, workflow_id: str, message: str = "go") -> Event:
        """Start a run and read on until it waits for a person."""
        await self._send("start-workflow", workflow_id=workflow_id, message=message)
        return await self._until(self._wire.paused)

    async def begin(self, workflow_id: str, message: str) -> str:
        """Start a run; its id."""
        await self._send("start-workflow", workflow_id=workflow_id, message=message)
        return str((await self._until("WorkflowStarted"))["run_id"])

    async def follow(self, run_id: str) -> None:
        """Follow a run from its start."""
        await self._send("reconnect", run_id=run_id)

    async def next_event(self, *events: str) -> float:
        """When the next event, or the next of these, has come."""
        await self._until(*events)
        return perf_counter()

    async def next_delta(self) -> float:
        """When the next delta has come."""
        return await self.next_event(self._wire.content)

    async def cancel(self, workflow_id: str, run_id: str) -> None:
        """Cancel a run and read on until it is."""
        await self._send("cancel-workflow", workflow_id=workflow_id, run_id=run_id)
        await self._until("WorkflowCancelled")

    async def approve(self, paused: Event) -> Event:
        """Approve what the run waits for and read on until it waits again or is complete."""
        await self._send(
            "continue-workflow",
            workflow_id=paused["workflow_id"],
            run_id=paused["run_id"],
            session_id=paused["session_id"],
            step_requirements=self._wire.decide(paused),
        )
        return await self._until("WorkflowCompleted", self._wire.paused)

    async def respond(self, paused: Event) -> None:
        """Approve what the run waits for by the address of the question."""
        address = f"{paused['step_requirements'][0]['id']}.{paused['run_id']}"
        await self._send("respond", interaction_id=address, response={"confirmed": True})

    async def follow_inbox(self) -> None:
        """Follow what waits for this user, and read on until all of it has come."""
        await self._send("follow-inbox")
        await self._until("inbox_listed")

    async def authenticate(self, token: str) -> None:
        await self._send("authenticate", token=token)
        await self._until("authenticated")

    async def _send(self, action: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"action": action, **fields}))

    async def _until(self, *events: str) -> Event:
        while True:
            frame = str(await self._connection.recv())
            self.bytes_received += len(frame.encode())
            event: Event = self._wire.decode(frame)
            if not events or event["event"] in events:
                return event
            _refuse(event)

    async def _deltas(self, action: str, **fields: Any) -> Arrivals:
        recv, decode, content = self._connection.recv, self._wire.decode, self._wire.content
        times: list[float] = []
        arrived = times.append
        asked_at = perf_counter()
        await self._send(action, **fields)
        while True:
            event = decode(await recv())  # type: ignore[arg-type]  # text frames only
            if event["event"] == content:
                arrived(perf_counter())
            elif event["event"] == "WorkflowCompleted":
                return Arrivals(event["run_id"], asked_at, times)
            else:
                _refuse(event)


@asynccontextmanager
async def connected(url: str, wire: Wire, token: str | None) -> AsyncIterator[Client]:
    async with connect(url, compression=None, max_size=None, ping_interval=None) as connection:
        client = Client(connection, wire)
        await client._until("connected")
        if token is not None:
            await client.authenticate(token)
        yield client


def _refuse(event: Event) -> None:
    if event["event"] in _FAILURES:
        raise BenchError(f"instead of doing its work it said {json.dumps(event)[:500]}")
