"""One WebSocket: the protocol's connection on one side, engine, hub and lists on the other.

Laws:
- One task reads and acts, one task sends; neither is made per event.
- Actions of one connection are carried out one after the other. An `ack` comes before the events it acknowledges.
- What waits to be sent is bounded in bytes: while more than `MAX_WAITING_BYTES` of answers wait, nothing more is taken
  from the client; run events and changes of lists are read only when there is room.
- Between two messages of one connection, the others get their turn.
- Whatever a client sends, it gets an answer, and the connection lives; the exceptions are the close codes.

Source: `docs/protocol.md`, "Actions" to "Lists of runs" and "Reconnecting"; `docs/architecture.md`, "Delivery".
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import structlog

from interlock.aio.wakeup import Wakeup
from interlock.auth import AuthError, Principal
from interlock.engine.engine import Accepted
from interlock.following.hub import Cursor
from interlock.following.lists import FollowedList, Lists
from interlock.following.resume import resumable, resume
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.socket.transport import LAST_WORDS_SECONDS, Outlet
from interlock.store.port import StoreUnavailable
from interlock.telemetry import log_context as about
from interlock.telemetry import tracing
from interlock_protocol import control
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.codec import Codec, Frame
from interlock_protocol.connection import Action, Answer, Close, ServerConnection, ServerState
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.messages import (
    AnyClientMessage,
    Authenticate,
    CancelWorkflow,
    ContinueWorkflow,
    FollowRuns,
    Ping,
    Reconnect,
    StartWorkflow,
    Unfollow,
    UnfollowRuns,
)

logger = structlog.get_logger(__name__)

MAX_WAITING_BYTES = 256 * 1024
"""How much may wait to be sent in answers and errors before nothing more is taken from the client. If it doesn't read
within a heartbeat, it is closed (4508).
"""

AWAY_SECONDS = 0.25
"""How long a follower waits before it asks again for what the log or the database couldn't give."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What a socket is held to. Times are in seconds, sizes in bytes."""

    max_message_bytes: int
    auth_timeout: float
    heartbeat: float
    per_user: int


@dataclass(slots=True)
class _Following:
    """A followed run: its cursor, and what is to be said when the cursor reaches a place."""

    cursor: Cursor
    subscribed: dict[str, Any] | None = None
    subscribed_at: int = 0


class Socket:
    """Serves one accepted connection until it is closed."""

    def __init__(
        self,
        services: Services,
        codec: Codec,
        outlet: Outlet,
        limits: SocketLimits,
        users: Counter[tuple[str, str]],
        receive: Receive,
        send: Send,
    ) -> None:
        self.engine = services.engine
        self.hub = services.hub
        self.authenticator = services.authenticator
        self.outlet = outlet
        self.limits = limits
        self.users = users
        self.connection = ServerConnection(codec, max_message_bytes=limits.max_message_bytes)
        self.connection_id = uuid.uuid4().hex
        self.pace = services.rate_limits.pace(self.connection_id)
        self.principal: Principal | None = None
        self._receive = receive
        self._send = send
        self._control: list[Frame] = []
        self._waiting_bytes = 0
        self._is_read = Wakeup()
        self._following: dict[str, _Following] = {}
        self._awake = Wakeup()
        self._lists = Lists(services.feed, services.store, self._awake.set)
        self._sending: asyncio.Timeout | None = None
        self._close_code: CloseCode | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────

    async def serve(self) -> None:
        """Read, act and send until either side closes."""
        about.connection(self.connection_id)
        self._greet()
        self._call_at(self.limits.auth_timeout, self._auth_timed_out)
        reader = asyncio.create_task(self._read_all(), name="read a socket")
        reader.add_done_callback(self._has_read_all)
        try:
            async with asyncio.timeout(None) as self._sending:
                await self._send_all()
        except OSError:
            pass  # the client is gone, or doesn't take what was said in time (`_has_read_all`)
        except Exception:
            logger.exception("socket_broke_off")
        finally:
            self._sending = None
            self._end(reader)
            await self.pace.close()
            await asyncio.gather(reader, return_exceptions=True)
        if self._close_code is not None:
            with contextlib.suppress(Exception):
                await self._send(
                    {"type": "websocket.close", "code": int(self._close_code), "reason": self._close_code.reason}
                )

    def _has_read_all(self, reader: asyncio.Task[None]) -> None:
        """The client is gone, and so sending ends; unless the connection is to be closed, which has its time."""
        if not reader.cancelled() and (error := reader.exception()) is not None and not isinstance(error, OSError):
            logger.error("socket_broke_off", exc_info=error)
        if not reader.cancelled() and self._close_code is None:
            self._send_for(0.0)

    def _send_for(self, seconds: float) -> None:
        """Send for so long, and no longer."""
        if self._sending is not None:
            self._sending.reschedule(asyncio.get_running_loop().time() + seconds)

    def _end(self, reader: asyncio.Task[None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for following in self._following.values():
            following.cursor.close()
        self._following.clear()
        self._lists.clear()
        reader.cancel()
        if self.principal is not None:
            person = self.principal.person
            self.users[person] -= 1
            if not self.users[person]:
                del self.users[person]

    def close(self, code: CloseCode) -> None:
        """Close the connection, once what was said is sent, or the client has had time to take it."""
        if self._close_code is None:
            self._close_code = code
            self._send_for(LAST_WORDS_SECONDS)
            self._awake.set()

    def _greet(self) -> None:
        self.say(
            control.connected(
                connection_id=self.connection_id,
                heartbeat_seconds=self.limits.heartbeat,
                max_message_bytes=self.limits.max_message_bytes,
            )
        )

    def _call_at(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)

    def _auth_timed_out(self) -> None:
        self.close(CloseCode.AUTH_TIMEOUT)

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message before any event that isn't sent yet."""
        self.hub.counters.said(message)
        frame = self.outlet.codec.encode(message)
        self._control.append(frame)
        self._waiting_bytes += len(frame)
        self._awake.set()

    async def _send_all(self) -> None:
        while True:
            self._awake.clear()
            await self._send_control()
            behind = [each for each in self._following.values() if not each.cursor.held and self._has_news(each)]
            lists = self._lists.with_news()
            if self._close_code is not None:
                return
            for each in behind:
                await self._send_page(each)
                if self._control:
                    await self._send_control()
            for followed in lists:
                await self._send_list(followed)
            if not behind and not lists:
                await self._awake.wait()

    def _has_news(self, each: _Following) -> bool:
        return each.cursor.is_behind or each.subscribed is not None

    async def _send_control(self) -> None:
        while self._control:
            frames, self._control = self._control, []
            await self.outlet.send(frames)
            self._waiting_bytes -= sum(map(len, frames))
            self._is_read.set()

    async def _send_page(self, following: _Following) -> None:
        """The next page of one followed run, and `subscribed` where it belongs."""
        cursor = following.cursor
        if cursor.lost_epoch:
            await self._tell_of_loss(following)
            return
        if self._announce(following):
            return
        await self.outlet.room()
        try:
            frames, ends = await self.hub.page(cursor, self.outlet.codec)
        except LogUnavailable:
            await self._lag()
            return
        if cursor.held or cursor.lost_epoch or self._following.get(cursor.run_id) is not following:
            return
        if following.subscribed is not None and cursor.next_index + len(frames) > following.subscribed_at:
            frames, ends = frames[: following.subscribed_at - cursor.next_index], False
        if frames:
            cursor.next_index += len(frames)
            self.hub.counters.delivered += len(frames)
            await self.outlet.send(frames)
        if self._following.get(cursor.run_id) is not following:
            return
        if ends:
            self._unfollow(cursor.run_id)
        else:
            self._announce(following)

    async def _send_list(self, followed: FollowedList) -> None:
        """What is to be told next of one followed list."""
        await self.outlet.room()
        try:
            news = await followed.news()
        except StoreUnavailable:
            await self._lag()
            return
        if news and followed in self._lists:
            await self.outlet.send([self.outlet.codec.encode(message) for message in news])

    async def _lag(self) -> None:
        """What was to be sent can't be read now: go on when it is back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_SECONDS):
                await self._awake.wait()

    async def _tell_of_loss(self, following: _Following) -> None:
        """The run goes on in another epoch: say so, as if the client had come back to it."""
        cursor, epoch = following.cursor, following.cursor.lost_epoch
        last = cursor.next_index - 1 if cursor.next_index else None
        back = Reconnect(action="reconnect", run_id=cursor.run_id, last_event_index=last, epoch=epoch)
        try:
            answer = await resume(self.engine, back, cursor)
        except (LogUnavailable, StoreUnavailable, Refusal):
            await asyncio.sleep(AWAY_SECONDS)
            return
        if self._following.get(cursor.run_id) is not following:
            return
        for message in answer.says:
            self.say(message)
        if not answer.says:
            await asyncio.sleep(AWAY_SECONDS)  # somebody sees to it; who asked too early asks again
        following.subscribed, following.subscribed_at = answer.subscribed, answer.subscribed_at
        if answer.first is None:
            self._unfollow(cursor.run_id)
        else:
            cursor.next_index = answer.first

    def _announce(self, following: _Following) -> bool:
        if following.subscribed is None or following.cursor.next_index < following.subscribed_at:
            return False
        message, following.subscribed = following.subscribed, None
        if following.cursor.tail.ended:
            return False
        self.say(message)
        return True

    # ── Reading and acting ──────────────────────────────────────────────────────────────────────────────

    async def _read_all(self) -> None:
        while self._close_code is None:
            if not await self._take(await self._receive()):
                return
            await asyncio.sleep(0)
            if self._waiting_bytes > MAX_WAITING_BYTES:
                await self._until_read()

    async def _until_read(self) -> None:
        """Return when the client has taken what was said, or has had the time to."""
        try:
            async with asyncio.timeout(self.limits.heartbeat):
                while self._waiting_bytes > MAX_WAITING_BYTES:
                    self._is_read.clear()
                    await self._is_read.wait()
        except TimeoutError:
            self.close(CloseCode.NOT_READING)

    async def _take(self, message: MutableMapping[str, Any]) -> bool:
        """Do what a message asks for; False when it says that the client is gone. (While a socket waits for the next
        one, nothing of this one is kept.)
        """
        if message["type"] == "websocket.disconnect":
            return False
        frame = message.get("text")
        if frame is None:
            frame = message.get("bytes") or b""
        received = self.connection.receive(frame)
        match received:
            case Action():
                with about.request(received.message):
                    await self._act(received.message)
            case Answer():
                self.say(received.message)
            case Close():
                self.close(CloseCode(received.code))
        return True

    async def _act(self, message: AnyClientMessage) -> None:
        try:
            with tracing.action(message, self.connection_id):
                await self.pace.admit(message, None if self.principal is None else self.principal.person)
                await self._acts[type(message)](self, message)
        except Refusal as refusal:
            self._refuse(refusal, message)
            if self.pace.is_flooding:
                self.close(CloseCode.TOO_FAST)
        except (LogUnavailable, StoreUnavailable):
            sentence = "The server can't reach its storage at the moment; send it again in a while."
            self._refuse(Refusal(ErrorCode.UNAVAILABLE, sentence), message)
        except Exception:
            logger.exception("action_failed", action=message.action)
            self._refuse(Refusal(ErrorCode.INTERNAL, "Something went wrong in the server; it is in its log."), message)

    def _refuse(self, refusal: Refusal, message: AnyClientMessage) -> None:
        if refusal.run_id is None:
            refusal.run_id = getattr(message, "run_id", None)
        self.say(control.error(refusal, request_id=message.request_id))

    def _ack(self, message: AnyClientMessage, accepted: Accepted | None = None) -> None:
        if message.request_id is not None:
            of_run = {} if accepted is None else {"run_id": accepted.run_id, "session_id": accepted.session_id}
            self.say(control.ack(message.action, message.request_id, **of_run))

    async def _authenticate(self, message: Authenticate) -> None:
        try:
            principal = await self.authenticator.authenticate(message.token)
        except AuthError as error:
            self.say(self.connection.auth_refused(error.code, str(error), request_id=message.request_id))
            return
        if self.principal is not None and principal.person != self.principal.person:
            sentence = "This token is another user's; open another connection for it."
            self.say(self.connection.auth_refused(AuthErrorCode.INVALID_TOKEN, sentence, request_id=message.request_id))
            return
        if self.principal is None and not self._admitted(principal.person):
            self.close(CloseCode.TOO_MANY_CONNECTIONS)
            return
        self.principal = principal
        await self.outlet.known()
        await self._drop_forbidden(principal)
        self._watch_expiry(principal)
        self.say(
            self.connection.authenticated(
                user_id=principal.user_id,
                scopes=sorted(principal.scopes),
                account=principal.account,
                namespaces=[*(["*"] if principal.owns_all else ()), *sorted(principal.owned)],
                expires_at=None if principal.expires_at is None else principal.expires_at.isoformat(),
                request_id=message.request_id,
            )
        )

    async def _drop_forbidden(self, principal: Principal) -> None:
        """Nothing more is sent of a run that a fresh token doesn't let its bearer read."""
        for run_id in list(self._following):
            try:
                await self.engine.runs.readable(principal, run_id)
            except Refusal as refusal:
                self._unfollow(run_id)
                self.say(control.error(refusal))
        try:
            self._lists.renew(principal)
        except Refusal as refusal:
            self.say(control.error(refusal))

    def _admitted(self, person: tuple[str, str]) -> bool:
        """Count this socket as one of the user's, if they may have another."""
        if self.users[person] >= self.limits.per_user:
            return False
        self.users[person] += 1
        return True

    def _watch_expiry(self, principal: Principal) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if principal.expires_at is not None:
            left = (principal.expires_at - datetime.now(UTC)).total_seconds()
            self._call_at(max(left, 0.0), self._expired)

    def _expired(self) -> None:
        """The token ran out: nothing more is sent of any run until a fresh one comes, in time."""
        for run_id in list(self._following):
            self._unfollow(run_id)
        self._lists.clear()
        self.say(self.connection.expired())
        self._call_at(self.limits.auth_timeout, self._auth_timed_out)

    async def _start(self, message: StartWorkflow) -> None:
        accepted = await self.engine.start(self._who, message)
        if accepted.first_index is not None:
            self._ack(message, accepted)
            self._follow(self._watch(accepted.run_id), 0)
            return
        # Its key was used before: the run may be anywhere by now.
        with self._watching(accepted.run_id) as cursor:
            head = await self.engine.runs.head(accepted.run_id)
            cursor.told(head.epoch, head.next_index)
            self._ack(message, accepted)
            if accepted.run_id not in self._following:
                self._follow(cursor, 0)

    async def _continue(self, message: ContinueWorkflow) -> None:
        following = self._following.get(message.run_id)
        if following is not None:
            seen = following.cursor.next_index
            await self._holding(following, message, self.engine.continue_run(self._who, message, seen=seen))
            return
        with self._watching(message.run_id) as cursor:
            accepted = await self.engine.continue_run(self._who, message)
            self._ack(message, accepted)
            if accepted.first_index is not None:
                self._follow(cursor, accepted.first_index)

    async def _cancel(self, message: CancelWorkflow) -> None:
        following = self._following.get(message.run_id)
        await self._holding(following, message, self.engine.cancel_run(self._who, message))

    async def _holding(
        self, following: _Following | None, message: AnyClientMessage, action: Awaitable[Accepted]
    ) -> Accepted:
        """Carry out an action on a run while its events wait, and acknowledge it before they go on."""
        if following is not None:
            following.cursor.held = True
        try:
            accepted = await action
            self._ack(message, accepted)
            return accepted
        finally:
            if following is not None:
                following.cursor.held = False
                self._awake.set()

    async def _unfollow_run(self, message: Unfollow) -> None:
        facts = await self.engine.runs.readable(self._who, message.run_id)
        self._unfollow(message.run_id)
        self._ack(message, Accepted(facts.run_id, facts.session_id))

    async def _follow_runs(self, message: FollowRuns) -> None:
        if self.connection.state is ServerState.AUTHENTICATED:  # the token may have run out just now
            self._lists.follow(self._who, message)
        self._ack(message)

    async def _unfollow_runs(self, message: UnfollowRuns) -> None:
        self._lists.unfollow(message.list)
        self._ack(message)

    async def _ping(self, message: Ping) -> None:
        self.say(control.pong(message.request_id))

    # ── Following ───────────────────────────────────────────────────────────────────────────────────────

    async def _reconnect(self, message: Reconnect) -> None:
        """Move the cursor to where the client left off, and say what is to come."""
        facts = await resumable(self.engine, self._who, message)
        with self._watching(facts.run_id) as cursor:
            answer = await resume(self.engine, message, cursor)
            self._unfollow(facts.run_id)
            self._ack(message, Accepted(facts.run_id, facts.session_id))
            for each in answer.says:
                self.say(each)
            following = None if answer.first is None else self._follow(cursor, answer.first)
            if following is not None:
                following.subscribed, following.subscribed_at = answer.subscribed, answer.subscribed_at

    def _watch(self, run_id: str) -> Cursor:
        """A cursor that delivers nothing yet. Whoever watches before looking at the run misses nothing after."""
        return self.hub.follow(run_id, self._awake.set)

    @contextlib.contextmanager
    def _watching(self, run_id: str) -> Iterator[Cursor]:
        """A cursor that is let go again at the end of the block, unless the run is followed with it by then."""
        cursor = self._watch(run_id)
        try:
            yield cursor
        finally:
            following = self._following.get(run_id)
            if following is None or following.cursor is not cursor:
                cursor.close()

    def _follow(self, cursor: Cursor, first: int) -> _Following | None:
        """Deliver from `first` on; None, and nothing, when the token ran out meanwhile."""
        self._unfollow(cursor.run_id)
        if self.connection.state is not ServerState.AUTHENTICATED:
            cursor.close()
            return None
        cursor.next_index = first
        following = self._following[cursor.run_id] = _Following(cursor)
        self._awake.set()
        return following

    def _unfollow(self, run_id: str) -> None:
        following = self._following.pop(run_id, None)
        if following is not None:
            following.cursor.close()

    @property
    def _who(self) -> Principal:
        assert self.principal is not None
        return self.principal

    _acts: ClassVar[dict[type, Callable[[Socket, Any], Awaitable[None]]]] = {
        Authenticate: _authenticate,
        StartWorkflow: _start,
        ContinueWorkflow: _continue,
        CancelWorkflow: _cancel,
        Reconnect: _reconnect,
        Unfollow: _unfollow_run,
        FollowRuns: _follow_runs,
        UnfollowRuns: _unfollow_runs,
        Ping: _ping,
    }
