"""Following a run over HTTP: the events of the socket as server-sent events.

Laws:
- `data` is byte by byte the frame that the socket sends; `id` is `<epoch>-<event_index>`, and what isn't an event of
  the run has none, but for a snapshot, which stands for everything up to its `as_of`.
- Delivery is by a follower, as on a socket: a slow reader costs one page, and whoever left nothing.
- A stream ends after the run's last event, after a `WorkflowRunOutput` that says PAUSED when nothing came after it,
  after the `auth_required` of a token that ran out, and when the server stops. Where it ended is where it resumes.

Source: protocol spec, "The SSE twin"; the HTML standard, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from interlock.auth import Principal
from interlock.engine.engine import Accepted
from interlock.following.follower import Follower
from interlock.following.resume import Resumption
from interlock.following.sink import Sink
from interlock.services import Services
from interlock.settings import Settings
from interlock_protocol import control
from interlock_protocol.codec import JSON, Frame
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.limits import MAX_DEPTH
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.types import RunStatus

T = TypeVar("T")

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No cache keeps a stream, and no proxy collects it."""

HEARTBEAT = b":\n"
"""A comment: it tells proxies and clients that the connection lives. No blank line: that would end an event."""

SHUTTING_DOWN = "The server is shutting down; send it again in a while."

_PAUSE = b"\nevent: WorkflowRunOutput\n"
_MAX_ID = 64


class ExpiredDuring(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The token ran out while its bearer followed a run."""

    code = AuthErrorCode.EXPIRED_TOKEN
    sentence = "The token has expired; send the request again with a new one."


class _SseCodec:
    """Messages as events of a stream, for the hub to encode once for all who follow this way."""

    subprotocol = "text/event-stream"

    def encode(self, message: Mapping[str, Any]) -> bytes:
        place = f"id: {message['epoch']}-{message['as_of']}\n" if message.get("as_of", -1) >= 0 else ""
        return f"{place}event: {message['event']}\ndata: {JSON.encode(message)!s}\n\n".encode()

    def decode(
        self, frame: str | bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None
    ) -> dict[str, Any]:
        raise NotImplementedError("nothing is received as server-sent events")

    def run_frame(self, body: bytes, index: int, epoch: int) -> bytes:
        data = JSON.run_frame(body, index, epoch)
        assert isinstance(data, str)
        # `event` is always an event's first field: {"event":"StepStarted",…
        event = body[10 : body.index(b'"', 10)].decode()
        return f"id: {epoch}-{index}\nevent: {event}\ndata: {data}\n\n".encode()


SSE = _SseCodec()


def _is_pause(message: Mapping[str, Any]) -> bool:
    """Whether this is the state of a run that waits for people."""
    return message["event"] == "WorkflowRunOutput" and RunStatus(message["status"]) is RunStatus.PAUSED


class RunRequest:
    """One request that follows one run.

    Args:
        principal: whose token it came with; it ends when that does.
        heartbeat: seconds of silence after which a comment is sent.
    """

    def __init__(self, services: Services, principal: Principal, heartbeat: float) -> None:
        self._services = services
        self._principal = principal
        self._heartbeat = heartbeat
        self._awake = asyncio.Event()
        self._stopped = False
        self._pieces: list[bytes] = []
        self._waits = False
        self._follower: Follower | None = None

    # ── Where it begins ─────────────────────────────────────────────────────────────────────────────────

    def watch(self, run_id: str) -> Follower:
        """A follower of the run, which tells nothing yet. Who watches before looking misses nothing after."""
        self.close()
        sink = Sink(SSE, self.say, _always_room, self._send)
        self._follower = Follower(self._services.engine, self._services.hub, sink, run_id, self._awake.set)
        return self._follower

    @property
    def follower(self) -> Follower:
        assert self._follower is not None, "watch() comes first"
        return self._follower

    def close(self) -> None:
        """Let go of the run; again is fine."""
        if self._follower is not None:
            self._follower.close()

    def stop(self) -> None:
        """End what is being sent: the server stops."""
        self._stopped = True
        self._awake.set()

    def acknowledge(self, message: StartWorkflow | ContinueWorkflow, accepted: Accepted) -> None:
        """Say that an action is durable, to whoever asked for it by a `request_id`."""
        if message.request_id is not None:
            run_id, session_id = accepted.run_id, accepted.session_id
            self.say(control.ack(message.action, message.request_id, run_id=run_id, session_id=session_id))

    def begin_with(self, answer: Resumption) -> None:
        """Deliver what answers a client that came back, and what follows."""
        self.follower.begin_with(answer)

    def begin_with_snapshot(self, snapshot: dict[str, Any]) -> None:
        """Deliver a snapshot, and what comes after it."""
        self.go_on_after(snapshot)
        self.say(snapshot)

    def go_on_after(self, snapshot: Mapping[str, Any]) -> None:
        """Deliver what comes after a snapshot, which stands for what was delivered."""
        self._waits = False
        self.follower.begin_after(snapshot)

    # ── What it is told ─────────────────────────────────────────────────────────────────────────────────

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message or a snapshot behind what was told."""
        self._waits = _is_pause(message)
        self._pieces.append(SSE.encode(message))

    async def _send(self, frames: Sequence[Frame]) -> None:
        last = frames[-1]
        assert isinstance(last, bytes)
        self._waits = _PAUSE in last[:_MAX_ID]
        self._pieces += frames  # type: ignore[arg-type]  # `SSE` makes bytes

    # ── Delivery ────────────────────────────────────────────────────────────────────────────────────────

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Everything to send, in pieces of bounded size."""
        try:
            async with aclosing(self.pages()) as pages:
                async for page in pages:
                    yield page
        except ExpiredDuring as expired:
            yield SSE.encode(control.auth_required(expired.sentence, expired.code))
        except Refusal:
            return

    async def pages(self) -> AsyncGenerator[bytes, None]:
        """What is told, until the run ends or waits; and what keeps the connection alive.

        Raises:
            ExpiredDuring: the token ran out.
            Refusal: `unavailable`: the server stops.
        """
        follower = self.follower
        while True:
            self._awake.clear()
            ends = follower.is_over or (self._waits and not follower.cursor.is_behind)
            if self._pieces:
                piece = b"".join(self._pieces)
                self._pieces.clear()
                yield piece
            if ends:
                return
            left = self._left()
            if follower.has_news:
                await follower.deliver()
            elif not await self._woken(min(left, self._heartbeat)):
                yield HEARTBEAT

    async def _woken(self, seconds: float) -> bool:
        """Whether something happened within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._awake.wait()
        return False

    def _left(self) -> float:
        """For how many seconds this may go on."""
        if self._stopped:
            raise Refusal(ErrorCode.UNAVAILABLE, SHUTTING_DOWN, run_id=self.follower.cursor.run_id)
        if self._principal.expires_at is None:
            return float("inf")
        left = (self._principal.expires_at - datetime.now(UTC)).total_seconds()
        if left <= 0:
            raise ExpiredDuring
        return left


async def _always_room() -> None:
    """A page is asked for when the one before was taken: see `RunRequest.pages`."""


class EventStream(StreamingResponse):
    """The answer that goes on until there is nothing more to say."""

    media_type = "text/event-stream"

    def __init__(self, request: RunRequest, done: contextlib.ExitStack) -> None:
        super().__init__(request.stream(), headers=HEADERS)
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._done:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        # A generator that is left half-way, because the client is gone, ends here and not when it is collected.
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is the generator that was given
            await super().stream_response(send)


async def while_there(receive: Receive, work: Awaitable[T]) -> T | None:
    """What `work` returns; None, and the work is cancelled, when the client leaves before."""
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, left):
            each.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streams:
    """Who follows over HTTP: how many may, and that they are let go when the server stops.

    Args:
        settings: a node holds as many of these as sockets, and as many of one user.
    """

    def __init__(self, settings: Settings) -> None:
        self.max_message_bytes = settings.max_message_bytes
        self._settings = settings
        self._open: set[RunRequest] = set()
        self._users: Counter[tuple[str, str]] = Counter()
        self._draining = False

    @contextlib.contextmanager
    def request(self, services: Services, principal: Principal) -> Iterator[RunRequest]:
        """A request that may follow a run, for as long as the block lasts.

        Raises:
            Refusal: `rate_limited` where there is no room for another, `unavailable` when the server stops.
        """
        self._admit(principal.person)
        request = RunRequest(services, principal, self._settings.heartbeat_seconds)
        self._open.add(request)
        try:
            yield request
        finally:
            request.close()
            self._open.discard(request)
            self._users -= Counter((principal.person,))

    def _admit(self, person: tuple[str, str]) -> None:
        if self._draining:
            raise Refusal(ErrorCode.UNAVAILABLE, SHUTTING_DOWN)
        settings = self._settings
        if len(self._open) >= settings.max_connections or self._users[person] >= settings.max_connections_per_user:
            raise Refusal(ErrorCode.RATE_LIMITED, "Too many requests follow runs at the moment; send it again later.")
        self._users[person] += 1

    @property
    def count(self) -> int:
        """How many requests follow a run."""
        return len(self._open)

    async def drain(self) -> None:
        """End every stream, and take no more."""
        self._draining = True
        for request in list(self._open):
            request.stop()
        for _ in range(100):
            if not self._open:
                return
            await asyncio.sleep(0.02)
