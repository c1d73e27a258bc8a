"""Following a run over HTTP: the events of the socket as server-sent events.

Laws:
- `data` is byte by byte the frame that the socket sends; `id` is `<epoch>-<event_index>`, and what isn't an event of
  the run has none, but for a snapshot, which stands for everything up to its `as_of`.
- Delivery is by the hub's cursor: a slow reader costs one page, and whoever left nothing.
- A stream ends after the run's last event, after a `WorkflowRunOutput` that says PAUSED when nothing came after it,
  after the `auth_required` of a token that ran out, and when the server stops. Where it ended is where it resumes.

Source: protocol spec, "The SSE twin"; the HTML standard, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from interlock.auth import Principal
from interlock.engine.engine import Accepted
from interlock.following.hub import Cursor, Hub
from interlock.following.resume import Resumption
from interlock.log.port import LogUnavailable
from interlock.settings import Settings
from interlock_protocol import control
from interlock_protocol.codec import JSON
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.limits import MAX_DEPTH
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.types import RunStatus

T = TypeVar("T")

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No cache keeps a stream, and no proxy collects it."""

HEARTBEAT = b":\n"
"""A comment: it tells proxies and clients that the connection lives. No blank line: that would end an event."""

LOG_AWAY_SECONDS = 0.25
"""How long a follower waits before it asks again for what the log couldn't give."""

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


def _pauses(frame: str | bytes) -> bool:
    """Whether a run waits for people after this frame, as far as it goes."""
    assert isinstance(frame, bytes)
    return _PAUSE in frame[:_MAX_ID]


class Follower:
    """One request that follows one run.

    Args:
        principal: whose token it came with; it ends when that does.
        heartbeat: seconds of silence after which a comment is sent.
    """

    def __init__(self, hub: Hub, principal: Principal, heartbeat: float) -> None:
        self._hub = hub
        self._principal = principal
        self._heartbeat = heartbeat
        self._awake = asyncio.Event()
        self._stopped = False
        self._first: list[bytes] = []
        self._mark: tuple[int, bytes] | None = None
        self._is_over = False
        self._cursor: Cursor | None = None

    # ── Where it stands ─────────────────────────────────────────────────────────────────────────────────

    def watch(self, run_id: str) -> Cursor:
        """A cursor on the run, which delivers nothing yet. Who watches before looking misses nothing after."""
        self.close()
        self._cursor = self._hub.follow(run_id, self._awake.set)
        return self._cursor

    @property
    def cursor(self) -> Cursor:
        assert self._cursor is not None, "watch() comes first"
        return self._cursor

    def close(self) -> None:
        """Let go of the run; again is fine."""
        if self._cursor is not None:
            self._cursor.close()

    def stop(self) -> None:
        """End what is being sent: the server stops."""
        self._stopped = True
        self._awake.set()

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a control message before the events."""
        self._first.append(SSE.encode(message))

    def acknowledge(self, message: StartWorkflow | ContinueWorkflow, accepted: Accepted) -> None:
        """Say that an action is durable, to whoever asked for it by a `request_id`."""
        if message.request_id is not None:
            run_id, session_id = accepted.run_id, accepted.session_id
            self.say(control.ack(message.action, message.request_id, run_id=run_id, session_id=session_id))

    def begin(self, answer: Resumption) -> None:
        """Deliver what answers a client that came back."""
        for message in answer.says:
            self.say(message)
        if answer.first is None or (answer.says and self._waits_as_of(answer.says[-1])):
            self._is_over = True
            return
        self.cursor.next_index = answer.first
        if answer.subscribed is not None:
            self._mark = (answer.subscribed_at, SSE.encode(answer.subscribed))

    def begin_with(self, snapshot: Mapping[str, Any]) -> None:
        """Deliver a snapshot, and what comes after it."""
        self.say(snapshot)
        self.go_on_after(snapshot)
        self._is_over = RunStatus(snapshot["status"]).is_final or self._waits_as_of(snapshot)

    def go_on_after(self, snapshot: Mapping[str, Any]) -> None:
        """Deliver what comes after a snapshot, also where what came before it was trimmed or lost."""
        self.cursor.next_index = snapshot["as_of"] + 1
        self.cursor.told(snapshot["epoch"], self.cursor.next_index)

    def _waits_as_of(self, message: Mapping[str, Any]) -> bool:
        """Whether this is a snapshot of a run that waits, and nothing has come after it."""
        if message["event"] != "WorkflowRunOutput" or message["status"] != RunStatus.PAUSED:
            return False
        as_of: int = message["as_of"]
        return as_of + 1 >= self.cursor.tail.next_index

    # ── Delivery ────────────────────────────────────────────────────────────────────────────────────────

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Everything to send, in pieces of bounded size."""
        try:
            if self._first:
                yield b"".join(self._first)
            async with aclosing(self.pages()) as pages:
                async for page in pages:
                    yield page
        except ExpiredDuring as expired:
            yield SSE.encode(control.auth_required(expired.sentence, expired.code))
        except Refusal:
            return

    async def pages(self) -> AsyncGenerator[bytes, None]:
        """The events from the cursor on, until the run ends or waits; and what keeps the connection alive.

        Raises:
            ExpiredDuring: the token ran out.
            Refusal: `unavailable`: the server stops.
        """
        cursor, ends = self.cursor, self._is_over
        self._is_over = False  # asked again, there may be more
        while not ends:
            self._awake.clear()
            left = self._left()
            if (mark := self._reached_mark()) is not None:
                yield mark
            elif not cursor.is_behind:
                if not await self._woken(min(left, self._heartbeat)):
                    yield HEARTBEAT
            else:
                frames, ends = await self._page()
                if frames:
                    yield b"".join(frames)

    async def _page(self) -> tuple[list[bytes], bool]:
        """The next frames, and whether the stream ends after them."""
        cursor = self.cursor
        if cursor.lost_epoch:
            return [], True  # whoever comes back with its last event's id is told what was lost
        try:
            frames, ends = await self._hub.page(cursor, SSE)
        except LogUnavailable:
            # The follower lags, and goes on when the log is back.
            await self._woken(LOG_AWAY_SECONDS)
            return [], False
        if self._mark is not None and cursor.next_index + len(frames) > self._mark[0]:
            frames, ends = frames[: self._mark[0] - cursor.next_index], False
        cursor.next_index += len(frames)
        self._hub.counters.delivered += len(frames)
        waits = bool(frames) and _pauses(frames[-1]) and not cursor.is_behind
        return [each for each in frames if isinstance(each, bytes)], ends or waits

    def _reached_mark(self) -> bytes | None:
        if self._mark is None or self.cursor.next_index < self._mark[0]:
            return None
        (_, message), self._mark = self._mark, None
        return None if self.cursor.tail.ended else message

    async def _woken(self, seconds: float) -> bool:
        """Whether something happened within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._awake.wait()
        return False

    def _left(self) -> float:
        """For how many seconds this may go on."""
        if self._stopped:
            raise Refusal(ErrorCode.UNAVAILABLE, SHUTTING_DOWN, run_id=self.cursor.run_id)
        if self._principal.expires_at is None:
            return float("inf")
        left = (self._principal.expires_at - datetime.now(UTC)).total_seconds()
        if left <= 0:
            raise ExpiredDuring
        return left


class EventStream(StreamingResponse):
    """The answer that goes on until there is nothing more to say."""

    media_type = "text/event-stream"

    def __init__(self, follower: Follower, done: contextlib.ExitStack) -> None:
        super().__init__(follower.stream(), headers=HEADERS)
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
        self._open: set[Follower] = set()
        self._users: Counter[tuple[str, str]] = Counter()
        self._draining = False

    @contextlib.contextmanager
    def follower(self, hub: Hub, principal: Principal) -> Iterator[Follower]:
        """A follower, for as long as the block lasts.

        Raises:
            Refusal: `rate_limited` where there is no room for another, `unavailable` when the server stops.
        """
        self._admit(principal.person)
        follower = Follower(hub, principal, self._settings.heartbeat_seconds)
        self._open.add(follower)
        try:
            yield follower
        finally:
            follower.close()
            self._open.discard(follower)
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
        for follower in list(self._open):
            follower.stop()
        for _ in range(100):
            if not self._open:
                return
            await asyncio.sleep(0.02)
