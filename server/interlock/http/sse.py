"""Following a run over HTTP: the events of the socket as server-sent events.

Laws:
- `data` is byte for byte the frame that the socket sends; `id` is `<epoch>-<event_index>`. Only events of the run have
  one, and a snapshot, which replaces everything up to its `as_of`.
- Delivery is by a follower, as on a socket: a slow reader costs one page, and a client that has left costs nothing.
- A stream ends after the run's last event, after a `WorkflowRunOutput` with PAUSED that nothing follows, after the
  `auth_required` of an expired token, and when the server stops. A client resumes from where it ended.

Source: the HTML standard, section 9.2 "Server-sent events"; `docs/http.md`, "Streams";
`docs/protocol.md`, "The same over HTTP".
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

from interlock.auth import AuthError, AuthUnavailable, Principal
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
"""Headers that keep caches from storing a stream, and proxies from buffering it."""

HEARTBEAT = b":\n"
"""A comment: it tells proxies and clients that the connection lives. A blank line would end an event."""

SHUTTING_DOWN = "The server is shutting down; send it again in a while."

_PAUSE = b"\nevent: WorkflowRunOutput\n"
_MAX_ID = 64


class ExpiredDuring(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The token expired while its bearer followed a run."""

    code = AuthErrorCode.EXPIRED_TOKEN
    sentence = "The token has expired; send the request again with a new one."


class _SseCodec:
    """Encodes messages as server-sent events; the hub encodes each message once for all such followers."""

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
    """Return True if this is the state of a run that waits for people."""
    return message["event"] == "WorkflowRunOutput" and RunStatus(message["status"]) is RunStatus.PAUSED


class RunRequest:
    """One request that follows one run.

    Args:
        principal: the owner of the request's token; the request ends when the token expires.
        heartbeat: seconds of silence after which a comment is sent.
    """

    def __init__(self, services: Services, principal: Principal, heartbeat: float) -> None:
        self._services = services
        self._principal = principal
        self._heartbeat = heartbeat
        self._awake = asyncio.Event()
        self._stopped = False
        self._is_over = False
        self._pieces: list[bytes] = []
        self._waits = False
        self._follower: Follower | None = None

    # ── Beginning ───────────────────────────────────────────────────────────────────────────────────────

    def watch(self, run_id: str) -> Follower:
        """Make a follower of the run, which sends nothing yet. Call this before reading the state, to miss no event."""
        self.close()
        sink = Sink(SSE, self.say, _always_room, self._send)
        self._follower = Follower(self._services.engine, self._services.hub, sink, run_id, self._awake.set)
        return self._follower

    @property
    def follower(self) -> Follower:
        assert self._follower is not None, "watch() comes first"
        return self._follower

    def close(self) -> None:
        """Stop following the run. Idempotent."""
        if self._follower is not None:
            self._follower.close()

    async def changed(self) -> None:
        """The directory has something new about the user: end the stream, if they may not follow the run any more."""
        try:
            renewed = await self._renewed()
            if renewed is not None and self._follower is not None:
                await self._services.engine.runs.readable(renewed, self.follower.cursor.run_id)
        except Refusal:
            self._is_over = True
        self._awake.set()

    async def _renewed(self) -> Principal | None:
        """The user as the directory has them now; None if that isn't known, or the token counts no more."""
        try:
            return await self._services.identity.directory.renewed(self._principal)
        except AuthUnavailable:
            return None
        except AuthError:
            self._is_over = True
            return None

    def stop(self) -> None:
        """End the stream, because the server stops."""
        self._stopped = True
        self._awake.set()

    def acknowledge(self, message: StartWorkflow | ContinueWorkflow, accepted: Accepted) -> None:
        """Acknowledge that an action is durable, if it was requested with a `request_id`."""
        if message.request_id is not None:
            run_id, session_id = accepted.run_id, accepted.session_id
            self.say(control.ack(message.action, message.request_id, run_id=run_id, session_id=session_id))

    def begin_with(self, answer: Resumption) -> None:
        """Deliver the answer to a client that has reconnected, and what follows."""
        self.follower.begin_with(answer)

    def begin_with_snapshot(self, snapshot: dict[str, Any]) -> None:
        """Deliver a snapshot, and what comes after it."""
        self.go_on_after(snapshot)
        self.say(snapshot)

    def go_on_after(self, snapshot: Mapping[str, Any]) -> None:
        """Deliver what comes after a snapshot, which replaces what was before."""
        self._waits = False
        self.follower.begin_after(snapshot)

    # ── Control messages ────────────────────────────────────────────────────────────────────────────────

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message or a snapshot, after what was sent before."""
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
        """The frames to send, until the run ends or waits; and the comments that keep the connection alive.

        Raises:
            ExpiredDuring: the token expired.
            Refusal: `unavailable`, because the server stops.
        """
        follower = self.follower
        await self._renewed()  # it may have changed between the token's check and this
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
        """Wait this long; return True if something happened within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._awake.wait()
        return False

    def _left(self) -> float:
        """For how many seconds this may go on."""
        if self._stopped:
            raise Refusal(ErrorCode.UNAVAILABLE, SHUTTING_DOWN, run_id=self.follower.cursor.run_id)
        if self._is_over:
            raise ExpiredDuring
        if self._principal.expires_at is None:
            return float("inf")
        left = (self._principal.expires_at - datetime.now(UTC)).total_seconds()
        if left <= 0:
            raise ExpiredDuring
        return left


async def _always_room() -> None:
    """There is always room: the next page is requested when the last was sent, see `RunRequest.pages`."""


class EventStream(StreamingResponse):
    """The answer that streams until there is nothing more to send."""

    media_type = "text/event-stream"

    def __init__(self, request: RunRequest, done: contextlib.ExitStack) -> None:
        super().__init__(request.stream(), headers=HEADERS)
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._done:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        # If the client leaves, the unfinished generator is closed here, and not when it is garbage-collected.
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is the generator that was given
            await super().stream_response(send)


async def while_there(receive: Receive, work: Awaitable[T]) -> T | None:
    """Return the result of `work`; if the client leaves before, cancel it and return None."""
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
    """The requests that follow runs: it bounds their number, and ends them when the server stops.

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
        """Make a request that may follow a run, for as long as the block lasts.

        Raises:
            Refusal: `rate_limited` if there is no room for another, `unavailable` when the server stops.
        """
        self._admit(principal.person)
        request = RunRequest(services, principal, self._settings.heartbeat_seconds)
        self._open.add(request)
        unwatch = services.identity.directory.watch(principal.person, request.changed)
        try:
            yield request
        finally:
            unwatch()
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
        """The number of requests that follow a run."""
        return len(self._open)

    async def drain(self) -> None:
        """End every stream, and accept no more."""
        self._draining = True
        for request in list(self._open):
            request.stop()
        for _ in range(100):
            if not self._open:
                return
            await asyncio.sleep(0.02)
