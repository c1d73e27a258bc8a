"""The life of one WebSocket: it connects the protocol's connection with actions, followed runs and lists.

Laws:
- One task reads and acts, one task sends; neither is made per event.
- Actions of one connection are carried out one after the other. An `ack` comes before the events it acknowledges.
- What waits to be sent is bounded: while too many answers wait, no further message is read from the client
  (`answers.py`); run events and changes of lists are read only when there is room.
- Between two messages of one connection, other connections can run.
- Every message of a client gets an answer, and the connection stays open; the exceptions are the close codes.

Source: `docs/protocol.md`, "Frames", "Connecting and authentication" and "Close codes"; `docs/architecture.md`,
"Delivery".
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from interlock.aio.wakeup import Wakeup
from interlock.auth import AuthError, AuthUnavailable, Principal
from interlock.following.follower import Followers
from interlock.following.on_connection import Lists
from interlock.following.sink import Sink
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.socket.actions import ACTIONS
from interlock.socket.answers import Answers
from interlock.socket.places import Places
from interlock.socket.transport import LAST_WORDS_SECONDS, Outlet
from interlock.store.port import StoreUnavailable
from interlock.telemetry import log_context as about
from interlock.telemetry import tracing
from interlock_protocol import control
from interlock_protocol.close_codes import CloseCode
from interlock_protocol.codec import Codec
from interlock_protocol.connection import Action, Answer, Close, ServerConnection, ServerState
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.interactions import ids_of
from interlock_protocol.messages import AnyClientMessage, Authenticate

logger = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """The limits of a socket. Times are in seconds, sizes in bytes."""

    max_message_bytes: int
    auth_timeout: float
    heartbeat: float


class Socket:
    """Serves one accepted connection until it is closed."""

    def __init__(
        self,
        services: Services,
        codec: Codec,
        outlet: Outlet,
        limits: SocketLimits,
        places: Places,
        receive: Receive,
        send: Send,
    ) -> None:
        self.engine = services.engine
        self.authenticator = services.authenticator
        self._directory = services.identity.directory
        self._unwatch: Callable[[], None] | None = None
        self._changes = 0
        self.outlet = outlet
        self.limits = limits
        self.places = places
        self.connection = ServerConnection(codec, max_message_bytes=limits.max_message_bytes)
        self.connection_id = uuid.uuid4().hex
        self.pace = services.rate_limits.pace(self.connection_id)
        self.principal: Principal | None = None
        self._receive = receive
        self._send = send
        self._awake = Wakeup()
        self.wake = self._awake.set
        self._answers = Answers(outlet, services.hub.counters, self.wake)
        self.say = self._answers.say
        self._sink = Sink(outlet.codec, self.say, outlet.room, outlet.send)
        self.followers = Followers(services.engine, services.hub, self._sink, self.wake)
        self.sights = services.sights
        self.drafts = services.drafts
        self.lists = Lists(
            services.feed, services.store, self.wake, services.presence, services.drafts, services.sights
        )
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
            pass  # the client is gone, or doesn't read the answers in time (`_has_read_all`)
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
        """The client is gone, so sending ends; unless the connection is being closed, which has its own time limit."""
        if not reader.cancelled() and (error := reader.exception()) is not None and not isinstance(error, OSError):
            logger.error("socket_broke_off", exc_info=error)
        if not reader.cancelled() and self._close_code is None:
            self._send_for(0.0)

    def _send_for(self, seconds: float) -> None:
        """Limit further sending to this many seconds, unless its time is up already."""
        if self._sending is not None and not self._sending.expired():
            self._sending.reschedule(asyncio.get_running_loop().time() + seconds)

    def _end(self, reader: asyncio.Task[None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._unwatch is not None:
            self._unwatch()
        self.followers.clear()
        self.lists.clear()
        reader.cancel()
        self.places.leave(self)

    def close(self, code: CloseCode) -> None:
        """Close the connection, once the answers are sent, or the client has had time to read them."""
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

    async def _send_all(self) -> None:
        while True:
            self._awake.clear()
            if self._answers.are_waiting:
                await self._answers.send()
            behind, lists = self.followers.with_news(), self.lists.with_news()
            if self._close_code is not None:
                return
            for follower in behind:
                await follower.deliver()
                if follower.is_over:
                    self.followers.let_go(follower)
                if self._answers.are_waiting:
                    await self._answers.send()
            for followed in lists:
                await followed.deliver(self._sink)
            if not behind and not lists:
                await self._awake.wait()

    # ── Reading and acting ──────────────────────────────────────────────────────────────────────────────

    async def _read_all(self) -> None:
        while self._close_code is None:
            if not await self._take(await self._receive()):
                return
            await asyncio.sleep(0)
            try:
                await self._answers.until_read(self.limits.heartbeat)
            except TimeoutError:
                self.close(CloseCode.NOT_READING)

    async def _take(self, message: MutableMapping[str, Any]) -> bool:
        """Carry out a message; return False if it reports that the client is gone. (The message isn't kept while the
        socket waits for the next one.)
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
                await ACTIONS[type(message)](self, message)
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

    async def authenticate(self, message: Authenticate) -> None:
        """Accept a token: the first determines the connection's user, a later one prolongs the connection."""
        try:
            principal = await self.authenticator.authenticate(message.token)
        except AuthError as error:
            self.say(self.connection.auth_refused(error.code, str(error), request_id=message.request_id))
            return
        if self.principal is not None and principal.person != self.principal.person:
            sentence = "This token is another user's; open another connection for it."
            self.say(self.connection.auth_refused(AuthErrorCode.INVALID_TOKEN, sentence, request_id=message.request_id))
            return
        if self.principal is None and not self.places.keep(self, principal.person):
            self.close(CloseCode.TOO_MANY_CONNECTIONS)
            return
        if self._unwatch is None:
            self._unwatch = self._directory.watch(principal.person, self._changed)
        changes = self._changes
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
                groups=sorted(principal.groups),
                expires_at=None if principal.expires_at is None else principal.expires_at.isoformat(),
                request_id=message.request_id,
            )
        )
        if changes != self._changes:  # since the token was judged
            await self._look_again()

    async def _drop_forbidden(self, principal: Principal) -> None:
        """Unfollow the runs that the bearer of a fresh token may not read."""
        for run_id in self.followers.run_ids():
            try:
                await self.engine.runs.readable(principal, run_id)
            except Refusal as refusal:
                self.followers.unfollow(run_id)
                self.say(control.error(refusal))
        for address in self.lists.looks.addresses:
            try:
                await self.engine.runs.readable(principal, ids_of(address)[1])
            except Refusal:
                self.lists.looks.look_away(address)
        try:
            self.lists.renew(principal)
        except Refusal as refusal:
            self.say(control.error(refusal))

    def _watch_expiry(self, principal: Principal) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if principal.expires_at is not None:
            left = (principal.expires_at - datetime.now(UTC)).total_seconds()
            self._call_at(max(left, 0.0), self._expired)

    def _expired(self) -> None:
        """The token has expired: no run's events are sent until a fresh one comes, in time."""
        self.followers.clear()
        self.lists.clear()
        self.say(self.connection.expired())
        self._call_at(self.limits.auth_timeout, self._auth_timed_out)

    async def _changed(self) -> None:
        """The directory has something new about the user."""
        self._changes += 1
        await self._look_again()

    async def _look_again(self) -> None:
        """Go on with the groups and scopes that the user has now, or not at all, if the token counts no more."""
        if self.principal is None or not self.may_follow:
            return
        before = self.principal
        try:
            renewed = await self._directory.renewed(before)
        except AuthUnavailable:
            return
        except AuthError:
            renewed = None
        if self.principal is not before:  # another token came meanwhile, which was judged by what is known now
            return
        if renewed is None or renewed.person != before.person:
            self._expired()
        elif renewed != before:
            self.principal = renewed
            await self._drop_forbidden(renewed)

    @property
    def who(self) -> Principal:
        """The connection's user."""
        assert self.principal is not None
        return self.principal

    @property
    def may_follow(self) -> bool:
        """Whether the token is valid, as far as is known."""
        return self.connection.state is ServerState.AUTHENTICATED
